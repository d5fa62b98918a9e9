"""What the gate lets through: rates, windows, breakers, budgets, approval."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from engine.config.fields import Duration, Off, PositiveDuration
from engine.config.models.base import Section, default

Count = Annotated[int, Field(ge=1)]


class RateSection(Section):
    """At most so many in any minute."""

    studies: Count | None = default(None, "moves that start in a minute; default: no limit")
    instances: Count | None = default(None, "objects of the moves that start in a minute; default: no limit")

    @model_validator(mode="after")
    def _some(self) -> RateSection:
        if self.studies is None and self.instances is None:
            raise ValueError("studies, instances or both")
        return self


class BreakerSection(Section):
    """When a node that fails again and again is left alone."""

    failures: Count = default(5, "failures in a row after which nothing is sent to it; default: 5")
    pause: PositiveDuration = default("30s", "until it is asked again whether it is there; default: 30s")
    longest: PositiveDuration = default("10m", "pauses double up to this; default: 10m")

    @model_validator(mode="after")
    def _growing(self) -> BreakerSection:
        if self.longest < self.pause:
            raise ValueError("longest to be no shorter than pause")
        return self


def _breaker(value: Any) -> str:
    return "Off" if isinstance(value, str) else "BreakerSection"


BreakerChoice = Annotated[
    Annotated[BreakerSection, Tag("BreakerSection")] | Annotated[Off, Tag("Off")], Discriminator(_breaker)
]


class HoldSection(Section):
    """Which moves a person must approve."""

    over: Annotated[int, Field(ge=0)] = default(0, "only where a message moves more studies; default: 0, all")
    expires: PositiveDuration = default("24h", "what nobody approves fails after this; default: 24h")


def _hold(value: Any) -> str:
    return "HoldSection" if isinstance(value, dict) else "Always"


HoldChoice = Annotated[
    Annotated[bool, Tag("Always")] | Annotated[HoldSection, Tag("HoldSection")], Discriminator(_hold)
]


class BudgetSection(Section):
    """At most so many."""

    studies: Count | None = default(None, "default: no limit")
    instances: Count | None = default(None, "where the archive counts them; default: no limit")


class BudgetsSection(Section):
    """How much may be moved."""

    order: BudgetSection = default({}, "for one message; more waits for an approval")
    patient: BudgetSection = default({}, "for one patient in a day; more waits for the next day")


class GateSection(Section):
    """What holds for every route."""

    mode: Literal["open", "dry-run"] = default("open", "dry-run: nothing is moved, only told; default: open")
    budgets: BudgetsSection = default({}, "how much may be moved; default: no limit")
    aging: PositiveDuration = default(
        "30m", "what has waited so long counts as one priority more urgent; default: 30m"
    )
    verify_within: Duration = default(
        "10s", "time for the destination to show what it has received, where a route verifies; default: 10s"
    )
