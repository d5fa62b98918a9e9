"""What goes on now, as far as the journal knows. All of it blocks: it is for threads."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.retrieve.gate import switch_on
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import Selection, Standing, count_tasks, list_tasks, standing
from engine.store.browse import MessageFilter, browse_messages
from engine.store.members import Member, members_of
from engine.waiting import Line, lines
from engine.web.office import Office

MOST_UNDER_WAY = 100
_MOST_FAILURES = 6


class Situation(NamedTuple):
    """``at``: now, in the zone of all times. ``waiting``: what tasks wait for and how many; ``failures``: the
    newest that did not arrive; ``last_message``: when the newest message came that is kept; ``engines``:
    those that share the journal."""

    at: dt.datetime
    switched_on: bool
    dry_run: bool
    counts: Mapping[TaskStatus, int]
    waiting: list[Line]
    standing: Standing
    under_way: list[RetrieveTask]
    failures: list[RetrieveTask]
    last_message: dt.datetime | None = None
    engines: Sequence[Member] = ()


def look(office: Office) -> Situation:
    """Read it. StoreError: the journal cannot be read."""
    path = office.journal
    failed = Selection(statuses=(TaskStatus.FAILED, TaskStatus.WARNING))
    under_way = Selection(statuses=(TaskStatus.IN_PROGRESS,))
    newest = browse_messages(path, MessageFilter(), limit=1)
    return Situation(
        at=dt.datetime.now(office.config.gate.zone),
        switched_on=switch_on(os.environ),
        dry_run=office.config.gate.dry_run,
        counts=count_tasks(path),
        waiting=lines(path, office.config, Selection()),
        standing=standing(path),
        under_way=list_tasks(path, under_way, limit=MOST_UNDER_WAY),
        failures=list_tasks(path, failed, limit=_MOST_FAILURES),
        last_message=newest[0].received_at if newest else None,
        engines=members_of(path),
    )
