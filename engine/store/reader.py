"""Reading a journal from outside, also while `forefetch serve` writes it. Nothing is changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import schema
from engine.store.dialect import explain, open_engine
from engine.store.outbox import Letter, LetterStatus, letter
from engine.store.rows import task
from engine.store.schema import links, messages, outbox, tasks


def list_tasks(
    path: str | Path,
    *,
    statuses: Collection[TaskStatus] = (),
    message_id: int | None = None,
    limit: int = 50,
) -> list[RetrieveTask]:
    """The newest tasks, newest first; of these statuses and of this message where given.

    StoreError: there is no such file, or it is no journal that this version can read.
    """
    query = select(tasks).order_by(tasks.c.id.desc()).limit(limit)
    if statuses:
        query = query.where(tasks.c.status.in_([status.value for status in statuses]))
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
