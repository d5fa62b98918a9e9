"""Which tasks wait at an archive: what a lane asks for each time that it goes round."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Integer,
    Select,
    and_,
    bindparam,
    func,
    or_,
    select,
    union_all,
)

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import Priority, RetrieveTask
from engine.store import rapid
from engine.store.rows import all_texts, task
from engine.store.schema import tasks


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which waiting tasks are worth a look: ``moves``: C-MOVEs at all, ``unhurried``: also those that nobody
    has expedited; ``without``: none to these destinations, ``slowed``: only expedited ones to these;
    ``only``: what is asked for by this one of these routes alone; empty: whoever asks."""

    moves: bool = True
    unhurried: bool = True
    without: frozenset[str] = frozenset()
    slowed: frozenset[str] = frozenset()
    only: frozenset[str] = frozenset()


EVERYTHING = Sieve()
_SCHEDULED_AT = (tasks.c.status == TaskStatus.SCHEDULED.value, tasks.c.archive == bindparam("archive"))
_SIEVED = (
    or_(
        bindparam("whoever", type_=Boolean).is_(True),
        tasks.c.routes.in_(bindparam("only", expanding=True)),
    ),
    or_(
        tasks.c.kind != "study",
        and_(
            bindparam("moves", type_=Boolean).is_(True),
            tasks.c.destination.not_in(bindparam("without", expanding=True)),
            or_(
                tasks.c.expedited.is_(True),
                and_(
                    bindparam("unhurried", type_=Boolean).is_(True),
                    tasks.c.destination.not_in(bindparam("slowed", expanding=True)),
                ),
            ),
        ),
    ),
)


def _waiting(*sieved: ColumnElement[bool]) -> Select[Any]:
    """The first of each priority, by the index."""
    due = tasks.c.due_at <= bindparam("now")
    first = (
        select(tasks.c.id)
        .where(*_SCHEDULED_AT, tasks.c.priority == priority.value, due, *sieved)
        .order_by(tasks.c.due_at, tasks.c.id)
        .limit(bindparam("limit", type_=Integer))
        .subquery()
        for priority in Priority
    )
    return select(tasks).where(tasks.c.id.in_(union_all(*(select(one.c.id) for one in first))))


_WAITING, _WAITING_SIEVED = rapid.Statement(_waiting()), _waiting(*_SIEVED)
_NEWER = (
    select(tasks)
    .where(tasks.c.id > bindparam("after"))
    .order_by(tasks.c.id)
    .limit(bindparam("limit", type_=Integer))
)
_ALSO = select(tasks).where(tasks.c.id.in_(bindparam("also", expanding=True))).order_by(tasks.c.id)
_NEXT_ARCHIVE = select(func.min(tasks.c.archive)).where(
    tasks.c.status == TaskStatus.SCHEDULED.value, tasks.c.archive > bindparam("last")
)
_NEXT_OF_EACH = union_all(
    *(
        select(func.min(tasks.c.due_at).label("due_at")).where(
            *_SCHEDULED_AT, tasks.c.priority == priority.value, tasks.c.due_at > bindparam("now")
        )
        for priority in Priority
    )
).subquery()
_NEXT_DUE = rapid.Statement(select(func.min(_NEXT_OF_EACH.c.due_at)))


def waiting(
    connection: Connection,
    archive: str,
    limit: int,
    aging: dt.timedelta,
    sieve: Sieve,
    due_by: dt.datetime | None,
) -> list[RetrieveTask]:
    """SCHEDULED tasks of an archive that are due (by now, or by that time) and that the sieve lets through,
    at most ``limit`` in their order: each level of priority counts as much as ``aging`` of waiting, so that
    none waits for ever."""
    terms = {"archive": archive, "limit": limit, "now": due_by or _now()}
    if sieve == EVERYTHING:
        rows = _WAITING.run(connection, terms)
    else:
        rows = list(connection.execute(_WAITING_SIEVED, terms | _terms(sieve)))
    rows = sorted(rows, key=lambda row: (row.due_at + row.priority * aging, row.id))
    return [task(row) for row in rows[:limit]]


def _terms(sieve: Sieve) -> dict[str, Any]:
    return {
        "moves": sieve.moves,
        "unhurried": sieve.unhurried,
        "without": sorted(sieve.without),
        "slowed": sorted(sieve.slowed),
        "whoever": not sieve.only,
        "only": [all_texts([name]) for name in sorted(sieve.only)],
    }


def newer(connection: Connection, after: int, limit: int, also: Collection[int] = ()) -> list[RetrieveTask]:
    """The tasks that were added after one of this number, and those of these numbers, oldest first."""
    late = connection.execute(_ALSO, {"also": list(also)}).all() if also else ()
    return [task(row) for row in (*late, *connection.execute(_NEWER, {"after": after, "limit": limit}))]


def waiting_archives(connection: Connection) -> set[str]:
    """The archives that have SCHEDULED tasks: one step in the index for each, however many wait."""
    found: list[str] = []
    while name := connection.execute(_NEXT_ARCHIVE, {"last": found[-1] if found else ""}).scalar():
        found.append(name)
    return set(found)


def next_due(connection: Connection, archive: str, since: dt.datetime | None) -> dt.datetime | None:
    """When the next task of an archive falls due that is not due yet, or was not at that time."""
    ((due,),) = _NEXT_DUE.run(connection, {"archive": archive, "now": since or _now()})
    return due  # type: ignore[no-any-return]


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
