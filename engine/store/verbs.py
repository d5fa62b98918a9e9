"""What a person may have done to tasks, also while an engine works on them: `retry`, `cancel`, `approve`,
`hold` and `expedite`. A running engine notices within a second (`Store.changes`)."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from engine.errors import StoreError
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import Verb
from engine.store import locks, news, occasions
from engine.store.links import hold_messages
from engine.store.occasions import wholly_withdrawn
from engine.store.reader import opened, reading
from engine.store.schema import links, story, tasks
from engine.store.verdicts import VERDICTS, Change

_AT_ONCE = 500  # tasks of one transaction: an engine waits for it before it can keep its next message
_FOUND = select(tasks).where(tasks.c.id.in_(bindparam("tasks", expanding=True))).order_by(tasks.c.id)
_ALIKE_TO = _FOUND.with_only_columns(tasks.c.archive, tasks.c.destination, tasks.c.alike)
_ASKING = select(links.c.message_id).distinct().where(links.c.task_id.in_(bindparam("tasks", expanding=True)))
_IN_HAND = [it.value for it in (TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS, TaskStatus.COMPLETED)]
_ALIKE = select(tasks).where(
    tasks.c.alike.in_(bindparam("keys", expanding=True)),
    tasks.c.status.in_(_IN_HAND),
    tasks.c.cancel_requested.is_(False),
)


@dataclass(frozen=True, slots=True)
class Done:
    """What a verb came to on one task: whether anything was done, and a sentence."""

    task_id: int
    done: bool
    text: str


def operate(where: str | Path, verb: Verb, task_ids: Sequence[int], who: str) -> list[Done]:
    """Do it to each of these tasks, some hundreds in one transaction. ``who`` goes into their stories.

    Blocks as long again as it takes, so that an engine can write in between. StoreError: there is no such
    journal, or it cannot be written; it says how many tasks were dealt with before.
    """
    numbers = list(dict.fromkeys(task_ids))
    done: list[Done] = []
    try:
        with opened(where, read_only=False) as connection:
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


def forecast(where: str | Path, verb: Verb, task_ids: Sequence[int]) -> list[Done]:
    """What it would come to on each of these tasks as they stand now; nothing is done. For some hundreds.
    Blocks. StoreError as for `operate`."""
    with reading(where) as connection:
        found = list(_judged(connection, verb, list(dict.fromkeys(task_ids))))
    return [Done(number, change is not None, text) for number, _, change, text in found]


def _operate(connection: Connection, verb: Verb, numbers: Sequence[int], who: str) -> list[Done]:
    _lock(connection, numbers)
    done: list[Done] = []
    changed: dict[Change, list[Row[Any]]] = {}
    for number, row, change, text in _judged(connection, verb, numbers):
        done.append(Done(number, change is not None, text))
        if change is not None and row is not None:
            changed.setdefault(change, []).append(row)
    for change, of_change in changed.items():
        _make(connection, change, of_change, who)
    if changed:
        numbers = [row.id for of_change in changed.values() for row in of_change]
        waiting = connection.execute(_ASKING, {"tasks": numbers}).scalars()
        news.tell(connection, work=True, cancel=True, messages=waiting)
    return done


def _lock(connection: Connection, numbers: Sequence[int]) -> None:
    """These tasks, that nobody adds one alike, and that nobody takes back what they are for."""
    if not locks.is_shared(connection):
        return
    terms = {"tasks": list(numbers)}
    alike = [tuple(row) for row in connection.execute(_ALIKE_TO, terms)]
    locks.hold(connection, [*alike, *occasions.keys_of_tasks(connection, numbers)])
    locks.rows(connection, _FOUND, terms)


def _judged(
    connection: Connection, verb: Verb, numbers: Sequence[int]
) -> Iterator[tuple[int, Row[Any] | None, Change | None, str]]:
    """For each task its row, what is to be done, if anything, and a sentence."""
    rows = {row.id: row for row in connection.execute(_FOUND, {"tasks": list(numbers)})}
    needless = _needless(connection, list(rows.values()))
    for number in numbers:
        row = rows.get(number)
        change, text = VERDICTS[verb](row) if row is not None else (None, "there is no such task")
        if change is not None and row is not None and change.revives:
            refusal = needless(row)
            change, text = (None, refusal) if refusal else (change, text)
        yield number, row, change, text


def _needless(connection: Connection, rows: Sequence[Row[Any]]) -> Callable[[Row[Any]], str]:
    """Why a task that had ended is not to begin anew, empty where it is: nobody wants it any more, or another
    one does the same, or has done it since. Asked of one after the other: of two that are alike the first
    counts."""
    ended = [row for row in rows if TaskStatus(row.status).final]
    unwanted = wholly_withdrawn(connection, [row.id for row in ended])
    keys = sorted({row.alike for row in ended})
    alike: dict[tuple[str, str, bytes], list[Row[Any]]] = {}
    for other in connection.execute(_ALIKE, {"keys": keys}):
        alike.setdefault(_need(other), []).append(other)

    def needless(row: Row[Any]) -> str:
        if row.id in unwanted:
            return "its order or visit was canceled: nobody wants it any more"
        others = alike.setdefault(_need(row), [])
        for other in others:
            if other.status == TaskStatus.COMPLETED.value and other.updated_at >= row.updated_at:
                return f"task {other.id} has done the same since"
            if other.status != TaskStatus.COMPLETED.value and other.id != row.id:
                return f"task {other.id} does the same"
        others.append(row)
        return ""

    return needless


def _need(row: Row[Any]) -> tuple[str, str, bytes]:
    return row.archive, row.destination, row.alike


def _make(connection: Connection, change: Change, rows: Sequence[Row[Any]], who: str) -> None:
    now = dt.datetime.now(dt.UTC)
    these = tasks.c.id.in_([row.id for row in rows])
    connection.execute(update(tasks).where(these).values({**change.values, "updated_at": now}))
    told = {"at": now, "event": change.event.value, "text": f"by {who}"}
    lines = [{**told, "task_id": row.id, "outcome": row.outcome if change.revives else None} for row in rows]
    connection.execute(insert(story), lines)
    hold_messages(connection, [row.id for row in rows])
