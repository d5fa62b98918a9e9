"""Orders and visits in the journal: what is taken back with them, and patients that were merged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import PriorsOfPatient
from engine.routing.meaning import Merge, Occasion, PatientIdentifier
from engine.store.links import LIVE
from engine.store.rows import end_row, selector_text, task
from engine.store.schema import links, merges, occasions, tasks

_NAMED = select(occasions).where(
    occasions.c.withdrawn_at.is_(None),
    occasions.c.kind == bindparam("kind"),
    occasions.c.message_id != bindparam("message"),
    or_(
        (occasions.c.number == bindparam("number")) & (occasions.c.number != ""),
        (occasions.c.other == bindparam("other")) & (occasions.c.other != ""),
    ),
)
_WITHDRAW = (
    update(occasions)
    .where(occasions.c.id.in_(bindparam("ids", expanding=True)))
    .values(withdrawn_at=bindparam("now"))
)
_STANDING = select(occasions.c.message_id).where(
    occasions.c.message_id.in_(bindparam("messages", expanding=True)), occasions.c.withdrawn_at.is_(None)
)
_LIVE_TASKS = (
    select(tasks)
    .distinct()
    .join(links, links.c.task_id == tasks.c.id)
    .where(links.c.message_id.in_(bindparam("messages", expanding=True)), tasks.c.status.in_(LIVE))
)
_LINKED = select(links.c.message_id).where(links.c.task_id == bindparam("task"))
_WITHDRAWN_MESSAGES = select(occasions.c.message_id).where(
    occasions.c.message_id.in_(bindparam("messages", expanding=True)), occasions.c.withdrawn_at.is_not(None)
)
_REQUEST_CANCEL = (
    update(tasks)
    .where(tasks.c.id == bindparam("task"))
    .values(cancel_requested=True, updated_at=bindparam("now"))
)
_CANCELED = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "the order or visit was canceled")


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The tasks that ended CANCELED by it, and those under way that have to be canceled on the wire."""

    canceled: tuple[int, ...] = ()
    running: tuple[int, ...] = ()


NOTHING_WITHDRAWN = Withdrawn()


def keep(connection: Connection, message_id: int, named: Sequence[Occasion]) -> None:
    """Remember what a message's tasks are for."""
    if named:
        connection.execute(
            insert(occasions),
            [
                {"message_id": message_id, "kind": it.kind, "number": it.number, "other": it.other}
                for it in named
            ],
        )


def withdraw(
    connection: Connection, message_id: int, named: Sequence[Occasion], now: dt.datetime
) -> Withdrawn:
    """Take back what earlier messages asked for on these occasions. A task stays while a message waits for
    it one of whose occasions still stands, or that has none."""
    found = [row for it in named for row in _rows_named(connection, message_id, it)]
    if not found:
        return NOTHING_WITHDRAWN
    connection.execute(_WITHDRAW, {"ids": [row_id for row_id, _ in found], "now": now})
    affected = sorted({of_message for _, of_message in found})
    standing = set(connection.execute(_STANDING, {"messages": affected}).scalars())
    gone = [it for it in affected if it not in standing]
    canceled, running = [], []
    for row in connection.execute(_LIVE_TASKS, {"messages": gone}).all() if gone else ():
        if not _wholly_withdrawn(connection, row.id):
            continue
        if row.status == TaskStatus.IN_PROGRESS.value:
            connection.execute(_REQUEST_CANCEL, {"task": row.id, "now": now})
            running.append(row.id)
        else:
            connection.execute(update(tasks).where(tasks.c.id == row.id).values(end_row(_CANCELED, now)))
            canceled.append(row.id)
    return Withdrawn(tuple(canceled), tuple(running))


def _rows_named(connection: Connection, message_id: int, occasion: Occasion) -> Iterable[tuple[int, int]]:
    terms = {"kind": occasion.kind, "message": message_id, "number": occasion.number, "other": occasion.other}
    for row in connection.execute(_NAMED, terms):
        if Occasion(row.kind, row.number, row.other).same_as(occasion):
            yield row.id, row.message_id


def _wholly_withdrawn(connection: Connection, task_id: int) -> bool:
    waiting = set(connection.execute(_LINKED, {"task": task_id}).scalars())
    withdrawn = set(connection.execute(_WITHDRAWN_MESSAGES, {"messages": sorted(waiting)}).scalars())
    standing = set(connection.execute(_STANDING, {"messages": sorted(waiting)}).scalars())
    return waiting <= withdrawn - standing


def merge(connection: Connection, message_id: int, pairs: Sequence[Merge], now: dt.datetime) -> int:
    """Remember that identifiers are one patient, and give waiting searches the surviving one. How many."""
    for pair in pairs:
        values = {"message_id": message_id, "old_id": pair.old.id, "new_id": pair.new.id}
        connection.execute(insert(merges), {**values, "authority": pair.old.authority})
    waiting = select(tasks).where(
        tasks.c.status.in_([TaskStatus.SCHEDULED.value, TaskStatus.HELD.value]), tasks.c.kind == "priors"
    )
    changed = 0
    for row in connection.execute(waiting).all() if pairs else ():
        selector = task(row).request.selector
        new = _surviving(selector, pairs) if isinstance(selector, PriorsOfPatient) else None
        if new is not None:
            rekeyed = {"selector": selector_text(new), "updated_at": now}
            connection.execute(update(tasks).where(tasks.c.id == row.id).values(rekeyed))
            changed += 1
    return changed


def _surviving(selector: PriorsOfPatient, pairs: Sequence[Merge]) -> PriorsOfPatient | None:
    own = PatientIdentifier(selector.patient_id, selector.authority)
    for pair in pairs:
        if _same(own, pair.old):
            return replace(selector, patient_id=pair.new.id)
    return None


def _same(one: PatientIdentifier, other: PatientIdentifier) -> bool:
    """Equal IDs; authorities equal, or one of them unknown."""
    return one.id == other.id and (
        one.authority == other.authority or not one.authority or not other.authority
    )


def identifiers(connection: Connection, patient_id: str, authority: str) -> tuple[str, ...]:
    """Every ID that merges have made one with this patient's, the given one first."""
    known = [PatientIdentifier(patient_id, authority)]
    for current in known:  # grows while it is walked
        query = select(merges).where(or_(merges.c.old_id == current.id, merges.c.new_id == current.id))
        for row in connection.execute(query):
            if not _same(current, PatientIdentifier(current.id, row.authority)):
                continue
            told = current.authority or row.authority  # a chain keeps to the authority it has met first
            both = (PatientIdentifier(row.old_id, told), PatientIdentifier(row.new_id, told))
            known += [it for it in both if it not in known]
    return tuple(dict.fromkeys(it.id for it in known))
