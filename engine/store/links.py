"""Which tasks a message waits for: new ones, and those alike that are still to end."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, update

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.policy import by_hand
from engine.retrieve.selector import PriorsOfPatient
from engine.retrieve.task import RetrieveRequest
from engine.store import criteria, locks, news, rapid
from engine.store.rows import NOT_YET, selector_columns, task_row
from engine.store.schema import links, tasks

_SCHEDULED, _IN_PROGRESS = TaskStatus.SCHEDULED.value, TaskStatus.IN_PROGRESS.value
LIVE = [status.value for status in TaskStatus if not status.final]

_Key = tuple[str, str, bytes]
Wanted = tuple[int, RetrieveRequest]  # message, and what it asks for

_ADD = rapid.Insert(tasks, without=NOT_YET)
_LINK = rapid.Insert(links, unless_known=["message_id", "task_id"])
_ALIKE = rapid.Find(
    select(tasks.c.id).where(
        tasks.c.status.in_(
            bindparam("live", [_SCHEDULED, _IN_PROGRESS], expanding=True, literal_execute=True)
        ),
        tasks.c.alike.in_(bindparam("keys", expanding=True)),
    ),
    "keys",
)
_SERVING = (
    select(tasks)
    .where(
        tasks.c.id.in_(bindparam("tasks", expanding=True)),
        or_(
            tasks.c.status == _SCHEDULED,
            # A search under way would leave its studies to the routes and the priority of its beginning
            (tasks.c.status == _IN_PROGRESS) & (tasks.c.kind == "study"),
        ),
        tasks.c.cancel_requested.is_(False),
    )
    .order_by(tasks.c.id)
    .with_for_update(key_share=True)
)
_PULL = (
    update(tasks)
    .where(tasks.c.id == bindparam("task"))
    .values(
        due_at=bindparam("due"),
        appointment=bindparam("at_appointment"),
        priority=bindparam("urgency"),
        routes=bindparam("all_routes"),
        failures=0,  # who asks anew begins the schedule of retries anew
        updated_at=bindparam("now"),
    )
)
_MESSAGES = select(links.c.message_id).where(links.c.task_id == bindparam("task"))
_UNSETTLED = (
    select(links.c.message_id)
    .distinct()
    .join(tasks, tasks.c.id == links.c.task_id)
    .where(links.c.message_id.in_(bindparam("messages", expanding=True)), tasks.c.status.in_(LIVE))
)
_HOLD_MESSAGES = f"""
    SELECT pg_advisory_xact_lock(-message_id) FROM (
        SELECT DISTINCT one.message_id FROM {links.name} AS one
        JOIN {links.name} AS other ON other.message_id = one.message_id AND other.task_id <> one.task_id
        WHERE one.task_id = ANY(%s) ORDER BY one.message_id
    ) AS waiting
