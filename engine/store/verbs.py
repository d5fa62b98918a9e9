"""What a person may have done to tasks, also while an engine works on them: `retry`, `cancel`, `approve`,
`hold` and `expedite`. A running engine notices within a second (`Store.changes`)."""

from __future__ import annotations

import datetime as dt
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.retrieve.gate import Gate
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.task import Priority, Verb
from engine.store import schema
from engine.store.dialect import explain, open_engine
from engine.store.occasions import wholly_withdrawn
from engine.store.rows import end_row, outcome_of
from engine.store.schema import story, tasks
from engine.store.story import Event

BY_OPERATOR = "operator"
"""The gate of a task that a person holds."""

_AT_ONCE = 500  # tasks of one transaction: an engine waits for it before it can keep its next message
_FOUND = select(tasks).where(tasks.c.id.in_(bindparam("tasks", expanding=True)))
_SCHEDULED, _HELD = TaskStatus.SCHEDULED.value, TaskStatus.HELD.value
_BY_CONFIGURATION = frozenset({Gate.SWITCH.value, Gate.LISTS.value})
_IN_ITS_TURN = func.coalesce(tasks.c.appointment, tasks.c.created_at)


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb came to on one task: whether anything was done, and a sentence."""

    task_id: int
    done: bool
    text: str


def operate(path: str | Path, verb: Verb, task_ids: Sequence[int], who: str) -> list[Done]:
    """Do it to each of these tasks, some hundreds in one transaction. ``who`` goes into their stories.

    Blocks as long again as it takes, so that an engine can write in between. StoreError: there is no such
    journal, or it cannot be written; it says how many tasks were dealt with before.
    """
    numbers = list(dict.fromkeys(task_ids))
    done: list[Done] = []
    try:
        with _opened(path) as connection:
            for start in range(0, len(numbers), _AT_ONCE):
                began = time.monotonic()
                with connection.begin():
                    done += _operate(connection, verb, numbers[start : start + _AT_ONCE], who)
                if len(done) < len(numbers):
                    time.sleep(time.monotonic() - began)
    except StoreError as exc:
        raise StoreError(
            f"{exc}{f' ({len(done)} of {len(numbers)} tasks were done)' if done else ''}"
        ) from exc
    return done


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """``values`` are the same for every task, so that many are changed by one statement. ``revives``: it had
    ended; what it came to goes into its story."""

    event: Event
    values: Mapping[str, Any]
    revives: bool = False


_Verdict = tuple[_Change | None, str]


def _operate(connection: Connection, verb: Verb, numbers: Sequence[int], who: str) -> list[Done]:
    rows = {row.id: row for row in connection.execute(_FOUND, {"tasks": list(numbers)})}
    unwanted = wholly_withdrawn(connection, numbers)
    done: list[Done] = []
    changed: dict[_Change, list[Row[Any]]] = {}
    for number in numbers:
        row = rows.get(number)
        change, text = _decide(verb, row, number in unwanted)
        done.append(Done(number, change is not None, text))
        if change is not None and row is not None:
            changed.setdefault(change, []).append(row)
    for change, of_change in changed.items():
        _make(connection, change, of_change, who)
    return done


def _decide(verb: Verb, row: Row[Any] | None, unwanted: bool) -> _Verdict:
    if row is None:
        return None, "there is no such task"
    change, text = _VERBS[verb](row)
    if change is not None and change.revives and unwanted:
        return None, "its order or visit was canceled: nobody wants it any more"
    return change, text


def _make(connection: Connection, change: _Change, rows: Sequence[Row[Any]], who: str) -> None:
    now = dt.datetime.now(dt.UTC)
    these = tasks.c.id.in_([row.id for row in rows])
    connection.execute(update(tasks).where(these).values({**change.values, "updated_at": now}))
    told = {"at": now, "event": change.event.value, "text": f"by {who}"}
    lines = [{**told, "task_id": row.id, "outcome": row.outcome if change.revives else None} for row in rows]
    connection.execute(insert(story), lines)


_FREED = {"gate": "", "reason": "", "expires_at": None}
_ANEW = {
    **_FREED,
    "status": _SCHEDULED,
    "cause": "",
    "outcome": None,
    "choices": None,
    "failures": 0,
    "cancel_requested": False,
    "appointment": None,
    "due_at": tasks.c.created_at,  # before what came later
}
_URGENT = {
    "expedited": True,
    "priority": Priority.STAT.value,
    "appointment": None,
    "due_at": tasks.c.created_at,
}
_CANCELED = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "canceled by an operator")

_RETRY = _Change(Event.RETRIED, _ANEW, revives=True)
_RETRY_NOW = _Change(Event.RETRIED, {**_FREED, "due_at": tasks.c.created_at})
_STOP = _Change(Event.CANCELED, {"cancel_requested": True})
_CANCEL = _Change(Event.CANCELED, end_row(_CANCELED, dt.datetime.now(dt.UTC)))
_APPROVE = _Change(Event.APPROVED, {**_FREED, "approved": True, "status": _SCHEDULED, "due_at": _IN_ITS_TURN})
_APPROVE_LATE = _Change(Event.APPROVED, {**_ANEW, "approved": True}, revives=True)
_APPROVE_AHEAD = _Change(Event.APPROVED, {"approved": True})
_HOLD = _Change(
    Event.HELD,
    {"status": _HELD, "gate": BY_OPERATOR, "reason": "held by an operator", "expires_at": None},
)
_EXPEDITE = _Change(Event.EXPEDITED, {**_URGENT, **_FREED, "status": _SCHEDULED})
_EXPEDITE_HELD = _Change(Event.EXPEDITED, _URGENT)


def _retry(row: Row[Any]) -> _Verdict:
    """From its end to a new beginning. What it missed is known still."""
    if row.status == _SCHEDULED:
        return (_RETRY_NOW, "is tried again") if row.failures else (None, "waits for its first attempt")
    if row.status == _HELD:
        return None, f"is held ({row.gate}): forefetch approve lets it go"
    if row.status == TaskStatus.IN_PROGRESS.value:
        return None, "is under way"
    if row.kind != "study" and row.status == TaskStatus.COMPLETED.value:
        return None, "was answered: retry what it led to"
    outcome = outcome_of(row.outcome)
    if outcome is not None and outcome.arrived:
        return None, "arrived: forefetch retrieve moves it once more"
    return _RETRY, "is tried again"


def _cancel(row: Row[Any]) -> _Verdict:
    """What is under way is stopped on the wire by the engine that carries it out."""
    if row.status in (_SCHEDULED, _HELD):
        return _CANCEL, "is canceled"
    if row.status == TaskStatus.IN_PROGRESS.value:
        stopped = row.cancel_requested
        return (None, "is being stopped already") if stopped else (_STOP, "is being stopped on the wire")
    led_on = row.kind != "study" and row.status == TaskStatus.COMPLETED.value
    return None, f"has ended {row.status}{': cancel what it led to' if led_on else ''}"


def _approve(row: Row[Any]) -> _Verdict:
    """For the approval of its route and the budget of its order; what a person holds is let go too."""
    if row.status == _HELD and row.gate in _BY_CONFIGURATION:
        return None, f"no approval opens this gate, {row.gate}: {row.reason}"
    if row.status == _HELD:
        return _APPROVE, "is approved"
    if row.status == TaskStatus.FAILED.value and row.cause == Cause.EXPIRED.value:
        return _APPROVE_LATE, "is approved after its time"
    if row.status != _SCHEDULED or row.kind != "study":
        return None, f"is {row.status}: there is nothing to approve"
    waits = f", and still waits ({row.gate})" if row.gate else ""
    return _APPROVE_AHEAD, f"is approved ahead of time{waits}"


def _hold(row: Row[Any]) -> _Verdict:
    if row.status == _HELD and row.gate == BY_OPERATOR:
        return None, "is held by an operator already"
    if row.status in (_SCHEDULED, _HELD):
        return _HOLD, "is held"
    return None, f"is {row.status}: too late to hold it"


def _expedite(row: Row[Any]) -> _Verdict:
    """Before all others and at once: no schedule, no window, no rate. Approval and budgets still count."""
    if row.status == _SCHEDULED or (row.status == _HELD and row.gate == BY_OPERATOR):
        return _EXPEDITE, "goes before all others"
    if row.status == _HELD:
        return _EXPEDITE_HELD, f"will go before all others; it is still held ({row.gate})"
    return None, f"is {row.status}: it does not wait"


_VERBS: Mapping[Verb, Callable[[Row[Any]], _Verdict]] = {
    Verb.RETRY: _retry,
    Verb.CANCEL: _cancel,
    Verb.APPROVE: _approve,
    Verb.HOLD: _hold,
    Verb.EXPEDITE: _expedite,
}


@contextmanager
def _opened(path: str | Path) -> Iterator[Connection]:
    if not Path(path).exists():
        raise StoreError(f"there is no journal {path}; `forefetch serve` creates it, or name another file")
    try:
        with open_engine(Path(path)).connect() as connection:
            with connection.begin():
                schema.check(connection)
            yield connection
    except (OSError, SQLAlchemyError, sqlite3.Error) as exc:
        raise StoreError(f"journal {path}: {explain(exc)}") from exc
    except StoreError as exc:
        raise StoreError(f"journal {path}: {exc}") from exc
