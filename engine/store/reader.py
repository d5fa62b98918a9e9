"""Reading a journal from outside, also while `forefetch serve` writes it. Nothing is changed."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import schema
from engine.store.dialect import explain, open_engine
from engine.store.outbox import Letter, LetterStatus, letter
from engine.store.rows import task
from engine.store.schema import closures, links, messages, outbox, tasks
from engine.store.selection import EVERY, Selection
from engine.store.story import Line, lines_of

_WAITING = (TaskStatus.SCHEDULED.value, TaskStatus.HELD.value)
_TROUBLED = (TaskStatus.FAILED.value, TaskStatus.WARNING.value, TaskStatus.CANCELED.value)
_ALIKE_TO_GATES = (
    tasks.c.status,
    tasks.c.gate,
    tasks.c.archive,
    tasks.c.destination,
    tasks.c.kind,
    tasks.c.routes,
    tasks.c.approved,
    tasks.c.expedited,
)


def list_tasks(path: str | Path, selection: Selection = EVERY, *, limit: int = 50) -> list[RetrieveTask]:
    """The newest tasks of a selection, newest first.

    StoreError: there is no such file, or it is no journal that this version can read.
    """
    query = select(tasks).where(*selection.conditions()).order_by(tasks.c.id.desc()).limit(limit)
    with _reading(path) as connection:
        return [task(row) for row in connection.execute(query)]


def numbers_of(path: str | Path, selection: Selection) -> list[int]:
    """The numbers of all tasks of a selection, oldest first. StoreError as for `list_tasks`."""
    query = select(tasks.c.id).where(*selection.conditions()).order_by(tasks.c.id)
    with _reading(path) as connection:
        return list(connection.execute(query).scalars())


def count_tasks(path: str | Path, selection: Selection = EVERY) -> dict[TaskStatus, int]:
    """How many tasks of a selection have each status, zeros included. StoreError as for `list_tasks`."""
    query = select(tasks.c.status, func.count().label("number")).where(*selection.conditions())
    query = query.group_by(tasks.c.status)
    with _reading(path) as connection:
        found = {row.status: row.number for row in connection.execute(query)}
    return {status: found.get(status.value, 0) for status in TaskStatus}


def count_causes(path: str | Path, selection: Selection = EVERY) -> dict[tuple[TaskStatus, Cause], int]:
    """How many of a selection ended FAILED, WARNING or CANCELED, by their cause, the most frequent first.
    StoreError as for `list_tasks`."""
    number = func.count()
    query = (
        select(tasks.c.status, tasks.c.cause, number)
        .where(tasks.c.status.in_(_TROUBLED), *selection.conditions())
        .group_by(tasks.c.status, tasks.c.cause)
        .order_by(number.desc(), tasks.c.cause)
    )
    with _reading(path) as connection:
        return {
            (TaskStatus(status), Cause(cause)): count for status, cause, count in connection.execute(query)
        }


@dataclass(frozen=True, slots=True)
class Queue:
    """Tasks that wait in the same way: how many, the newest of them, their ``reason`` where it is the same,
    and the earliest time at which one falls due, or expires."""

    task: RetrieveTask
    count: int
    reason: str
    first_due: dt.datetime
    first_expiry: dt.datetime | None


def queues(path: str | Path, selection: Selection = EVERY) -> list[Queue]:
    """SCHEDULED and HELD tasks of a selection, put together where the gates see no difference. StoreError as
    for `list_tasks`."""
    kinds = (*_ALIKE_TO_GATES, tasks.c.failures > 0, tasks.c.due_at > dt.datetime.now(dt.UTC))
    alike = (
        select(
            func.count().label("number"),
            func.max(tasks.c.id).label("newest"),
            func.min(tasks.c.reason).label("least"),
            func.max(tasks.c.reason).label("most"),
            func.min(tasks.c.due_at).label("first_due"),
            func.min(tasks.c.expires_at).label("first_expiry"),
        )
        .where(tasks.c.status.in_(_WAITING), *selection.conditions())
        .group_by(*kinds)
        .subquery()
    )
    query = select(tasks, alike).join(alike, tasks.c.id == alike.c.newest).order_by(alike.c.number.desc())
    with _reading(path) as connection:
        return [
            Queue(
                task(row),
                row.number,
                row.most if row.least == row.most else "",
                row.first_due,
                row.first_expiry,
            )
            for row in connection.execute(query)
        ]


def list_letters(
    path: str | Path, *, statuses: Collection[LetterStatus] = (), limit: int = 50
) -> list[Letter]:
    """The newest letters of the outbox, newest first; of these statuses where given. StoreError as for
    `list_tasks`."""
    query = select(outbox).order_by(outbox.c.id.desc()).limit(limit)
    if statuses:
        query = query.where(outbox.c.status.in_([status.value for status in statuses]))
    with _reading(path) as connection:
        if not inspect(connection).has_table(outbox.name):
            return []  # schema 1, and nothing has written it since
        return [letter(row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Closure:
    """A gate that holds everything of an archive (``scope``) or for a destination."""

    scope: str
    name: str
    gate: str
    reason: str
    until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What goes on now: tasks under way by archive and by destination, and gates that are closed."""

    running_from: Mapping[str, int]
    running_to: Mapping[str, int]
    closures: tuple[Closure, ...]


