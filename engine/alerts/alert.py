"""What is wrong, and what somebody is told of it. No patient data is in any of it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

TEST = "test"
"""The kind of a notice by which the ways are tried."""


class Severity(StrEnum):
    """Critical: nothing moves, or messages are refused, until somebody acts."""

    WARNING = "warning"
    CRITICAL = "critical"


class State(StrEnum):
    RAISED = "raised"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Alert:
    """One thing that is wrong, or was. ``key`` is the same as long as it is the same thing; ``kind`` is a
    `Kind` or TEST. ``cure``: what a person can do next. ``count``: of what has happened; when it grows, that
    is worth another notice. ``tasks``: the first of those that are concerned."""

    key: str
    kind: str
    severity: Severity
    sentence: str
    cure: str = ""
    count: int = 0
    tasks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told of an alert ``at`` a time. It has been wrong (or was, the last time) ``since`` another.
    ``times``: how often it was raised since the notice before; ``reminder``: from 1, where nothing is new."""

    alert: Alert
    state: State
    since: dt.datetime
    at: dt.datetime
    times: int = 0
    reminder: int = 0
