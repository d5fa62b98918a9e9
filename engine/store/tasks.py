"""Operations on retrieve tasks. A status changes only as `TRANSITIONS` allows, whoever comes late."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Boolean, Connection, Integer, and_, bindparam, func, or_, select, update

from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus
from engine.retrieve.plan import uncovered
from engine.retrieve.task import TRANSITIONS, Choice, Priority, RetrieveRequest, RetrieveTask
from engine.store.gates import AS_SEEN, forget_gates
from engine.store.links import attach, messages_of, settled
from engine.store.rows import all_texts, counters_text, end_row, task, texts
from engine.store.schema import links, tasks
from engine.store.story import Event, tell

_MAY_BECOME = {
    later: [earlier.value for earlier in TaskStatus if later in TRANSITIONS[earlier]] for later in TaskStatus
}
INTERRUPTED = "interrupted by a stop; will be tried again"


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


_THIS = tasks.c.id == bindparam("task")
_WAITING = (
    select(tasks)
    .where(
        tasks.c.status == TaskStatus.SCHEDULED.value,
        tasks.c.archive == bindparam("archive"),
        tasks.c.priority == bindparam("priority"),
        tasks.c.due_at <= bindparam("now"),
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
    .order_by(tasks.c.due_at, tasks.c.id)
    .limit(bindparam("limit", type_=Integer))
)
_NEWER = (
    select(tasks)
    .where(tasks.c.id > bindparam("after"))
    .order_by(tasks.c.id)
    .limit(bindparam("limit", type_=Integer))
)
_NEXT_ARCHIVE = select(func.min(tasks.c.archive)).where(
    tasks.c.status == TaskStatus.SCHEDULED.value, tasks.c.archive > bindparam("last")
)
_NEXT_DUE = select(func.min(tasks.c.due_at)).where(
    tasks.c.status == TaskStatus.SCHEDULED.value,
    tasks.c.archive == bindparam("archive"),
    tasks.c.priority == bindparam("priority"),
    tasks.c.due_at > bindparam("now"),
)
_CLAIM = (
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
    )
    .returning(tasks)
)
_END = (
    update(tasks)
    .where(_THIS, AS_SEEN, tasks.c.status.in_(bindparam("earlier", expanding=True)))
    .returning(tasks.c.id)
)
_BACK = (
    update(tasks)
    .where(tasks.c.status == TaskStatus.IN_PROGRESS.value, tasks.c.cancel_requested.is_(False))
    .values(status=TaskStatus.SCHEDULED.value, reason=bindparam("why"), updated_at=bindparam("now"))
)
_RELEASE = _BACK.where(_THIS).values(due_at=func.coalesce(bindparam("due"), tasks.c.due_at))
_AGAIN = _RELEASE.values(failures=tasks.c.failures + 1, missing=bindparam("parts")).returning(tasks.c.id)
_NOTE = (
    update(tasks)
    .where(_THIS, tasks.c.status == TaskStatus.IN_PROGRESS.value)
    .values(progress=bindparam("counters"))
)
_TASKS_OF = (
    select(tasks)
    .join(links, links.c.task_id == tasks.c.id)
    .where(links.c.message_id == bindparam("message"))
    .order_by(tasks.c.id)
)
_CHILDREN = select(tasks).where(tasks.c.id.in_(bindparam("new", expanding=True))).order_by(tasks.c.id)
_EXPEDITED = select(tasks.c.expedited).where(_THIS)
_TO_CANCEL = select(tasks.c.id).where(
    tasks.c.status == TaskStatus.IN_PROGRESS.value, tasks.c.cancel_requested.is_(True)
)
_TAKEN_BACK = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "the order or visit was canceled meanwhile")
_CANCELED = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "canceled while forefetch was stopped")


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
    terms = {
        "archive": archive,
        "limit": limit,
        "now": due_by or _now(),
        "moves": sieve.moves,
        "unhurried": sieve.unhurried,
        "without": sorted(sieve.without),
        "slowed": sorted(sieve.slowed),
        "whoever": not sieve.only,
        "only": [all_texts([name]) for name in sorted(sieve.only)],
    }
    rows = [
        row
        for priority in Priority
        for row in connection.execute(_WAITING, {**terms, "priority": priority.value})
    ]
    rows.sort(key=lambda row: (row.due_at + row.priority * aging, row.id))
    return [task(row) for row in rows[:limit]]


def newer(connection: Connection, after: int, limit: int) -> list[RetrieveTask]:
    """The tasks that were added after one of this number, oldest first."""
    return [task(row) for row in connection.execute(_NEWER, {"after": after, "limit": limit})]


def waiting_archives(connection: Connection) -> set[str]:
    """The archives that have SCHEDULED tasks: one step in the index for each, however many wait."""
    found: list[str] = []
    while name := connection.execute(_NEXT_ARCHIVE, {"last": found[-1] if found else ""}).scalar():
        found.append(name)
    return set(found)


def claim(connection: Connection, task_id: int, seen: dt.datetime | None) -> RetrieveTask | None:
    """SCHEDULED to IN_PROGRESS, one attempt more. ``seen``: only if it has not been updated since then."""
    row = connection.execute(_CLAIM, {"task": task_id, "seen": seen, "now": _now()}).one_or_none()
    return None if row is None else task(row)


def note_progress(connection: Connection, counted: Mapping[int, SubOperations]) -> None:
    """How far the C-MOVEs of these tasks have come, as far as they are IN_PROGRESS."""
    connection.execute(
        _NOTE, [{"task": number, "counters": counters_text(it)} for number, it in counted.items()]
    )


def next_due(connection: Connection, archive: str) -> dt.datetime | None:
    """When the next task of an archive falls due that is not due yet."""
    terms = {"archive": archive, "now": _now()}
    each = (connection.execute(_NEXT_DUE, {**terms, "priority": it.value}).scalar() for it in Priority)
    return min((due for due in each if due is not None), default=None)


def newest(connection: Connection) -> int:
    """The number of the newest task, 0 where there is none."""
    return connection.execute(select(func.max(tasks.c.id))).scalar() or 0


def finish(
    connection: Connection, task_id: int, outcome: Outcome, seen: dt.datetime | None
) -> tuple[int, ...] | None:
    """To a final status; the messages all of whose tasks have ended now, None where it is not allowed, or
    where the task has been updated since it was ``seen``. What was to be canceled meanwhile ends CANCELED
    unless it has arrived."""
    failed = not outcome.arrived and outcome.status is not TaskStatus.CANCELED
    if failed and connection.execute(_TO_CANCEL.where(_THIS), {"task": task_id}).scalar() is not None:
        told = f"it was canceled meanwhile ({outcome.text})"
        outcome = replace(outcome, status=TaskStatus.CANCELED, cause=Cause.CANCELED, text=told, cure="")
    if not _end(connection, task_id, outcome, (), seen):
        return None
    return settled_by(connection, task_id)


def settled_by(connection: Connection, task_id: int) -> tuple[int, ...]:
    """The messages of a task all of whose tasks have ended."""
    return settled(connection, messages_of(connection, task_id))


def resolve(
    connection: Connection,
    task_id: int,
    outcome: Outcome,
    choices: Sequence[Choice],
    found: Sequence[RetrieveRequest],
) -> tuple[list[RetrieveTask], tuple[int, ...]] | None:
    """End a question and add what it found, as far as no other task of its messages brings it; CANCELED and
    without children where it was taken back while it was asked."""
    if connection.execute(_TO_CANCEL.where(_THIS), {"task": task_id}).scalar() is not None:
        outcome, choices, found = _TAKEN_BACK, (), ()
    if not _end(connection, task_id, outcome, choices):
        return None
    messages = messages_of(connection, task_id)
    wanted = []
    for message_id in messages:
        moves = [other.request for other in tasks_of(connection, message_id) if other.is_move]
        wanted += [(message_id, request) for request in uncovered(moves, found)]
    new = attach(connection, wanted, _now(), parent_id=task_id).new
    if new and connection.execute(_EXPEDITED, {"task": task_id}).scalar():
        found_by_it = tasks.c.id.in_(new)  # who expedites a question means its studies
        connection.execute(update(tasks).where(found_by_it).values(expedited=True))
    return [task(row) for row in connection.execute(_CHILDREN, {"new": new})], settled(connection, messages)


def release(connection: Connection, task_id: int, reason: str, due: dt.datetime | None) -> bool:
    """IN_PROGRESS back to SCHEDULED: the attempt does not count as a failure. ``due``: not before. False
    where it is to be canceled, or is not IN_PROGRESS."""
    terms = {"task": task_id, "why": reason, "due": due, "now": _now()}
    return connection.execute(_RELEASE, terms).rowcount > 0


def reschedule(
    connection: Connection,
    task_id: int,
    outcome: Outcome,
    due: dt.datetime,
    reason: str,
    missing: Sequence[str],
) -> list[int] | None:
    """IN_PROGRESS back to SCHEDULED after an attempt that failed, for another one at ``due``; the messages
    that wait for it. None where it is to be canceled, or is not IN_PROGRESS."""
    now = _now()
    terms = {"task": task_id, "why": reason, "due": due, "parts": texts(missing), "now": now}
    if connection.execute(_AGAIN, terms).one_or_none() is None:
        return None
    tell(connection, task_id, Event.ATTEMPT_FAILED, reason, outcome)
    return messages_of(connection, task_id)


def recover(connection: Connection) -> int:
    """For a start: what is IN_PROGRESS back to SCHEDULED, or to its end if it was to be canceled; how many.
    What a closed gate holds or delays may try again."""
    for task_id in connection.execute(_TO_CANCEL).scalars().all():
        _end(connection, task_id, _CANCELED, ())
    forget_gates(connection, _now())
    return connection.execute(_BACK, {"why": INTERRUPTED, "now": _now()}).rowcount


def to_cancel(connection: Connection) -> list[int]:
    """Tasks that are IN_PROGRESS and that nobody wants any more."""
    return list(connection.execute(_TO_CANCEL).scalars())


def tasks_of(connection: Connection, message_id: int | None) -> list[RetrieveTask]:
    """The tasks of a message, oldest first; none for no message."""
    return [task(row) for row in connection.execute(_TASKS_OF, {"message": message_id})]


def _end(
    connection: Connection,
    task_id: int,
    outcome: Outcome,
    choices: Sequence[Choice],
    seen: dt.datetime | None = None,
) -> bool:
    """Write the outcome if the task may become so. In one statement: nothing can come between."""
    if not outcome.status.final:
        return False
    terms = {"task": task_id, "earlier": _MAY_BECOME[outcome.status], "seen": seen}
    return connection.execute(_END.values(end_row(outcome, _now(), choices)), terms).one_or_none() is not None


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
