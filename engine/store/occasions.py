"""Orders and visits in the journal: what is taken back with them, and patients that were merged."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update

from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import PriorsOfPatient
from engine.routing.meaning import Merge, Number, Occasion, PatientIdentifier
from engine.store import locks, news, rapid
from engine.store.links import LIVE, hold_messages, messages_of
from engine.store.rows import end_row, selector_columns, task
from engine.store.schema import links, merges, occasions, tasks

_ADD = rapid.Insert(occasions, without=["id", "withdrawn_at"])
_NAMED = select(occasions).where(
    occasions.c.withdrawn_at.is_(None),
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
_LIVE_TASKS = (
    select(tasks)
    .where(
        tasks.c.id.in_(
            select(links.c.task_id).where(links.c.message_id.in_(bindparam("messages", expanding=True)))
        ),
        tasks.c.status.in_(LIVE),
    )
    .order_by(tasks.c.id)
    .with_for_update(key_share=True)
)
_NUMBERS = (
    select(occasions.c.number, occasions.c.other)
    .join(links, links.c.message_id == occasions.c.message_id)
    .where(links.c.task_id.in_(bindparam("tasks", expanding=True)))
)
_OF_MESSAGE = select(occasions.c.id).where(occasions.c.message_id == links.c.message_id)
_LINKED = select(links.c.task_id).where(links.c.task_id.in_(bindparam("tasks", expanding=True)))
_WANTED = _LINKED.where(
    or_(_OF_MESSAGE.where(occasions.c.withdrawn_at.is_(None)).exists(), ~_OF_MESSAGE.exists())
)
_REQUEST_CANCEL = (
    update(tasks)
    .where(tasks.c.id == bindparam("task"))
    .values(cancel_requested=True, updated_at=bindparam("now"))
)
_LATEST = (
    select(merges.c.new_id)
    .where(merges.c.old_id == bindparam("old"), merges.c.authority == bindparam("authority"))
    .order_by(merges.c.id.desc())
    .limit(1)
)
_INTO = select(merges.c.old_id).where(
    merges.c.new_id == bindparam("new"), merges.c.authority == bindparam("authority")
)
_CANCELED = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "the order or visit was canceled")


@dataclass(frozen=True, slots=True)
class Effect:
    """What a message has done to the tasks of earlier ones, in numbers: ended CANCELED, to be canceled on the
    wire, left alone since something else wants them too; and how many identifiers it has merged."""

    canceled: int = 0
    running: int = 0
    wanted: int = 0
    merged: int = 0


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """The tasks that ended CANCELED, those under way that have to be canceled on the wire, and those that
    stay since something else wants them too."""

    canceled: tuple[int, ...] = ()
    running: tuple[int, ...] = ()
    wanted: tuple[int, ...] = field(default=(), compare=False)


NOTHING_WITHDRAWN = Withdrawn()
NO_EFFECT = Effect()


def keys(named: Iterable[Occasion]) -> Iterator[tuple[str, str]]:
    """To be held (`locks.hold`) by who keeps or takes back what is wanted on these: messages of one order may
    come to several engines at once."""
    for occasion in named:
        for number in (occasion.number, occasion.other):
            if number.value:
                yield "occasion", number.value


def keys_of_tasks(connection: Connection, task_ids: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Those of what is wanted by the messages that wait for these tasks."""
    for row in connection.execute(_NUMBERS, {"tasks": list(task_ids)}):
        yield from (("occasion", number) for number in row if number)


def keep(connection: Connection, named: Iterable[tuple[int, Sequence[Occasion]]]) -> None:
    """Remember what messages' tasks are for."""
    _ADD.run(connection, [_row(message_id, it) for message_id, every in named for it in every])


def _row(message_id: int, occasion: Occasion) -> dict[str, object]:
    return {
        "message_id": message_id,
        "kind": occasion.kind,
        "number": occasion.number.value,
        "number_giver": occasion.number.giver,
        "other": occasion.other.value,
        "other_giver": occasion.other.giver,
        "patients": json.dumps(occasion.patients),
    }


def withdraw(
    connection: Connection,
    message_id: int,
    named: Sequence[Occasion],
    now: dt.datetime,
    outcome: Outcome = _CANCELED,
) -> Withdrawn:
    """Take back what earlier messages asked for on these occasions. A task stays while a message waits for
    it one of whose occasions still stands, or that has none. ``outcome``: of a task that had not begun. To be
    called by who holds the `keys` of the occasions."""
    found = [row for it in named for row in _rows_named(connection, message_id, it)]
    if not found:
        return NOTHING_WITHDRAWN
    connection.execute(_WITHDRAW, {"ids": [row_id for row_id, _ in found], "now": now})
    canceled, running, wanted = [], [], []
    rows = _live_tasks(connection, sorted({of_message for _, of_message in found}))
    unwanted = wholly_withdrawn(connection, [row.id for row in rows])
    for row in rows:
        if row.id not in unwanted:
            wanted.append(row.id)
        elif row.status == TaskStatus.IN_PROGRESS.value:
            connection.execute(_REQUEST_CANCEL, {"task": row.id, "now": now})
            running.append(row.id)
        else:
            connection.execute(update(tasks).where(tasks.c.id == row.id).values(end_row(outcome, now)))
            canceled.append(row.id)
    hold_messages(connection, canceled)
    if canceled or running:
        waiting = [it for number in canceled for it in messages_of(connection, number)]
        news.tell(connection, work=True, cancel=bool(running), messages=waiting)
    return Withdrawn(tuple(canceled), tuple(running), tuple(wanted))


