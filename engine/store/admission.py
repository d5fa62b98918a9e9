"""Letting tasks through where engines share a journal: what one has used up, every other one must see.

One transaction locks archive and destination, looks at what goes on there, asks the gates, and claims.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from engine.retrieve.gate import Closed, Open
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import locks
from engine.store.gates import Used, used
from engine.store.schema import tasks
from engine.store.tasks import claim
from engine.store.traffic import Node, Situation, pass_through, situation

Judge = Callable[[Situation, Used | None], Open | Closed]


@dataclass(frozen=True, slots=True)
class Applicant:
    """A task that may be let through. ``judge`` asks the gates, in the thread of the journal. ``since``:
    where budgets count, from when on; ``rated``: the archive or the destination has a rate; ``bounded``: the
    destination has a limit of some kind. Where it has none, nobody waits for what others do there."""

    task: RetrieveTask
    judge: Judge
    since: dt.datetime | None = None
    rated: bool = False
    bounded: bool = True


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """By this gate, in this situation."""

    verdict: Closed
    situation: Situation


def admit_all(
    connection: Connection, calls: Sequence[tuple[Applicant]]
) -> Sequence[RetrieveTask | TurnedAway | None]:
    """Each is claimed, or turned away; None: it is not SCHEDULED any more, has been changed since it was
    read, or another engine has it in hand at this moment."""
    locks.hold(connection, {key for (applicant,) in calls for key in _keys(applicant)})
    return [_admit(connection, applicant) for (applicant,) in calls]


def _keys(applicant: Applicant) -> Iterator[tuple[str, str]]:
    request = applicant.task.request
    yield "archive", request.archive
    if applicant.task.is_move and applicant.bounded:
        yield _destination(applicant)
    if applicant.since is not None:
        yield "budgets", ""  # of orders and patients, which no archive bounds


def _destination(applicant: Applicant) -> Node:
    return "destination", applicant.task.request.destination


def _admit(connection: Connection, applicant: Applicant) -> RetrieveTask | TurnedAway | None:
    task = applicant.task
    free = (
        select(tasks.c.id)
        .where(tasks.c.id == task.id, tasks.c.status == TaskStatus.SCHEDULED.value)
        .with_for_update(key_share=True, skip_locked=True)
    )
    if connection.execute(free).scalar() is None:
        return None
    now = situation(connection)
    if task.is_move and not applicant.bounded and _destination(applicant) in now.breakers:
        locks.hold(connection, [_destination(applicant)])  # one trial at a time
        now = situation(connection)
    spent = used(connection, task, applicant.since) if applicant.since is not None else None
    verdict = applicant.judge(now, spent)
    if isinstance(verdict, Closed):
        return TurnedAway(verdict, now)
    claimed = claim(connection, task.id, task.updated)
    if claimed is not None and applicant.rated and task.is_move and not verdict.dry_run:
        pass_through(connection, claimed, now)
    return claimed
