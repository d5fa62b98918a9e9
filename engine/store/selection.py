"""Which tasks are meant: those for which everything that is given holds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, func, or_, select

from engine.retrieve.outcome import Cause, TaskStatus
from engine.store.schema import links, messages, occasions, tasks


@dataclass(frozen=True, slots=True)
class Selection:
    """Tasks of one of these ``statuses``, ended for one of these ``causes``, held by one of these ``gates``
    (empty: any), that this message waits for, of this route, archive and destination (names of routes.yaml),
    changed ``since`` (aware); ``without`` these causes. Of this ``study`` (its UID), this ``patient`` (an ID,
    with or without ``^`` and its authority), this ``order`` (the number of the placer or filler, or of a
    visit); ``asked_by`` one of these messages, or one with this ``control_id``; made from ``made_since`` on,
    and before ``made_until``."""

    statuses: tuple[TaskStatus, ...] = ()
    causes: tuple[Cause, ...] = ()
    gates: tuple[str, ...] = ()
    message_id: int | None = None
    route: str | None = None
    archive: str | None = None
    destination: str | None = None
    since: dt.datetime | None = None
    without: tuple[Cause, ...] = ()
    study: str | None = None
    patient: str | None = None
    order: str | None = None
    asked_by: tuple[int, ...] | None = None
    control_id: str | None = None
    made_since: dt.datetime | None = None
    made_until: dt.datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        """For the WHERE of a query on `tasks`."""
        if self.statuses:
            yield tasks.c.status.in_([status.value for status in self.statuses])
        if self.causes:
            yield tasks.c.cause.in_([cause.value for cause in self.causes])
        if self.without:
            yield tasks.c.cause.not_in([cause.value for cause in self.without])
        if self.gates:
            yield tasks.c.gate.in_(self.gates)
        if self.message_id is not None:
            yield tasks.c.id.in_(select(links.c.task_id).where(links.c.message_id == self.message_id))
        if self.route is not None:
            yield tasks.c.routes.contains(json.dumps(self.route, ensure_ascii=False), autoescape=True)
        if self.archive is not None:
            yield tasks.c.archive == self.archive
        if self.destination is not None:
            yield tasks.c.destination == self.destination
        if self.since is not None:
            yield tasks.c.updated_at >= self.since
        yield from self._of_whom()
        if self.made_since is not None:
            yield tasks.c.created_at >= self.made_since
        if self.made_until is not None:
            yield tasks.c.created_at < self.made_until

    def _of_whom(self) -> Iterator[ColumnElement[bool]]:
        """What the task or its messages say of the study, the patient and the order."""
        if self.study is not None:
            yield tasks.c.study_uid == self.study
        if self.patient is not None:
            yield begins_with_part(tasks.c.patient, self.patient, "^")
        if self.asked_by is not None:
            asked = select(links.c.task_id).where(links.c.message_id.in_(self.asked_by))
            yield tasks.c.id.in_(asked)
        if self.order is not None:
            named = or_(occasions.c.number == self.order, occasions.c.other == self.order)
            asking = select(occasions.c.message_id).where(named)
            yield tasks.c.id.in_(select(links.c.task_id).where(links.c.message_id.in_(asking)))
        if self.control_id is not None:
            asking = select(messages.c.id).where(messages.c.control_id == self.control_id)
            yield tasks.c.id.in_(select(links.c.task_id).where(links.c.message_id.in_(asking)))


def begins_with_part(column: Column[str], text: str, separator: str) -> ColumnElement[bool]:
    """It is this text, or this text and, after a separator, more."""
    part = text + separator
    return or_(column == text, func.substr(column, 1, len(part)) == part)


EVERY = Selection()
