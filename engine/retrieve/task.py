"""Retrieve tasks: the unit that is kept, claimed, gated, carried out and finished."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from engine.retrieve.outcome import Outcome, SubOperations, TaskStatus
from engine.retrieve.selector import Selector, Study


class Priority(IntEnum):
    """How urgent a retrieve is, the most urgent first."""

    STAT = 0
    HIGH = 1
    MEDIUM = 2
    LOW = 3

    @property
    def dimse(self) -> int:
        """On the wire (PS3.7 table 9.1-7), which knows nothing above HIGH."""
        return _DIMSE[self]

    @classmethod
    def of_dimse(cls, value: int) -> Priority:
        """From the wire; what PS3.7 does not define is MEDIUM."""
        return {1: cls.HIGH, 2: cls.LOW}.get(value, cls.MEDIUM)


_DIMSE = {Priority.STAT: 1, Priority.HIGH: 1, Priority.MEDIUM: 0, Priority.LOW: 2}


class Verify(StrEnum):
    """What a destination is asked after a move: nothing, how many objects of the study it has, or how many of
    each series. The last also notices where objects of another origin make up for missing ones."""

    OFF = "off"
    STUDY = "study"
    SERIES = "series"


class Verb(StrEnum):
    """What a person can do to a task."""

    RETRY = "retry"
    CANCEL = "cancel"
    APPROVE = "approve"
    HOLD = "hold"
    EXPEDITE = "expedite"


@dataclass(frozen=True, slots=True)
class RetrieveRequest:
    """One thing to bring from an archive to a destination (names of routes.yaml), and the routes that ask.

    ``due``: not before this time; None is now. ``patient`` is the patient that budgets are kept by, empty
    where the message names none. ``instances`` is how many objects the archive counted, where it was asked.
    """

    selector: Selector
    archive: str
    destination: str
    routes: tuple[str, ...]
    priority: Priority = Priority.MEDIUM
    due: dt.datetime | None = None
    patient: str = ""
    instances: int | None = None

    @property
    def expected(self) -> Expected:
        moves = isinstance(self.selector, Study)
        return Expected(self.archive, self.destination, self.routes, moves, self.due)


@dataclass(frozen=True, slots=True)
class Expected:
    """A new task, as far as it says whether it is worth a look. ``moves``: a C-MOVE, no search."""

    archive: str
    destination: str
    routes: tuple[str, ...]
    moves: bool
    due: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """A study or series that a query found, whether it was taken, and why. ``score``: how relevant a
    prior is, from 0 to the sum of the weights, where that was asked. ``instances``: how many objects the
    archive counts, where it does."""

    taken: bool
    reason: str
    study_uid: str
    series_uid: str = ""
    score: float | None = None
    instances: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class RetrieveTask:
    """A request as it stands in the store.

    A task whose selector is a Study is a C-MOVE. Any other is a question: it ends by leaving one task
    a study (its children), with ``choices`` saying what was taken or left. ``reason`` is what a task that is
    not final waits for, where something is known. ``failures`` counts the attempts that failed (``attempts``
    also those that were interrupted), ``missing`` are the series that an earlier attempt is known to have
    left out. ``approved`` and ``expedited``: a person said so. ``gate`` is the gate that holds it,
    ``not_before`` when it may be tried first, or again; ``expires`` when it fails that nobody has approved.
    ``progress`` are the counters of the last pending response that was noted of the attempt under way.
    """

    id: int
    request: RetrieveRequest
    status: TaskStatus
    created: dt.datetime
    updated: dt.datetime
    message_id: int | None = None
    parent_id: int | None = None
    attempts: int = 0
    outcome: Outcome | None = None
    choices: tuple[Choice, ...] = ()
    reason: str = ""
    failures: int = 0
    missing: tuple[str, ...] = ()
    approved: bool = False
    expedited: bool = False
    gate: str = ""
    not_before: dt.datetime | None = None
    expires: dt.datetime | None = None
    progress: SubOperations | None = None

    @property
    def is_move(self) -> bool:
        return isinstance(self.request.selector, Study)


# Which status may follow which. Everything else is a bug or a late answer, and is refused by the store.
TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.SCHEDULED: frozenset(
        {TaskStatus.IN_PROGRESS, TaskStatus.HELD, TaskStatus.FAILED, TaskStatus.CANCELED}
    ),
    TaskStatus.HELD: frozenset({TaskStatus.SCHEDULED, TaskStatus.FAILED, TaskStatus.CANCELED}),
    TaskStatus.IN_PROGRESS: frozenset(
        {
            TaskStatus.SCHEDULED,
            TaskStatus.COMPLETED,
            TaskStatus.WARNING,
            TaskStatus.FAILED,
            TaskStatus.CANCELED,
        }
    ),
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.WARNING: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELED: frozenset(),
}
