"""What happened to a task before its present state, line by line."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, insert, select

from engine.retrieve.outcome import Outcome
from engine.store.rows import outcome_of, outcome_text
from engine.store.schema import story


class Event(StrEnum):
    """What a line of the story tells."""

    ATTEMPT_FAILED = "attempt failed"
    HELD = "held"
    APPROVED = "approved"
    EXPIRED = "expired"
    RETRIED = "retried"
    CANCELED = "canceled"
    EXPEDITED = "expedited"


@dataclass(frozen=True, slots=True)
class Line:
    """``outcome``: of the attempt that failed, or of the one before a person had it tried again."""

    at: dt.datetime
    event: Event
    text: str
    outcome: Outcome | None = None


_LINES = select(story).where(story.c.task_id == bindparam("task")).order_by(story.c.id)


def tell(
    connection: Connection, task_id: int, event: Event, text: str, outcome: Outcome | None = None
) -> None:
    """Add a line to a task's story."""
    values = {"task_id": task_id, "at": dt.datetime.now(dt.UTC), "event": event.value, "text": text}
    told = None if outcome is None else outcome_text(outcome)
    connection.execute(insert(story), {**values, "outcome": told})


def lines_of(connection: Connection, task_id: int) -> list[Line]:
    """The story of a task, oldest first."""
    return [
        Line(row.at, Event(row.event), row.text, outcome_of(row.outcome))
        for row in connection.execute(_LINES, {"task": task_id})
    ]