"""


@dataclass(frozen=True, slots=True)
class Attached:
    """``links``: a message and a task that serves it, each pair once; ``new``: the tasks that were added."""

    links: Sequence[tuple[int, int]]
    new: Sequence[int]


_NOTHING = Attached((), ())


def attach(
    connection: Connection, wanted: Sequence[Wanted], now: dt.datetime, *, parent_id: int | None = None
) -> Attached:
    """Link each message to a task for each of its requests. One that is alike and waits, or a C-MOVE that is
    under way for the same routes, serves both, and is pulled forward where the new request is earlier or more
    urgent. To be called by who holds the `keys` of the requests."""
    if not wanted:
        return _NOTHING
    selectors = [request.selector for _, request in wanted]
    criteria.keep(connection, [it.criteria for it in selectors if isinstance(it, PriorsOfPatient)])
    asked = [task_row(it, now, message_id=message, parent_id=parent_id) for message, it in wanted]
    alike = _alike(connection, asked)
    new: dict[_Key, dict[str, Any]] = {}
    pulled: dict[int, tuple[Row[Any], dict[str, Any]]] = {}
    shared = [next((it for it in alike.get(_key(row), ()) if _serves(it, row)), None) for row in asked]
    for row, other in zip(asked, shared, strict=True):
        if other is not None:
            _, terms = pulled.get(other.id) or (other, _terms(other))
            pulled[other.id] = other, _sooner(terms, row)
        else:
            key = _key(row)
            new[key] = {**new[key], **_sooner(new[key], row)} if key in new else row
    ids = _add(connection, new)
    _pull(connection, pulled.values(), now)
    served = [ids[_key(row)] if it is None else it.id for row, it in zip(asked, shared, strict=True)]
    pairs = list(dict.fromkeys((number, id_) for id_, (number, _) in zip(served, wanted, strict=True)))
    _LINK.run(connection, [{"message_id": number, "task_id": id_} for number, id_ in pairs])
    if ids or pulled:
        news.tell(connection, expected={request.expected for _, request in wanted})
    return Attached(pairs, list(ids.values()))


def keys(requests: Iterable[RetrieveRequest]) -> Iterator[_Key]:
    """To be held (`locks.hold`) by who asks whether there is a task for one of these already."""
    return ((it.archive, it.destination, selector_columns(it.selector)["alike"]) for it in requests)


def _add(connection: Connection, new: Mapping[_Key, dict[str, Any]]) -> dict[_Key, int]:
    """Add tasks; their numbers, in the order in which they come."""
    if not new:
        return {}
    ids = dict(zip(new, rapid.take_ids(connection, tasks, len(new)), strict=True))
    _ADD.run(connection, [{**row, "id": ids[key]} for key, row in new.items()])
    return ids


def _key(row: Mapping[str, Any]) -> _Key:
    return row["archive"], row["destination"], row["alike"]


def _alike(connection: Connection, asked: Sequence[dict[str, Any]]) -> dict[_Key, list[Row[Any]]]:
    found: dict[_Key, list[Row[Any]]] = {}
    ids = [number for (number,) in _ALIKE.run(connection, [it["alike"] for it in asked])]
    for row in connection.execute(_SERVING, {"tasks": ids}) if ids else ():
        found.setdefault((row.archive, row.destination, row.alike), []).append(row)
    return found


def _serves(row: Row[Any], asked: Mapping[str, Any]) -> bool:
    """What is under way is carried out on the terms of the routes with which it began: another route may want
    a verification, or a move where this is only a dry run. What is asked for by hand serves only that: the
    terms of a call would open the gates of a message, also after the call was taken back, and those of a
    message would move what a dry run asks about."""
    ours, theirs = set(json.loads(asked["routes"])), set(json.loads(row.routes))
    if by_hand(ours) or by_hand(theirs):
        return ours == theirs
    return row.status == _SCHEDULED or ours <= theirs


def _pull(
    connection: Connection, pulled: Iterable[tuple[Row[Any], Mapping[str, Any]]], now: dt.datetime
) -> None:
    changed = [
        {
            "task": row.id,
            "due": terms["due_at"] if terms["due_at"] > now else row.created_at,  # in its place by age
            "urgency": terms["priority"],
            "all_routes": terms["routes"],
            "at_appointment": terms["appointment"],
            "now": now,
        }
        for row, terms in pulled
    ]
    if changed:
        connection.execute(_PULL, changed)


def hold_messages(connection: Connection, task_ids: Sequence[int]) -> None:
    """For who has ended these tasks: of two transactions that end the last tasks of a message, the second one
    has to see that all have ended. Those that wait for one task alone need not be held."""
    if task_ids and locks.is_shared(connection):
        connection.exec_driver_sql(_HOLD_MESSAGES, (list(task_ids),))


def messages_of(connection: Connection, task_id: int) -> list[int]:
    """The messages that wait for a task."""
    return list(connection.execute(_MESSAGES, {"task": task_id}).scalars())


def settled(connection: Connection, messages: Sequence[int]) -> tuple[int, ...]:
    """Those of these messages all of whose tasks have ended."""
    if not messages:
        return ()
    waiting = set(connection.execute(_UNSETTLED, {"messages": list(messages)}).scalars())
    return tuple(message_id for message_id in messages if message_id not in waiting)


def _terms(row: Row[Any]) -> dict[str, Any]:
    terms = ("due_at", "appointment", "priority", "routes")
    return {name: getattr(row, name) for name in terms}


def _sooner(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The earlier time, the more urgent priority and the routes of both."""
    routes = dict.fromkeys(json.loads(one["routes"]) + json.loads(other["routes"]))
    return {
        "routes": json.dumps(list(routes), ensure_ascii=False),
        "due_at": min(one["due_at"], other["due_at"]),
        "appointment": min(both) if all(both := (one["appointment"], other["appointment"])) else None,
        "priority": min(one["priority"], other["priority"]),
    }
