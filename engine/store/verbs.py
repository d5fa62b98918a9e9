"""What a person may have done to tasks, also while an engine works on them: `retry`, `cancel`, `approve`,
`hold` and `expedite`. A running engine notices within a second (`Store.changes`)."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.task import Priority, Verb
from engine.store import schema
from engine.store.dialect import explain, open_engine
from engine.store.rows import end_row, outcome_of
from engine.store.schema import tasks
from engine.store.story import Event, tell

BY_OPERATOR = "operator"
"""The gate of a task that a person holds."""

_FOUND = select(tasks).where(tasks.c.id.in_(bindparam("tasks", expanding=True))).order_by(tasks.c.id)
_SCHEDULED, _HELD = TaskStatus.SCHEDULED.value, TaskStatus.HELD.value
_RETRIED = frozenset({TaskStatus.FAILED.value, TaskStatus.WARNING.value, TaskStatus.CANCELED.value})


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb came to on one task: whether anything was done, and a sentence."""

    task_id: int
    done: bool
    text: str


def operate(path: str | Path, verb: Verb, task_ids: Sequence[int], who: str) -> list[Done]:
    """Do it to each of these tasks, in one transaction. ``who`` goes into their stories.

    StoreError: there is no such journal, or it cannot be written.
    """
    with _writing(path) as connection:
        rows = {row.id: row for row in connection.execute(_FOUND, {"tasks": list(task_ids)})}
        return [_done(connection, verb, task_id, rows.get(task_id), who) for task_id in task_ids]


def _done(connection: Connection, verb: Verb, task_id: int, row: Row[Any] | None, who: str) -> Done:
    if row is None:
        return Done(task_id, False, "there is no such task")
    event, change, refusal = _VERBS[verb](row)
    if refusal:
        return Done(task_id, False, refusal)
    connection.execute(update(tasks).where(tasks.c.id == task_id).values({**change, "updated_at": _now()}))
    before = outcome_of(row.outcome) if event is Event.RETRIED else None
    tell(connection, task_id, event, f"by {who}", before)
    return Done(task_id, True, _said(verb, row))


_Change = tuple[Event, dict[str, Any], str]


def _retry(row: Row[Any]) -> _Change:
    """From its end to a new beginning. What it missed is known still; what it came to goes into its story."""
    if row.status == _SCHEDULED and row.failures:
        return Event.RETRIED, {"due_at": row.created_at, "reason": ""}, ""
    refusal = "" if row.status in _RETRIED else f"it is {row.status}: only what has failed is tried again"
    again = {
        "status": _SCHEDULED,
        "cause": "",
        "gate": "",
        "reason": "",
        "outcome": None,
        "failures": 0,
        "cancel_requested": False,
        "appointment": None,
        "due_at": row.created_at,
    }
    return Event.RETRIED, again, refusal


def _cancel(row: Row[Any]) -> _Change:
    """What is under way is stopped on the wire by the engine that carries it out."""
    if row.status == TaskStatus.IN_PROGRESS.value:
        return Event.CANCELED, {"cancel_requested": True}, ""
    outcome = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "canceled by an operator")
    refusal = "" if row.status in (_SCHEDULED, _HELD) else f"it has ended {row.status}"
    return Event.CANCELED, end_row(outcome, _now()), refusal


def _approve(row: Row[Any]) -> _Change:
    freed = {"approved": True, "gate": "", "reason": "", "expires_at": None}
    if row.status == _HELD:
        return Event.APPROVED, {**freed, "status": _SCHEDULED, "due_at": _due(row)}, ""
    refusal = "" if row.status == _SCHEDULED else f"it is {row.status}: nothing to approve"
    return Event.APPROVED, {"approved": True}, refusal


def _hold(row: Row[Any]) -> _Change:
    held = {"status": _HELD, "gate": BY_OPERATOR, "reason": "held by an operator", "expires_at": None}
    refusal = "" if row.status in (_SCHEDULED, _HELD) else f"it is {row.status}: too late to hold it"
    return Event.HELD, held, refusal


def _expedite(row: Row[Any]) -> _Change:
    """Before all others and at once: no schedule, no window, no rate. Approval and budgets still count."""
    urgent: dict[str, Any] = {
        "expedited": True,
        "priority": Priority.STAT.value,
        "appointment": None,
        "due_at": row.created_at,
    }
    if row.status == _HELD and row.gate == BY_OPERATOR:
        return Event.EXPEDITED, {**urgent, "status": _SCHEDULED, "gate": "", "reason": ""}, ""
    refusal = "" if row.status in (_SCHEDULED, _HELD) else f"it is {row.status}: it need not wait"
    if row.status == _SCHEDULED:
        urgent |= {"gate": "", "reason": ""}
    return Event.EXPEDITED, urgent, refusal


_VERBS: Mapping[Verb, Callable[[Row[Any]], _Change]] = {
    Verb.RETRY: _retry,
    Verb.CANCEL: _cancel,
    Verb.APPROVE: _approve,
    Verb.HOLD: _hold,
    Verb.EXPEDITE: _expedite,
}


def _said(verb: Verb, row: Row[Any]) -> str:
    if verb is Verb.CANCEL and row.status == TaskStatus.IN_PROGRESS.value:
        return "is being stopped on the wire"
    return {
        Verb.RETRY: "is tried again",
        Verb.CANCEL: "is canceled",
        Verb.APPROVE: "is approved",
        Verb.HOLD: "is held",
        Verb.EXPEDITE: "goes before all others",
    }[verb]


def _due(row: Row[Any]) -> dt.datetime:
    due: dt.datetime = row.appointment or row.created_at
    return due


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@contextmanager
def _writing(path: str | Path) -> Iterator[Connection]:
    if not Path(path).exists():
        raise StoreError(f"there is no journal {path}; `forefetch serve` creates it, or name another file")
    try:
        with open_engine(Path(path)).connect() as connection, connection.begin():
            schema.check(connection)
            yield connection
    except (OSError, SQLAlchemyError, sqlite3.Error) as exc:
        raise StoreError(f"journal {path}: {explain(exc)}") from exc
    except StoreError as exc:
        raise StoreError(f"journal {path}: {exc}") from exc
