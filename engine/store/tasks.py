"""Operations on retrieve tasks. A status changes only as `TRANSITIONS` allows, whoever comes late."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    update,
)

from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus
from engine.retrieve.plan import uncovered
from engine.retrieve.task import TRANSITIONS, Choice, RetrieveRequest, RetrieveTask
from engine.store import locks, news, outbox, rapid
from engine.store.gates import AS_SEEN, forget_gates
from engine.store.links import LIVE, attach, hold_messages, keys, messages_of, settled
from engine.store.members import is_alone, lose
from engine.store.owners import member_of, orphaned, rely
from engine.store.rows import END_COLUMNS, counters_text, end_row, outcome_text, task, texts
from engine.store.schema import links, tasks
from engine.store.story import Event, tell

INTERRUPTED = "interrupted by a stop; will be tried again"
TAKEN_OVER = "the engine that carried it out was lost; will be tried again"


_THIS = tasks.c.id == bindparam("task")
_STILL = or_(
    bindparam("attempt", type_=Integer).is_(None),
    and_(tasks.c.attempts == bindparam("attempt"), tasks.c.status == TaskStatus.IN_PROGRESS.value),
)
"""Under way still by the attempt that has an outcome: where another engine has taken the task over meanwhile,
it is another one's. No attempt: whatever has become of it."""
_CLAIM = rapid.Statement(
    update(tasks)
    .where(_THIS, AS_SEEN, tasks.c.status == TaskStatus.SCHEDULED.value)
    .values(
        status=TaskStatus.IN_PROGRESS.value,
        attempts=tasks.c.attempts + 1,
        reason="",
        gate="",
        progress=None,
        began_at=bindparam("now"),
        updated_at=bindparam("now"),
        member_id=bindparam("member"),
    )
    .returning(tasks)
)


def _to(end: TaskStatus) -> rapid.Statement:
    """What ends a task so, if it may. Budgets go by ``counted``, where that is known."""
    earlier = or_(*(tasks.c.status == it.value for it in TaskStatus if end in TRANSITIONS[it]))
    changed: dict[str, Any] = {name: bindparam(f"new_{name}") for name in END_COLUMNS}
    counted = func.coalesce(bindparam("counted", type_=Integer), tasks.c.instances)
    statement = update(tasks).where(_THIS, AS_SEEN, _STILL, earlier).values(**changed, instances=counted)
    return rapid.Statement(statement.returning(tasks.c.id))


_END = {status: _to(status) for status in TaskStatus if status.final}
_BACK = (
    update(tasks)
    .where(tasks.c.status == TaskStatus.IN_PROGRESS.value, tasks.c.cancel_requested.is_(False))
    .values(status=TaskStatus.SCHEDULED.value, reason=bindparam("why"), updated_at=bindparam("now"))
)
_RELEASE = _BACK.where(_THIS, _STILL).values(due_at=func.coalesce(bindparam("due"), tasks.c.due_at))
_AGAIN = _RELEASE.values(failures=tasks.c.failures + 1, missing=bindparam("parts")).returning(tasks.c.id)
_NOTE = (
    update(tasks)
    .where(_THIS, tasks.c.status == TaskStatus.IN_PROGRESS.value)
    .values(progress=bindparam("counters"))
)
_ALL_BACK = _BACK.where(tasks.c.id.in_(bindparam("these", expanding=True)))
_UNDER_WAY = (
    select(tasks.c.id, tasks.c.attempts, tasks.c.cancel_requested)
    .where(tasks.c.status == TaskStatus.IN_PROGRESS.value)
    .order_by(tasks.c.id)
)
_ABANDONED = _UNDER_WAY.where(orphaned(tasks.c.member_id)).with_for_update(key_share=True)
_LIVE = or_(*(tasks.c.status == it for it in LIVE))
_OF_MESSAGE = (
    select(tasks)
    .join(links, links.c.task_id == tasks.c.id)
    .where(links.c.message_id == bindparam("message"))
    .order_by(tasks.c.id)
)
_TASKS_OF, _OPEN_TASKS_OF = rapid.Statement(_OF_MESSAGE), rapid.Statement(_OF_MESSAGE.where(_LIVE))
_OTHERS = links.alias()
_SETTLED_BY = rapid.Statement(
    select(links.c.message_id).where(
        links.c.task_id == bindparam("task"),
        ~exists()
        .where(_OTHERS.c.message_id == links.c.message_id, tasks.c.id == _OTHERS.c.task_id, _LIVE)
        .correlate(links),
    )
)
_CHILDREN = select(tasks).where(tasks.c.id.in_(bindparam("new", expanding=True))).order_by(tasks.c.id)
_EXPEDITED = select(tasks.c.expedited).where(_THIS)
_TO_CANCEL = select(tasks.c.id).where(
    tasks.c.status == TaskStatus.IN_PROGRESS.value, tasks.c.cancel_requested.is_(True)
)
_WHETHER_TO_CANCEL = (
    select(tasks.c.cancel_requested)
    .where(_THIS, tasks.c.status == TaskStatus.IN_PROGRESS.value)
    .with_for_update(key_share=True)
)
_TAKEN_BACK = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "the order or visit was canceled meanwhile")
_CANCELED = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "canceled while forefetch was stopped")


