"""Reading a journal from outside, also while `forefetch serve` writes it. Nothing is changed."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import schema
from engine.store.dialect import explain, open_engine
from engine.store.outbox import Letter, LetterStatus, letter
from engine.store.rows import task
from engine.store.schema import closures, links, messages, outbox, tasks
from engine.store.story import Line, lines_of


def list_tasks(
    path: str | Path,
    *,
    statuses: Collection[TaskStatus] = (),
    message_id: int | None = None,
    route: str | None = None,
    archive: str | None = None,
    destination: str | None = None,
    limit: int = 50,
) -> list[RetrieveTask]:
    """The newest tasks, newest first; of these statuses, this message, and these names where given.

    StoreError: there is no such file, or it is no journal that this version can read.
    """
    query = select(tasks).order_by(tasks.c.id.desc()).limit(limit)
    if statuses:
        query = query.where(tasks.c.status.in_([status.value for status in statuses]))
    if archive is not None:
        query = query.where(tasks.c.archive == archive)
    if destination is not None:
        query = query.where(tasks.c.destination == destination)
    if route is not None:
        query = query.where(tasks.c.routes.contains(json.dumps(route, ensure_ascii=False), autoescape=True))
    if message_id is not None:
        query = query.join(links, links.c.task_id == tasks.c.id).where(links.c.message_id == message_id)
    with _reading(path) as connection:
        return [task(row) for row in connection.execute(query)]


def count_tasks(path: str | Path) -> dict[TaskStatus, int]:
    """How many tasks have each status, zeros included. StoreError as for `list_tasks`."""
    query = select(tasks.c.status, func.count().label("number")).group_by(tasks.c.status)
    with _reading(path) as connection:
        found = {row.status: row.number for row in connection.execute(query)}
    return {status: found.get(status.value, 0) for status in TaskStatus}


def count_messages(path: str | Path, control_id: str) -> int:
    """How many messages with this MSH-10 are kept. StoreError as for `list_tasks`."""
    query = select(func.count()).where(messages.c.control_id == control_id)
    with _reading(path) as connection:
        return connection.execute(query).scalar_one()


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
    """A message that asked for a task."""

    id: int
    received_at: dt.datetime
    message_type: str
    control_id: str


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
        led_to = select(tasks).where(tasks.c.parent_id == task_id).order_by(tasks.c.id)
        return Story(
            task(row),
            tuple(
                Asked(it.id, it.received_at, it.message_type, it.control_id)
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
