"""What goes on at archives and destinations, where engines share a journal: what is under way, what was let
through in the last minute, and how the nodes have been doing."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter
from sqlalchemy import Connection, delete, func, insert, select, update

from engine.retrieve.breaker import Breaker
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.rate import MINUTE, Passed
from engine.retrieve.task import RetrieveTask
from engine.store import locks, news
from engine.store.dialect import insert_unless_known
from engine.store.schema import breakers, passages, tasks

_KEPT = 2 * MINUTE
_BREAKER: TypeAdapter[Breaker] = TypeAdapter(Breaker)
_UNDER_WAY = select(
    tasks.c.archive, tasks.c.destination, tasks.c.routes, tasks.c.kind, tasks.c.member_id
).where(tasks.c.status == TaskStatus.IN_PROGRESS.value)
_PASSED = select(passages.c.archive, passages.c.destination, passages.c.at, passages.c.instances)

Node = tuple[str, str]
"""``archive`` or ``destination``, and its name in routes.yaml."""


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A task that somebody carries out."""

    archive: str
    destination: str
    routes: tuple[str, ...]
    is_move: bool
    member_id: int | None


@dataclass(frozen=True, slots=True)
class Passage:
    """A C-MOVE that was let through at a node that has a rate."""

    archive: str
    destination: str
    passed: Passed


@dataclass(frozen=True, slots=True)
class Situation:
    """What goes on ``now``. All times are by the clock of this machine, which is ``ahead`` of that of the
    database. ``breakers`` of nodes that have failed alone."""

    now: dt.datetime
    under_way: tuple[UnderWay, ...] = ()
    passages: tuple[Passage, ...] = ()
    breakers: Mapping[Node, Breaker] = field(default_factory=dict)
    ahead: dt.timedelta = dt.timedelta()


def situation(connection: Connection) -> Situation:
    """As it was at ``now`` or later, however long the reading takes."""
    now = _now()
    there = connection.execute(select(func.clock_timestamp())).scalar_one()
    ahead = now - there
    return Situation(
        now,
        tuple(
            UnderWay(
                row.archive,
                row.destination,
                tuple(json.loads(row.routes)),
                row.kind == "study",
                row.member_id,
            )
            for row in connection.execute(_UNDER_WAY)
        ),
        tuple(
            Passage(row.archive, row.destination, Passed(row.at + ahead, row.instances))
            for row in connection.execute(_PASSED.where(passages.c.at > there - MINUTE))
        ),
        {
            (row.scope, row.name): _moved(_BREAKER.validate_json(row.state), ahead)
            for row in connection.execute(select(breakers))
        },
        ahead,
    )


def _moved(breaker: Breaker, ahead: dt.timedelta) -> Breaker:
    """From the clock of the database to one that is ahead of it."""
    return breaker if breaker.until is None else replace(breaker, until=breaker.until + ahead)


def pass_through(connection: Connection, task: RetrieveTask, seen: Situation) -> None:
    """Remember, for the rates, that an attempt at a task was let through in a situation. Those that no rate
    counts any more go."""
    now = seen.now - seen.ahead
    connection.execute(delete(passages).where(passages.c.at < now - _KEPT))
    row = {
        "task_id": task.id,
        "attempt": task.attempts,
        "archive": task.request.archive,
        "destination": task.request.destination,
        "instances": task.request.instances or 0,
        "at": now,
    }
    connection.execute(insert_unless_known(connection, passages), row)


def correct(connection: Connection, task_id: int, attempt: int, instances: int) -> None:
    """So many were sent by it."""
    this = (passages.c.task_id == task_id, passages.c.attempt == attempt)
    connection.execute(update(passages).where(*this).values(instances=instances))


def change_breaker(
    connection: Connection, node: Node, change: Callable[[Breaker, dt.datetime], Breaker]
) -> tuple[Breaker, Breaker]:
    """Change how a node has been doing, by what everybody knows of it now and the clock of the database; what
    that was before, and is, by the clock of this machine."""
    locks.hold(connection, [("breaker", *node)])
    this = (breakers.c.scope == node[0], breakers.c.name == node[1])
    now = connection.execute(select(func.clock_timestamp())).scalar_one()
    ahead = _now() - now
    state = connection.execute(select(breakers.c.state).where(*this)).scalar()
    before = Breaker() if state is None else _BREAKER.validate_json(state)
    after = change(before, now)
    if after != before:
        connection.execute(delete(breakers).where(*this))
        if after != Breaker():
            row = {"scope": node[0], "name": node[1], "state": _BREAKER.dump_json(after).decode()}
            connection.execute(insert(breakers), row)
        if after.state is not before.state or after.until != before.until:
            news.tell(connection, work=True)
    return _moved(before, ahead), _moved(after, ahead)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
