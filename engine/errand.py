"""What one attempt at a task is to do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from engine.retrieve.outcome import Outcome
from engine.retrieve.selector import Study
from engine.retrieve.task import Priority, Verify


@dataclass(frozen=True, slots=True)
class Errand:
    """One attempt at a task.

    ``missing``: only these series of the study, which an earlier attempt is known to have left out.
    ``skip_present``: do not move what the destination has already. ``dry_run``: ask, and move nothing.
    ``series_level``: the archive retrieves single series. ``verify_within``: seconds that a destination may
    take to index what has arrived, counted from the last object that it has been seen to index.
    """

    study: Study
    destination_ae_title: str
    priority: Priority = Priority.MEDIUM
    missing: tuple[str, ...] = ()
    verify: Verify = Verify.OFF
    skip_present: bool = False
    dry_run: bool = False
    series_level: bool = True
    verify_within: float = 10.0

    @property
    def by_series(self) -> bool:
        """Whether counts are compared series by series."""
        return self.verify is Verify.SERIES

    @property
    def divisible(self) -> bool:
        """Whether single series of it can be asked for."""
        return self.series_level and not self.study.series_uid


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of an errand. ``missing``: the series to ask for in the next attempt, empty for the whole
    study. ``instances``: how many objects the archive counts, where it was asked."""

    outcome: Outcome
    missing: tuple[str, ...] = ()
    instances: int | None = None