def standing(path: str | Path) -> Standing:
    """What goes on now, as far as the journal knows. StoreError as for `list_tasks`."""
    under_way = tasks.c.status == TaskStatus.IN_PROGRESS.value
    archives = select(tasks.c.archive, func.count()).where(under_way).group_by(tasks.c.archive)
    destinations = (
        select(tasks.c.destination, func.count())
        .where(under_way, tasks.c.kind == "study")
        .group_by(tasks.c.destination)
    )
    with _reading(path) as connection:
        shut = [
            Closure(row.scope, row.name, row.gate, row.reason, row.until)
            for row in connection.execute(select(closures))
        ]
        running_from, running_to = _counts(connection, archives), _counts(connection, destinations)
    return Standing(running_from, running_to, tuple(shut))


def _counts(connection: Connection, query: Select[tuple[Any, ...]]) -> dict[str, int]:
    return {name: count for name, count in connection.execute(query)}  # noqa: C416  dict() has no type for rows


@dataclass(frozen=True, slots=True)
class Asked:
    """A message that asked for a task. ``ack_code``: MSA-1 of its (application) acknowledgment, empty while
    there is none."""

    id: int
    received_at: dt.datetime
    message_type: str
    control_id: str
    ack_code: str


@dataclass(frozen=True, slots=True)
class Story:
    """A task with everything that is known of it: who asked, what happened before, what it led to."""

    task: RetrieveTask
    messages: tuple[Asked, ...]
    lines: tuple[Line, ...]
    children: tuple[RetrieveTask, ...]


def story_of(path: str | Path, task_id: int) -> Story | None:
    """The whole story of a task; None where there is no such task. StoreError as for `list_tasks`."""
    asking = (
        select(messages)
        .join(links, links.c.message_id == messages.c.id)
        .where(links.c.task_id == task_id)
        .order_by(messages.c.id)
    )
    with _reading(path) as connection:
        row = connection.execute(select(tasks).where(tasks.c.id == task_id)).one_or_none()
        if row is None:
            return None
        its_messages = select(links.c.message_id).where(links.c.task_id == task_id)
        beside = select(links.c.task_id).where(links.c.message_id.in_(its_messages))  # parent_id has no index
        led_to = (
            select(tasks).where(tasks.c.id.in_(beside), tasks.c.parent_id == task_id).order_by(tasks.c.id)
        )
        return Story(
            task(row),
            tuple(
                Asked(it.id, it.received_at, it.message_type, it.control_id, it.ack_code or "")
                for it in connection.execute(asking)
            ),
            tuple(lines_of(connection, task_id)),
            tuple(task(child) for child in connection.execute(led_to)),
        )


@contextmanager
def _reading(path: str | Path) -> Iterator[Connection]:
    if not Path(path).exists():
        raise StoreError(f"there is no journal {path}; `forefetch serve` creates it, or name another file")
    try:
        with open_engine(Path(path), read_only=True).connect() as connection, connection.begin():
            schema.check(connection)
            yield connection
    except (OSError, SQLAlchemyError, sqlite3.Error) as exc:
        raise StoreError(f"journal {path}: {explain(exc)}") from exc
    except StoreError as exc:
        raise StoreError(f"journal {path}: {exc}") from exc
