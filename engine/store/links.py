"""Which tasks a message waits for: new ones, and those alike that are still to end."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.policy import by_hand
from engine.retrieve.task import RetrieveRequest
from engine.store.dialect import insert_unless_known
from engine.store.rows import task_row
from engine.store.schema import links, tasks

LIVE = [status.value for status in TaskStatus if not status.final]

_Key = tuple[str, str, bytes]
Wanted = tuple[int, RetrieveRequest]  # message, and what it asks for

_ALIKE = select(tasks).where(
    tasks.c.alike.in_(bindparam("keys", expanding=True)),
    or_(
        tasks.c.status == TaskStatus.SCHEDULED.value,
        # A search under way would leave its studies to the routes and the priority of its beginning
        (tasks.c.status == TaskStatus.IN_PROGRESS.value) & (tasks.c.kind == "study"),
    ),
    tasks.c.cancel_requested.is_(False),
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
_ADD = insert(tasks).returning(tasks, sort_by_parameter_order=True)
_MESSAGES = select(links.c.message_id).where(links.c.task_id == bindparam("task"))
_UNSETTLED = (
    select(links.c.message_id)
    .distinct()
    .join(tasks, tasks.c.id == links.c.task_id)
    .where(links.c.message_id.in_(bindparam("messages", expanding=True)), tasks.c.status.in_(LIVE))
)


def attach(
    connection: Connection, wanted: Sequence[Wanted], now: dt.datetime, *, parent_id: int | None = None
) -> list[Row[Any]]:
    """Link each message to a task for each of its requests. One that is alike and waits, or a C-MOVE that is
    under way for the same routes, serves both, and is pulled forward where the new request is earlier or more
    urgent. Returns the rows of new tasks."""
    if not wanted:
        return []
    asked = [task_row(it, now, message_id=message, parent_id=parent_id) for message, it in wanted]
    alike = _alike(connection, asked)
    new: dict[_Key, dict[str, Any]] = {}
    pulled: dict[int, dict[str, Any]] = {}
    shared = [next((it for it in alike.get(_key(row), ()) if _serves(it, row)), None) for row in asked]
    for row, other in zip(asked, shared, strict=True):
        if other is not None:
            pulled[other.id] = _sooner(pulled.get(other.id) or _terms(other), row)
        else:
            key = _key(row)
            new[key] = {**new[key], **_sooner(new[key], row)} if key in new else row
    rows = connection.execute(_ADD, list(new.values())).all() if new else []
    ids = dict(zip(new, (row.id for row in rows), strict=True))
    for other in {it.id: it for it in shared if it is not None}.values():
        _pull(connection, other, pulled[other.id], now)
    served = [ids[_key(row)] if it is None else it.id for row, it in zip(asked, shared, strict=True)]
    link(connection, [(message_id, task_id) for task_id, (message_id, _) in zip(served, wanted, strict=True)])
    return list(rows)


def _key(row: Mapping[str, Any]) -> _Key:
    return row["archive"], row["destination"], row["alike"]


def _alike(connection: Connection, asked: Sequence[dict[str, Any]]) -> dict[_Key, list[Row[Any]]]:
    found: dict[_Key, list[Row[Any]]] = {}
    for row in connection.execute(_ALIKE, {"keys": sorted({it["alike"] for it in asked})}):
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
    return row.status == TaskStatus.SCHEDULED.value or ours <= theirs


def _pull(connection: Connection, row: Row[Any], terms: Mapping[str, Any], now: dt.datetime) -> None:
    due = terms["due_at"] if terms["due_at"] > now else row.created_at  # due: in its place by age
    changed = {"task": row.id, "due": due, "urgency": terms["priority"], "now": now}
    connection.execute(
        _PULL, {**changed, "all_routes": terms["routes"], "at_appointment": terms["appointment"]}
    )


def link(connection: Connection, pairs: Iterable[tuple[int, int]]) -> None:
    """Have messages wait for tasks, each pair once."""
    rows = [{"message_id": message_id, "task_id": task_id} for message_id, task_id in dict.fromkeys(pairs)]
    if rows:
        connection.execute(insert_unless_known(connection, links), rows)


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