def claim(connection: Connection, task_id: int, seen: dt.datetime | None) -> RetrieveTask | None:
    """SCHEDULED to IN_PROGRESS, one attempt more. ``seen``: only if it has not been updated since then."""
    terms = {"task": task_id, "seen": seen, "now": _now(), "member": member_of(connection)}
    rows = _CLAIM.run(connection, terms)
    return task(rows[0]) if rows else None


def note_progress(connection: Connection, counted: Mapping[int, SubOperations]) -> None:
    """How far the C-MOVEs of these tasks have come, as far as they are IN_PROGRESS."""
    connection.execute(
        _NOTE, [{"task": number, "counters": counters_text(it)} for number, it in counted.items()]
    )


def newest(connection: Connection) -> int:
    """The number of the newest task, 0 where there is none."""
    return connection.execute(select(func.max(tasks.c.id))).scalar() or 0


def finish(
    connection: Connection,
    task_id: int,
    outcome: Outcome,
    seen: dt.datetime | None,
    attempt: int | None = None,
) -> tuple[int, ...] | None:
    """To a final status; the messages all of whose tasks have ended now, None where it is not allowed, where
    the task has been updated since it was ``seen``, or where it is not that ``attempt`` that is under way.
    What was to be canceled meanwhile ends CANCELED unless it has arrived."""
    failed = not outcome.arrived and outcome.status is not TaskStatus.CANCELED
    if failed and connection.execute(_WHETHER_TO_CANCEL, {"task": task_id}).scalar():
        told = f"it was canceled meanwhile ({outcome.text})"
        outcome = replace(outcome, status=TaskStatus.CANCELED, cause=Cause.CANCELED, text=told, cure="")
    if not _end(connection, task_id, outcome, (), seen, attempt):
        if attempt is None or not _has_ended_so(connection, task_id, outcome, attempt):
            return None
        rely(connection)  # we did, and were not told so
    hold_messages(connection, [task_id])
    return _told(connection, settled_by(connection, task_id))


def _has_ended_so(connection: Connection, task_id: int, outcome: Outcome, attempt: int) -> bool:
    row = connection.execute(select(tasks.c.attempts, tasks.c.outcome).where(_THIS), {"task": task_id}).one()
    return (row.attempts, row.outcome) == (attempt, outcome_text(outcome))


def settled_by(connection: Connection, task_id: int) -> tuple[int, ...]:
    """The messages of a task all of whose tasks have ended."""
    return tuple(row.message_id for row in _SETTLED_BY.run(connection, {"task": task_id}))


def _told(connection: Connection, messages: Sequence[int]) -> tuple[int, ...]:
    """A place came free, and something has changed for these messages."""
    news.tell(connection, work=True, messages=messages)
    return tuple(messages)


def resolve(
    connection: Connection,
    task_id: int,
    attempt: int | None,
    outcome: Outcome,
    choices: Sequence[Choice],
    found: Sequence[RetrieveRequest],
) -> tuple[list[RetrieveTask], tuple[int, ...]] | None:
    """End a question and add what it found, as far as no other task of its messages brings it; CANCELED and
    without children where it was taken back while it was asked."""
    if connection.execute(_WHETHER_TO_CANCEL, {"task": task_id}).scalar():
        outcome, choices, found = _TAKEN_BACK, (), ()
    if not _end(connection, task_id, outcome, choices, attempt=attempt):
        return None
    hold_messages(connection, [task_id])
    messages = messages_of(connection, task_id)
    wanted = []
    for message_id in messages:
        moves = [other.request for other in tasks_of(connection, message_id) if other.is_move]
        wanted += [(message_id, request) for request in uncovered(moves, found)]
    locks.hold(connection, keys(request for _, request in wanted))
    new = attach(connection, wanted, _now(), parent_id=task_id).new
    if new and connection.execute(_EXPEDITED, {"task": task_id}).scalar():
        found_by_it = tasks.c.id.in_(new)  # who expedites a question means its studies
        connection.execute(update(tasks).where(found_by_it).values(expedited=True))
    children = [task(row) for row in connection.execute(_CHILDREN, {"new": new})]
    return children, _told(connection, settled(connection, messages))