def _live_tasks(connection: Connection, message_ids: Sequence[int]) -> Sequence[Row[Any]]:
    """Of these messages. One that has ended while it was waited for may have led to others."""
    rows = connection.execute(_LIVE_TASKS, {"messages": message_ids}).all()
    while locks.is_shared(connection):
        seen, rows = rows, connection.execute(_LIVE_TASKS, {"messages": message_ids}).all()
        if len(rows) == len(seen):
            break
    return rows


def _rows_named(connection: Connection, message_id: int, occasion: Occasion) -> Iterable[tuple[int, int]]:
    """The rows of the same order or visit, of a patient who may be the same."""
    terms = {"message": message_id, "number": occasion.number.value, "other": occasion.other.value}
    own = all_ids(connection, occasion.patients)
    for row in connection.execute(_NAMED, terms):
        number, other = Number(row.number, row.number_giver), Number(row.other, row.other_giver)
        theirs = set(json.loads(row.patients))
        if Occasion(row.kind, number, other).same_as(occasion) and not (
            own and theirs and own.isdisjoint(theirs)
        ):
            yield row.id, row.message_id


def all_ids(connection: Connection, patients: Sequence[str]) -> set[str]:
    """These IDs and those that were merged with them by whomever: here they only confirm a number."""
    known = list(patients)
    for current in known:  # grows while it is walked
        query = select(merges).where(or_(merges.c.old_id == current, merges.c.new_id == current))
        for row in connection.execute(query):
            known += [it for it in (row.old_id, row.new_id) if it not in known]
    return set(known)


def wholly_withdrawn(connection: Connection, task_ids: Sequence[int]) -> set[int]:
    """Those of these tasks that nobody wants any more: every occasion of every message that waits for them
    was taken back."""
    terms = {"tasks": list(task_ids)}
    linked = set(connection.execute(_LINKED, terms).scalars())
    return linked - set(connection.execute(_WANTED, terms).scalars())


def merge(connection: Connection, message_id: int, pairs: Sequence[Merge], now: dt.datetime) -> None:
    """Remember that identifiers are one patient, and give waiting searches the surviving one."""
    for pair in pairs:
        values = {"message_id": message_id, "old_id": pair.old.id, "new_id": pair.new.id}
        connection.execute(insert(merges), {**values, "authority": pair.old.authority})
        waiting = (
            select(tasks)
            .where(
                tasks.c.status.in_([TaskStatus.SCHEDULED.value, TaskStatus.HELD.value]),
                tasks.c.kind == "priors",
                tasks.c.selector.contains(json.dumps(pair.old.id, ensure_ascii=False), autoescape=True),
            )
            .order_by(tasks.c.id)
            .with_for_update(key_share=True)
        )
        for row in connection.execute(waiting).all():
            selector = task(row).request.selector
            if isinstance(selector, PriorsOfPatient) and pair.old == _patient(selector):
                rekeyed = selector_columns(replace(selector, patient_id=pair.new.id))
                values = {**rekeyed, "updated_at": now}
                connection.execute(update(tasks).where(tasks.c.id == row.id).values(values))


def _patient(selector: PriorsOfPatient) -> PatientIdentifier:
    return PatientIdentifier(selector.patient_id, selector.authority)


def identifiers(connection: Connection, patient_id: str, authority: str) -> tuple[str, ...]:
    """The given ID, and every other that merges of its authority have made the same patient's.

    An ID that was merged twice is the later patient's: an ID for unknown patients, used again and again,
    links nobody to anybody else.
    """
    survivor = _survivor(connection, patient_id, authority)
    known = [survivor]
    for current in known:  # grows while it is walked
        for old in connection.execute(_INTO, {"new": current, "authority": authority}).scalars():
            if old not in known and _survivor(connection, old, authority) == survivor:
                known.append(old)
    return tuple(dict.fromkeys([patient_id, *known]))


def _survivor(connection: Connection, patient_id: str, authority: str) -> str:
    """Whom the latest merges have made of an ID. Merges in a ring make one patient, whoever comes last."""
    seen = [patient_id]
    while True:
        terms = {"old": seen[-1], "authority": authority}
        new = connection.execute(_LATEST, terms).scalar()
        if new is None:
            return seen[-1]
        if new in seen:
            return min(seen[seen.index(new) :])
        seen.append(new)
