"""Reading a journal from outside, also while `forefetch serve` writes it. Nothing is changed."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, literal_column, select
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.place import is_shared, told
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import schema
from engine.store.criteria import learn
from engine.store.dialect import WAIT_ENDED, explain, for_a_moment, is_confirmed, not_in_vain
from engine.store.outbox import Letter, LetterStatus, letter
from engine.store.rows import task
from engine.store.schema import links, messages, outbox, tasks
from engine.store.selection import EVERY, Selection
from engine.store.story import Line, lines_of


def list_tasks(
    where: str | Path, selection: Selection = EVERY, *, before: int | None = None, limit: int = 50
) -> list[RetrieveTask]:
    """The newest tasks of a selection, newest first; of those with a number less than ``before``.

    StoreError: there is no such file, or it is no journal that this version can read.
    """
    query = select(tasks).where(*selection.conditions()).order_by(tasks.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(tasks.c.id < before)
    with reading(where) as connection:
        return [task(row) for row in connection.execute(query)]


def tasks_numbered(where: str | Path, numbers: Collection[int]) -> list[RetrieveTask]:
    """Those of these tasks that there are, oldest first. StoreError as for `list_tasks`."""
    query = select(tasks).where(tasks.c.id.in_(numbers)).order_by(tasks.c.id)
    with reading(where) as connection:
        return [task(row) for row in connection.execute(query)]


def numbers_of(where: str | Path, selection: Selection) -> list[int]:
    """The numbers of all tasks of a selection, oldest first. StoreError as for `list_tasks`."""
    query = select(tasks.c.id).where(*selection.conditions()).order_by(tasks.c.id)
    with reading(where) as connection:
        return list(connection.execute(query).scalars())


def count_tasks(where: str | Path, selection: Selection = EVERY) -> dict[TaskStatus, int]:
    """How many tasks of a selection have each status, zeros included. StoreError as for `list_tasks`."""
    # By the column itself SQLite would read row after row in the order of an index
    status = tasks.c.status.concat(literal_column("''"))
    query = select(status, func.count()).where(*selection.conditions()).group_by(status)
    with reading(where) as connection:
        found = {name: number for name, number in connection.execute(query)}  # noqa: C416  types of rows
    return {status: found.get(status.value, 0) for status in TaskStatus}


def count_messages(where: str | Path, control_id: str) -> int:
    """How many messages with this MSH-10 are kept. StoreError as for `list_tasks`."""
    query = select(func.count()).where(messages.c.control_id == control_id)
    with reading(where) as connection:
        return connection.execute(query).scalar_one()


def list_letters(
    where: str | Path, *, statuses: Collection[LetterStatus] = (), limit: int = 50
) -> list[Letter]:
    """The newest letters of the outbox, newest first; of these statuses where given. StoreError as for
    `list_tasks`."""
    query = select(outbox).order_by(outbox.c.id.desc()).limit(limit)
    if statuses:
        query = query.where(outbox.c.status.in_([status.value for status in statuses]))
    with reading(where) as connection:
        return [letter(row) for row in connection.execute(query)]


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


def story_of(where: str | Path, task_id: int) -> Story | None:
    """The whole story of a task; None where there is no such task. StoreError as for `list_tasks`."""
    asking = (
        select(messages)
        .join(links, links.c.message_id == messages.c.id)
        .where(links.c.task_id == task_id)
        .order_by(messages.c.id)
    )
    with reading(where) as connection:
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
def reading(where: str | Path) -> Iterator[Connection]:
    """A transaction that only reads, beside whatever an engine writes. StoreError as for `list_tasks`."""
    with opened(where, read_only=True) as connection, connection.begin():
        learn(connection)
        yield connection


@contextmanager
def opened(where: str | Path, *, read_only: bool) -> Iterator[Connection]:
    """A connection to a journal that an engine may be writing, outside of any transaction. StoreError as for
    `list_tasks`, also for what goes wrong while it is used, and where no standby has confirmed it."""
    if not is_shared(where) and not Path(where).exists():
        raise StoreError(f"there is no journal {where}; `forefetch serve` creates it, or name another file")
    try:
        with ExitStack() as stack:
            if not read_only:
                stack.enter_context(not_in_vain(where))
            connection = stack.enter_context(for_a_moment(where, read_only=read_only).connect())
            with connection.begin():
                schema.check(connection)
            yield connection
            if not read_only and not is_confirmed(connection):
                raise StoreError(WAIT_ENDED)
    except (OSError, SQLAlchemyError, sqlite3.Error) as exc:
        raise StoreError(f"journal {told(where)}: {explain(exc)}") from exc
    except StoreError as exc:
        raise StoreError(f"journal {told(where)}: {exc}") from exc
