"""Which tasks are meant: those for which everything that is given holds."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from engine.retrieve.outcome import Cause, TaskStatus
from engine.store.schema import links, tasks


@dataclass(frozen=True, slots=True)
class Selection:
    """Tasks of one of these ``statuses``, ended for one of these ``causes``, held by one of these ``gates``
    (empty: any), that this message waits for, of this route, archive and destination (names of routes.yaml),
    changed ``since`` (aware); ``without`` these causes."""

    statuses: tuple[TaskStatus, ...] = ()
    causes: tuple[Cause, ...] = ()
    gates: tuple[str, ...] = ()
    message_id: int | None = None
    route: str | None = None
    archive: str | None = None
    destination: str | None = None
    since: dt.datetime | None = None
    without: tuple[Cause, ...] = ()

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


EVERY = Selection()
