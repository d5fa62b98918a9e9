"""What goes on in a journal now, in numbers: what is under way, what waits, what has failed. Nothing is
changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from engine.retrieve.gate import Gate
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store.reader import reading
from engine.store.rows import task
from engine.store.schema import closures, tasks
from engine.store.selection import EVERY, Selection

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


def standing(where: str | Path) -> Standing:
    """What goes on now, as far as the journal knows. StoreError as for `list_tasks`."""
    under_way = tasks.c.status == TaskStatus.IN_PROGRESS.value
    archives = select(tasks.c.archive, func.count()).where(under_way).group_by(tasks.c.archive)
    destinations = (
        select(tasks.c.destination, func.count())
        .where(under_way, tasks.c.kind == "study")
        .group_by(tasks.c.destination)
    )
    # Who has noted that a rate is used up may have died since; after a breaker others look
    over = (closures.c.gate == Gate.RATE.value) & (closures.c.until <= dt.datetime.now(dt.UTC))
    with reading(where) as connection:
        shut = [
            Closure(row.scope, row.name, row.gate, row.reason, row.until)
            for row in connection.execute(select(closures).where(or_(closures.c.until.is_(None), ~over)))
        ]
        running_from, running_to = _counts(connection, archives), _counts(connection, destinations)
    return Standing(running_from, running_to, tuple(shut))


def _counts(connection: Connection, query: Select[tuple[Any, ...]]) -> dict[str, int]:
    return {name: count for name, count in connection.execute(query)}  # noqa: C416  dict() has no type for rows


def queue_depths(where: str | Path) -> dict[tuple[TaskStatus, str], int]:
    """How many tasks that are not final there are, by status and archive: from an index, whatever has ended.
    StoreError as for `list_tasks`."""
    query = (
        select(tasks.c.status, tasks.c.archive, func.count())
        .where(tasks.c.status.in_((*_WAITING, TaskStatus.IN_PROGRESS.value)))
        .group_by(tasks.c.status, tasks.c.archive)
    )
    with reading(where) as connection:
        return {(TaskStatus(status), archive): count for status, archive, count in connection.execute(query)}


def count_causes(where: str | Path, selection: Selection = EVERY) -> dict[tuple[TaskStatus, Cause], int]:
    """How many of a selection ended FAILED, WARNING or CANCELED, by their cause, the most frequent first.
    StoreError as for `list_tasks`."""
    number = func.count()
    query = (
        select(tasks.c.status, tasks.c.cause, number)
        .where(tasks.c.status.in_(_TROUBLED), *selection.conditions())
        .group_by(tasks.c.status, tasks.c.cause)
        .order_by(number.desc(), tasks.c.cause)
    )
    with reading(where) as connection:
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


def queues(where: str | Path, selection: Selection = EVERY) -> list[Queue]:
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
    with reading(where) as connection:
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