def release(
    connection: Connection, task_id: int, attempt: int | None, reason: str, due: dt.datetime | None
) -> bool:
    """IN_PROGRESS back to SCHEDULED: the attempt does not count as a failure. ``due``: not before. False
    where it is to be canceled, or is not IN_PROGRESS, or by another ``attempt``."""
    terms = {"task": task_id, "attempt": attempt, "why": reason, "due": due, "now": _now()}
    released = connection.execute(_RELEASE, terms).rowcount > 0
    if released:
        _told(connection, ())
    return released


def reschedule(
    connection: Connection,
    task_id: int,
    attempt: int | None,
    outcome: Outcome,
    due: dt.datetime,
    reason: str,
    missing: Sequence[str],
) -> list[int] | None:
    """IN_PROGRESS back to SCHEDULED after an attempt that failed, for another one at ``due``; the messages
    that wait for it. None where it is to be canceled, or is not IN_PROGRESS, or by another ``attempt``."""
    now = _now()
    terms = {
        "task": task_id,
        "attempt": attempt,
        "why": reason,
        "due": due,
        "parts": texts(missing),
        "now": now,
    }
    if connection.execute(_AGAIN, terms).one_or_none() is None:
        return None
    tell(connection, task_id, Event.ATTEMPT_FAILED, reason, outcome)
    return list(_told(connection, messages_of(connection, task_id)))


def recover(connection: Connection) -> int:
    """For a start: what is IN_PROGRESS by nobody who is alive back to SCHEDULED, or to its end if it was to
    be canceled; how many are back. What a closed gate holds or delays may try again."""
    forget_gates(connection, _now(), alone=is_alone(connection))
    return len(_give_back(connection, INTERRUPTED))


def take_over(connection: Connection, lost: Collection[int]) -> list[int]:
    """The same while others work: these engines are taken for dead, and what they, or others that are not
    alive, had under way goes on, tasks and letters. The tasks that are SCHEDULED again."""
    lose(connection, lost)
    outbox.free(connection)
    return _give_back(connection, TAKEN_OVER)


def _give_back(connection: Connection, why: str) -> list[int]:
    """Those that are SCHEDULED again; others have ended CANCELED."""
    found = connection.execute(_ABANDONED).all()
    back = [row.id for row in found if not row.cancel_requested]
    ended = [row.id for row in found if row.cancel_requested]
    for number in ended:
        _end(connection, number, _CANCELED, ())
    hold_messages(connection, ended)
    if back:
        connection.execute(_ALL_BACK, {"these": back, "why": why, "now": _now()})
    if found:
        _told(connection, [message for number in ended for message in messages_of(connection, number)])
    return back


def strays(connection: Connection) -> list[tuple[int, int]]:
    """The tasks that are under way in this engine's name, each with its attempt."""
    mine = tasks.c.member_id == member_of(connection)
    return [(row.id, row.attempts) for row in connection.execute(_UNDER_WAY.where(mine))]


def to_cancel(connection: Connection) -> list[int]:
    """Tasks that are IN_PROGRESS and that nobody wants any more."""
    return list(connection.execute(_TO_CANCEL).scalars())


def tasks_of(connection: Connection, message_id: int | None) -> list[RetrieveTask]:
    """The tasks of a message, oldest first; none for no message."""
    return [task(row) for row in _TASKS_OF.run(connection, {"message": message_id})]


def open_tasks_of(connection: Connection, message_id: int) -> list[RetrieveTask]:
    """Those that have not ended."""
    return [task(row) for row in _OPEN_TASKS_OF.run(connection, {"message": message_id})]


def _end(
    connection: Connection,
    task_id: int,
    outcome: Outcome,
    choices: Sequence[Choice],
    seen: dt.datetime | None = None,
    attempt: int | None = None,
) -> bool:
    """Write the outcome if the task may become so. In one statement: nothing can come between."""
    if not outcome.status.final:
        return False
    row = end_row(outcome, _now(), choices)
    terms = {f"new_{name}": row[name] for name in END_COLUMNS}
    terms |= {"task": task_id, "seen": seen, "attempt": attempt, "counted": row.get("instances")}
    return bool(_END[outcome.status].run(connection, terms))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
