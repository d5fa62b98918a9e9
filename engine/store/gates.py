"""What gates do to tasks in the journal, and what they have to know from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from sqlalchemy import Connection, Integer, and_, bindparam, delete, func, insert, or_, select, update

from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import locks, news
from engine.store.links import hold_messages, messages_of, settled
from engine.store.rows import all_texts, end_row, task
from engine.store.schema import AT_GATE, UtcDateTime, closures, links, occasions, tasks
from engine.store.story import Event, tell

_MOST_EXPIRED = 256  # in one transaction, which holds a lock for each of their messages
_MOST_ALIKE = 256  # deferred by one statement: as many come together as a lane turns away at once
_RECONSIDERED = ("switch", "lists")  # what a new start may allow

_THIS = tasks.c.id == bindparam("task")
_SCHEDULED = tasks.c.status == TaskStatus.SCHEDULED.value
AS_SEEN = or_(bindparam("seen", type_=UtcDateTime).is_(None), tasks.c.updated_at == bindparam("seen"))
"""Not updated since it was decided on; no time: whatever has become of it."""
_LATER = update(tasks).values(
    due_at=bindparam("due"), gate=bindparam("by"), reason=bindparam("why"), updated_at=bindparam("now")
)
_DEFER = _LATER.where(_THIS, AS_SEEN, _SCHEDULED)
_MESSAGES_OF_ALL = (
    select(links.c.message_id).distinct().where(links.c.task_id.in_(bindparam("tasks", expanding=True)))
)
_ALIKE = (
    select(tasks.c.id)
    .where(
        _SCHEDULED,
        tasks.c.archive == bindparam("of_archive"),
        tasks.c.priority == bindparam("urgency"),
        tasks.c.due_at <= bindparam("now"),
        tasks.c.kind == "study",
        tasks.c.expedited.is_(False),
        tasks.c.routes == bindparam("of_routes"),
    )
    .order_by(tasks.c.due_at, tasks.c.id)
    .limit(_MOST_ALIKE)
    .with_for_update(key_share=True, skip_locked=True)  # somebody else is doing something to those
)
_DEFER_ALIKE = _LATER.where(tasks.c.id.in_(locks.once(_ALIKE))).returning(tasks.c.id)
_HOLD = (
    update(tasks)
    .where(_THIS, AS_SEEN, _SCHEDULED)
    .values(
        status=TaskStatus.HELD.value,
        gate=bindparam("by"),
        reason=bindparam("why"),
        expires_at=bindparam("expires"),
        updated_at=bindparam("now"),
    )
    .returning(tasks.c.id)
)
_LET_GO = (
    update(tasks)
    .where(tasks.c.status == TaskStatus.HELD.value, tasks.c.gate.in_(_RECONSIDERED))
    .values(status=TaskStatus.SCHEDULED.value, gate="", reason="", updated_at=bindparam("now"))
)
_RECONSIDER = (
    update(tasks)
    .where(_SCHEDULED, AT_GATE)
    .values(gate="", reason="", due_at=func.coalesce(tasks.c.appointment, tasks.c.created_at))
)
_EXPIRED = (
    select(tasks.c.id)
    .where(tasks.c.status == TaskStatus.HELD.value, tasks.c.expires_at <= bindparam("now"))
    .order_by(tasks.c.id)
    .limit(_MOST_EXPIRED)
    .with_for_update(key_share=True)
)
_NEXT_EXPIRY = select(func.min(tasks.c.expires_at)).where(tasks.c.status == TaskStatus.HELD.value)
_UNAPPROVED = Outcome(
    TaskStatus.FAILED,
    Cause.EXPIRED,
    "nobody approved it in time",
    cure="forefetch approve lets it go all the same",
)

_SIBLINGS = (
    select(links.c.message_id, func.count())
    .join(tasks, tasks.c.id == links.c.task_id)
    .where(links.c.message_id.in_(bindparam("messages", expanding=True)), tasks.c.kind == "study")
    .group_by(links.c.message_id)
)
_NOT_GONE = (TaskStatus.SCHEDULED, TaskStatus.HELD, TaskStatus.FAILED, TaskStatus.CANCELED)
_GONE = and_(
    tasks.c.status.not_in([it.value for it in _NOT_GONE]),  # IN would lead SQLite to all that was ever moved
    tasks.c.cause != Cause.ALREADY_THERE.value,
)
_COUNTED = (func.count(), func.coalesce(func.sum(tasks.c.instances), 0, type_=Integer))
_OF_PATIENT = select(*_COUNTED).where(
    tasks.c.patient == bindparam("patient"),
    tasks.c.began_at >= bindparam("since"),
    tasks.c.kind == "study",
    tasks.c.id != bindparam("task"),
    _GONE,
)
_ORDERS = select(occasions).where(
    occasions.c.message_id.in_(bindparam("messages", expanding=True)), occasions.c.kind == "order"
)
_SAME_ORDER = select(occasions.c.message_id).where(
    occasions.c.kind == "order",
    or_(
        (occasions.c.number == bindparam("number"))
        & (occasions.c.number_giver == bindparam("giver"))
        & (occasions.c.number != ""),
        (occasions.c.other == bindparam("other"))
        & (occasions.c.other_giver == bindparam("other_giver"))
        & (occasions.c.other != ""),
    ),
)
_OF_MESSAGES = select(*_COUNTED).where(
    tasks.c.id.in_(
        select(links.c.task_id).where(links.c.message_id.in_(bindparam("messages", expanding=True)))
    ),
    tasks.c.kind == "study",
    tasks.c.id != bindparam("task"),
    _GONE,
)


@dataclass(frozen=True, slots=True)
class Used:
    """``siblings``: the C-MOVEs of the same message, itself among them. The others are (studies, instances)
    that were moved, or are being moved, for the same order, and for the same patient since a time."""

    siblings: int
    order: tuple[int, int]
    patient: tuple[int, int]


def used(connection: Connection, task: RetrieveTask, since: dt.datetime) -> Used:
    """What budgets and approval have to know of a task."""
    messages = messages_of(connection, task.id)
    counts = [count for _, count in connection.execute(_SIBLINGS, {"messages": messages})]
    orders = _of_same_orders(connection, messages)
    order = connection.execute(_OF_MESSAGES, {"messages": orders, "task": task.id}).one()
    patient = (0, 0)
    if task.request.patient:
        terms = {"patient": task.request.patient, "since": since, "task": task.id}
        patient = tuple(connection.execute(_OF_PATIENT, terms).one())
    return Used(min(counts, default=1), tuple(order), patient)


def _of_same_orders(connection: Connection, messages: list[int]) -> list[int]:
    """These messages and the others that name the same orders."""
    found = set(messages)
    for row in connection.execute(_ORDERS, {"messages": messages}).all():
        numbers = {"number": row.number, "giver": row.number_giver}
        others = {"other": row.other, "other_giver": row.other_giver}
        found.update(connection.execute(_SAME_ORDER, {**numbers, **others}).scalars())
    return sorted(found)


def defer(
    connection: Connection,
    seen: Sequence[tuple[int, dt.datetime | None]],
    due: dt.datetime,
    gate: str,
    reason: str,
) -> list[int]:
    """SCHEDULED tasks are not looked at before ``due``, save those that have been updated since they were
    ``seen``; the messages that wait for them."""
    terms = {"due": due, "by": gate, "why": reason, "now": _now()}
    in_order = sorted(seen, key=itemgetter(0))  # two that defer the same wait for each other in one order
    connection.execute(_DEFER, [{**terms, "task": number, "seen": at} for number, at in in_order])
    return _messages_of_all(connection, [number for number, _ in seen])


def defer_alike(
    connection: Connection, task: RetrieveTask, due: dt.datetime, gate: str, reason: str
) -> list[int]:
    """The next C-MOVEs of the same routes, archive and priority, which nobody has expedited, are not looked
    at before ``due`` either; the messages that wait for them."""
    request = task.request
    terms = {
        "of_archive": request.archive,
        "urgency": request.priority.value,
        "of_routes": all_texts(request.routes),
        "due": due,
        "by": gate,
        "why": reason,
        "now": _now(),
    }
    return _messages_of_all(connection, connection.execute(_DEFER_ALIKE, terms).scalars().all())


def _messages_of_all(connection: Connection, numbers: Sequence[int]) -> list[int]:
    if not numbers:
        return []
    messages = list(connection.execute(_MESSAGES_OF_ALL, {"tasks": numbers}).scalars())
    news.tell(connection, messages=messages)
    return messages


def hold(
    connection: Connection,
    task_id: int,
    gate: str,
    reason: str,
    expires: dt.datetime | None,
    seen: dt.datetime | None,
) -> list[int] | None:
    """SCHEDULED to HELD; the messages that wait for it. None: it has been updated since it was ``seen``.
    What the switch or a list holds is let go by the next `recover`; anything else by a person, or by
    `expire`."""
    terms = {"task": task_id, "by": gate, "why": reason, "expires": expires, "seen": seen, "now": _now()}
    if connection.execute(_HOLD, terms).one_or_none() is None:
        return None
    tell(connection, task_id, Event.HELD, reason)
    return _messages_of_all(connection, [task_id])


def expire(connection: Connection) -> list[tuple[RetrieveTask, tuple[int, ...]]]:
    """HELD tasks whose time is over end FAILED, some at a time; each with the messages all of whose tasks
    have ended."""
    now = _now()
    ended = list(connection.execute(_EXPIRED, {"now": now}).scalars())
    for task_id in ended:
        connection.execute(update(tasks).where(tasks.c.id == task_id).values(end_row(_UNAPPROVED, now)))
        tell(connection, task_id, Event.EXPIRED, _UNAPPROVED.text)
    if not ended:
        return []
    hold_messages(connection, ended)
    _messages_of_all(connection, ended)
    return [
        (task(row), settled(connection, messages_of(connection, row.id)))
        for row in connection.execute(select(tasks).where(tasks.c.id.in_(ended)).order_by(tasks.c.id))
    ]


def next_expiry(connection: Connection) -> dt.datetime | None:
    """When the first HELD task expires."""
    return connection.execute(_NEXT_EXPIRY).scalar()


def forget_gates(connection: Connection, now: dt.datetime, *, alone: bool) -> None:
    """For a start: every gate is asked anew, save those that wait for a person. What is noted of gates stays
    where others, who have noted it, go on."""
    connection.execute(_LET_GO, {"now": now})
    connection.execute(_RECONSIDER)
    if alone:
        connection.execute(delete(closures))


def close_gate(
    connection: Connection, scope: str, name: str, gate: str, reason: str, until: dt.datetime | None
) -> None:
    """Note for others that a gate holds everything of an archive or for a destination."""
    locks.hold(connection, [("closure", scope, name, gate)])
    open_gate(connection, scope, name, gate)
    values = {"scope": scope, "name": name, "gate": gate, "reason": reason, "until": until}
    connection.execute(insert(closures), values)


def open_gate(connection: Connection, scope: str, name: str, gate: str) -> None:
    """It does no more."""
    this = (closures.c.scope == scope, closures.c.name == name, closures.c.gate == gate)
    connection.execute(delete(closures).where(*this))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
