"""Operations on retrieve tasks. A status changes only as `TRANSITIONS` allows, whoever comes late."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, func, insert, select, update

from engine.retrieve.outcome import Outcome, TaskStatus
from engine.retrieve.plan import uncovered
from engine.retrieve.task import TRANSITIONS, Choice, Priority, RetrieveRequest, RetrieveTask
from engine.store.rows import end_row, task, task_row
from engine.store.schema import tasks

_FINAL = [status.value for status in TaskStatus if status.final]
_MAY_BECOME = {
    later: [earlier.value for earlier in TaskStatus if later in TRANSITIONS[earlier]] for later in TaskStatus
}
_URGENCY = (Priority.HIGH, Priority.MEDIUM, Priority.LOW)
INTERRUPTED = "interrupted by a stop; will be tried again"

_THIS = tasks.c.id == bindparam("task")
_WAITING = (
    select(tasks)
    .where(
        tasks.c.status == TaskStatus.SCHEDULED.value,
        tasks.c.archive == bindparam("archive"),
        tasks.c.priority == bindparam("priority"),
    )
    .order_by(tasks.c.id)
    .limit(bindparam("limit", type_=Integer))
)
_WAITING_ARCHIVES = select(tasks.c.archive).distinct().where(tasks.c.status == TaskStatus.SCHEDULED.value)
_CLAIM = (
    update(tasks)
    .where(_THIS, tasks.c.status == TaskStatus.SCHEDULED.value)
    .values(
        status=TaskStatus.IN_PROGRESS.value,
        attempts=tasks.c.attempts + 1,
        reason="",
        updated_at=bindparam("now"),
    )
    .returning(tasks)
)
_END = (
    update(tasks)
    .where(_THIS, tasks.c.status.in_(bindparam("earlier", expanding=True)))
    .returning(tasks.c.message_id)
)
_BACK = (
    update(tasks)
    .where(tasks.c.status == TaskStatus.IN_PROGRESS.value)
    .values(status=TaskStatus.SCHEDULED.value, reason=bindparam("why"), updated_at=bindparam("now"))
)
_RELEASE = _BACK.where(_THIS)
_HOLD_REASON = (
    update(tasks)
    .where(
        _THIS,
        tasks.c.status.in_([TaskStatus.SCHEDULED.value, TaskStatus.HELD.value]),
        tasks.c.reason != bindparam("why"),
    )
    .values(reason=bindparam("why"), updated_at=bindparam("now"))
)
_TASKS_OF = select(tasks).where(tasks.c.message_id == bindparam("message")).order_by(tasks.c.id)
_UNSETTLED = (
    select(func.count())
    .select_from(tasks)
    .where(tasks.c.message_id == bindparam("message"), tasks.c.status.not_in(_FINAL))
)
_ADD = insert(tasks).returning(tasks)


def waiting(connection: Connection, archive: str, limit: int) -> list[RetrieveTask]:
    """SCHEDULED tasks of an archive, the most urgent first and then the oldest."""
    found: list[RetrieveTask] = []
    for priority in _URGENCY:
        terms = {"archive": archive, "priority": priority.value, "limit": limit - len(found)}
        found += [task(row) for row in connection.execute(_WAITING, terms)]
        if len(found) == limit:
            break
    return found


def waiting_archives(connection: Connection) -> set[str]:
    """The archives that have SCHEDULED tasks."""
    return set(connection.execute(_WAITING_ARCHIVES).scalars())


def claim(connection: Connection, task_id: int) -> RetrieveTask | None:
    """SCHEDULED to IN_PROGRESS, one attempt more."""
    row = connection.execute(_CLAIM, {"task": task_id, "now": _now()}).one_or_none()
    return None if row is None else task(row)


def finish(connection: Connection, task_id: int, outcome: Outcome) -> int | None:
    """To a final status; how many tasks of the message are still to end, None where it is not allowed."""
    ended = _end(connection, task_id, outcome, ())
    return None if ended is None else _unsettled(connection, ended.message_id)


def resolve(
    connection: Connection,
    task_id: int,
    outcome: Outcome,
    choices: Sequence[Choice],
    found: Sequence[RetrieveRequest],
) -> tuple[list[RetrieveTask], int] | None:
    """End a question and add what it found, as far as no other task of the message brings it."""
    ended = _end(connection, task_id, outcome, choices)
    if ended is None:
        return None
    message_id = ended.message_id
    moves = [other.request for other in tasks_of(connection, message_id) if other.is_move]
    now = _now()
    rows = [
        task_row(request, now, message_id=message_id, parent_id=task_id)
        for request in uncovered(moves, found)
    ]
    children = [task(row) for row in connection.execute(_ADD, rows)] if rows else []
    children.sort(key=lambda child: child.id)
    return children, _unsettled(connection, message_id)


def release(connection: Connection, task_id: int, reason: str) -> None:
    """IN_PROGRESS back to SCHEDULED."""
    connection.execute(_RELEASE, {"task": task_id, "why": reason, "now": _now()})


def hold_reason(connection: Connection, task_id: int, reason: str) -> None:
    """Note why a task waits; writes nothing where that is known."""
    connection.execute(_HOLD_REASON, {"task": task_id, "why": reason, "now": _now()})


def recover(connection: Connection) -> int:
    """Everything that is IN_PROGRESS back to SCHEDULED; how many."""
    return connection.execute(_BACK, {"why": INTERRUPTED, "now": _now()}).rowcount


def tasks_of(connection: Connection, message_id: int | None) -> list[RetrieveTask]:
    """The tasks of a message, oldest first; none for no message."""
    return [task(row) for row in connection.execute(_TASKS_OF, {"message": message_id})]


def _end(
    connection: Connection, task_id: int, outcome: Outcome, choices: Sequence[Choice]
) -> Row[Any] | None:
    """Write the outcome if the task may become so. In one statement: nothing can come between."""
    if not outcome.status.final:
        return None
    terms = {"task": task_id, "earlier": _MAY_BECOME[outcome.status]}
    return connection.execute(_END.values(end_row(outcome, _now(), choices)), terms).one_or_none()


def _unsettled(connection: Connection, message_id: int | None) -> int:
    return connection.execute(_UNSETTLED, {"message": message_id}).scalar_one()


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
