"""Routes: which messages mean which studies, and where they go."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from engine.config.fields import Duration, Listed, MessageType, Path, Retries, WindowSpan
from engine.config.models.base import Section, default
from engine.config.models.conditions import ConditionSection
from engine.config.models.gate import HoldChoice
from engine.config.models.security import Beside
from engine.config.models.studies import Item


class DestinationMap(Section):
    """The destination that a field of the message names."""

    field: Path
    map: Annotated[dict[str, str], Field(min_length=1)]
    otherwise: str | None = default(None, "where the field is empty or not in the map")


def _target(value: Any) -> str:
    return "DestinationMap" if isinstance(value, dict) else "DestinationName"


class PriorityName(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class ScheduleSection(Section):
    """When to retrieve, by a date field such as the appointment."""

    field: Path
    before: Duration = default("0s", "so long before it")


class RouteSection(Section):
    """Which messages mean which studies, and where they go."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    enabled: bool = True
    messages: Annotated[list[MessageType], Listed, Field(min_length=1)]
    when: Annotated[list[ConditionSection], Listed] = default([], "all of these must hold")
    studies: Annotated[list[Item], Listed, Field(min_length=1)]
    from_: Annotated[str, Field(alias="from", description="an archive")]
    to: Annotated[
        Annotated[str, Tag("DestinationName")] | Annotated[DestinationMap, Tag("DestinationMap")],
        Discriminator(_target),
    ]
    acknowledge: Literal["outcome", "accepted"] = "outcome"
    deadline: Duration = default("20s", "for the outcome; then AA, in progress")
    priority: PriorityName = default("medium", "DIMSE priority of the C-MOVE")
    validate_: Annotated[bool, Field(alias="validate")] = False
    profile: Beside | None = default(None, "file of a message profile for validate, as hl7apy writes it")
    schedule: ScheduleSection | None = default(None, "retrieve by a date that the message names")
    windows: Annotated[list[WindowSpan], Listed] = default([], "when it moves studies; default: always")
    hold: HoldChoice = default(
        False, "a person must approve its moves: true, or from how many; default: false"
    )
    gate: Literal["open", "dry-run"] = default("open", "dry-run: it moves nothing, only tells; default: open")
    retry: Retries = default("off", "when a failure that may pass is tried again; default: off")
    verify: Literal["off", "study", "series"] = default(
        "off", "ask the destination after a move for the count of the study, or of each series; default: off"
    )
    already_there: Literal["skip", "move"] = default(
        "move", "skip: not what the destination has in full already; default: move"
    )
    respond: Annotated[str, Field(pattern=r"^(|ORR\^O02|ORI\^O24|ACK)$")] = default(
        "", "ORR^O02 or ORI^O24 instead of ACK"
    )
