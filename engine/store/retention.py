"""Pruning: the oldest messages leave the journal, a few in one transaction, with what only they need.

A message stays while a task that it waits for has not ended or was touched lately, while its application
acknowledgment is owed, and while a letter of it waits. A task goes with the last message that waits for it.
Merges of patient identifiers stay. So do the newest message and the newest task: numbers are given once.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from sqlalchemy import BindParameter, Connection, bindparam, delete, func, or_, select, union_all

from engine.store import locks
from engine.store.dialect import Identity, size_in_use
from engine.store.links import LIVE
from engine.store.outbox import LetterStatus
from engine.store.reader import reading
from engine.store.schema import OWED, UtcDateTime, links, messages, occasions, outbox, story, tasks

_PRUNING = 0x70727565  # the number of an advisory lock
_LOOKED_AT = 128  # messages in a step
_AT_ONCE = 64  # pruned in a step, with their tasks: some three milliseconds, for which others wait


@dataclass(frozen=True, slots=True)
class Stock:
    """What a journal holds. ``size``: bytes of its file that are in use; the others are used again."""

    messages: int
    size: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What one step has taken out. ``position``: the last message that was looked at; ``ended``: none of
    those after it is old enough. ``size`` as of a `Stock`, after the step. ``spent``: seconds, without the
    commit."""

    position: int
    messages: int
    tasks: int
    size: int
    ended: bool
    spent: float


_OLDEST = (
    select(messages.c.id, messages.c.received_at)
    .where(
        messages.c.id > bindparam("after"), messages.c.id < select(func.max(messages.c.id)).scalar_subquery()
    )
    .order_by(messages.c.id)
    .limit(_LOOKED_AT)
)
_FIRST, _LAST = bindparam("first", type_=Identity), bindparam("last", type_=Identity)
_TASKED = (
    select(links.c.message_id, func.count())
    .where(links.c.message_id.between(_FIRST, _LAST))
    .group_by(links.c.message_id)
)
_STAYING = union_all(
    select(links.c.message_id)
    .join(tasks, tasks.c.id == links.c.task_id)
    .where(
        links.c.message_id.between(_FIRST, _LAST),
        or_(
            tasks.c.status.in_(LIVE),
            tasks.c.updated_at >= bindparam("touched", type_=UtcDateTime),
            tasks.c.id == select(func.max(tasks.c.id)).scalar_subquery(),
        ),
    ),
    select(messages.c.id).where(messages.c.id.between(_FIRST, _LAST), OWED),
    select(outbox.c.message_id).where(
        outbox.c.message_id.between(_FIRST, _LAST), outbox.c.status == LetterStatus.WAITING.value
    ),
)
_MESSAGES: BindParameter[int] = bindparam("messages", expanding=True)
_TASKS: BindParameter[int] = bindparam("tasks", expanding=True)
_TASKS_OF = select(links.c.task_id).where(links.c.message_id.in_(_MESSAGES)).distinct()
_LOCK_TASKS = select(tasks.c.id).where(tasks.c.id.in_(_TASKS_OF)).order_by(tasks.c.id).with_for_update()
_STILL_WANTED = select(links.c.task_id).where(links.c.task_id.in_(_TASKS))
_OF_MESSAGES = [
    *(delete(table).where(table.c.message_id.in_(_MESSAGES)) for table in (links, occasions, outbox)),
    delete(messages).where(messages.c.id.in_(_MESSAGES)),
]
_OF_TASKS = [delete(story).where(story.c.task_id.in_(_TASKS)), delete(tasks).where(tasks.c.id.in_(_TASKS))]


def stock(where: str | Path) -> Stock:
    """What a journal holds now, beside whatever an engine writes. StoreError as for `list_tasks`."""
    with reading(where) as connection:
        count = connection.execute(select(func.count()).select_from(messages)).scalar_one()
        return Stock(count, size_in_use(connection))


def prune(connection: Connection, after: int, before: dt.datetime, touched: dt.datetime, most: int) -> Pruned:
    """Take out the oldest messages behind one of this number, at most ``most`` and never many, that came
    ``before`` a time and whose tasks were not ``touched`` since another. Those that came while the clock was
    ahead stay until it is as late, and do not keep what is behind them."""
    began, now = time.monotonic(), dt.datetime.now(dt.UTC)
    if not _is_our_turn(connection):
        return Pruned(after, 0, 0, size_in_use(connection), ended=True, spent=0.0)
    rows = connection.execute(_OLDEST, {"after": after}).all()
    old = [row.id for row in rows if row.received_at < before]
    passed = [row.id for row in rows if row.received_at < before or row.received_at > now]
    going: dict[int, int] = _may_go(connection, old, touched) if old else {}
    chosen = _few(going)[:most]
    taken = _still(connection, chosen, touched)
    tasks_gone = _take_out(connection, taken) if taken else 0
    seen = chosen if len(chosen) < len(going) else passed
    position, ended = max(seen, default=after), not passed
    spent = time.monotonic() - began
    return Pruned(position, len(taken), tasks_gone, size_in_use(connection), ended, spent)


def _is_our_turn(connection: Connection) -> bool:
    """Whether no other engine is in the middle of a step: one prunes a shared journal at a time."""
    if not locks.is_shared(connection):
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(_PRUNING))).scalar_one())


def _may_go(connection: Connection, old: Sequence[int], touched: dt.datetime) -> dict[int, int]:
    """Those of these messages that need not stay, each with the number of its tasks."""
    span = {"first": old[0], "last": old[-1]}
    tasked = {message_id: count for message_id, count in connection.execute(_TASKED, span)}  # noqa: C416  types
    staying = set(connection.execute(_STAYING, {**span, "touched": touched}).scalars())
    return {number: tasked.get(number, 0) for number in old if number not in staying}


def _still(connection: Connection, chosen: list[int], touched: dt.datetime) -> list[int]:
    """Those of these messages that may go also when nobody can begin with one of their tasks again."""
    if not chosen or not locks.is_shared(connection):
        return chosen
    connection.execute(_LOCK_TASKS, {"messages": chosen})
    return list(_may_go(connection, chosen, touched))


def _few(going: Mapping[int, int]) -> list[int]:
    """The first of these, as many as one transaction may take out with their tasks; at least one."""
    weights = accumulate(1 + tasks for tasks in going.values())
    return [number for number, weight in zip(going, weights, strict=True) if weight <= _AT_ONCE] or list(
        going
    )[:1]


def _take_out(connection: Connection, numbers: Sequence[int]) -> int:
    """These messages; how many tasks went with them."""
    of_them = list(connection.execute(_TASKS_OF, {"messages": numbers}).scalars())
    for statement in _OF_MESSAGES:
        connection.execute(statement, {"messages": numbers})
    wanted = set(connection.execute(_STILL_WANTED, {"tasks": of_them}).scalars()) if of_them else set()
    unwanted = [number for number in of_them if number not in wanted]
    for statement in _OF_TASKS if unwanted else ():
        connection.execute(statement, {"tasks": unwanted})
    return len(unwanted)
