"""Looking through a journal page by page, newest first, also while `forefetch serve` writes it.

Whose messages are and what they order stands in their bytes alone: these are read for the newest of them, and
older ones are found by the tasks that they led to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, select

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store.reader import list_tasks, reading
from engine.store.rows import task
from engine.store.schema import links, messages, tasks
from engine.store.selection import Selection, begins_with_part
from engine.store.sought import Sought
from engine.store.times import numbers_between

MOST_ROWS = 200_000
"""Messages of which one call looks at the columns."""
MOST_READ = 20_000
"""Messages of which one call reads the bytes."""
_MOST_ASKING = 500  # messages that name one accession number

_COLUMNS = (
    messages.c.id,
    messages.c.received_at,
    messages.c.peer,
    messages.c.sending_application,
    messages.c.sending_facility,
    messages.c.control_id,
    messages.c.message_type,
    messages.c.ack_code,
    messages.c.acked_at,
    func.length(messages.c.raw).label("size"),
)


class MessageFilter(NamedTuple):
    """Messages that came ``since``, and before ``until`` (aware); whose MSH-9 is this (``ORM`` is any
    ``ORM^…``), whose MSH-3 and MSH-4 are these or begin with this component, with this MSH-10; that name
    this patient ID or this accession number; answered with this code of MSA-1; from this host, or host and
    port. Empty: any."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None
    message_type: str = ""
    application: str = ""
    facility: str = ""
    control_id: str = ""
    patient: str = ""
    accession: str = ""
    ack_code: str = ""
    peer: str = ""


class MessageRow(NamedTuple):
    """A message in a list. ``ack_code`` is empty while it has no (application) acknowledgment; ``size`` is in
    bytes."""

    id: int
    received_at: dt.datetime
    peer: str
    application: str
    facility: str
    control_id: str
    message_type: str
    ack_code: str
    acked_at: dt.datetime | None
    size: int


class Found(NamedTuple):
    """A page of messages. ``looked_to``: the number of the oldest message that was looked at, where there may
    be more behind it: ask for those ``before`` it, and not before the last row. Of those, some that led to
    tasks are told already."""

    rows: list[MessageRow]
    looked_to: int | None = None


class Kept(NamedTuple):
    """A message with all that is kept of it. ``decision`` is the explanation, as JSON; ``tasks`` are those
    that it waits for, oldest first."""

    row: MessageRow
    raw: bytes
    decision: str
    ack: bytes | None
    accept_ack: bytes | None
    tasks: tuple[RetrieveTask, ...]


class TaskFilter(NamedTuple):
    """Tasks as of `Selection`, made ``since`` and before ``until`` (aware); ``order``: the number of its
    placer or filler, or of a visit. ``accession`` is looked for in their messages. Empty: any."""

    statuses: tuple[TaskStatus, ...] = ()
    route: str = ""
    archive: str = ""
    destination: str = ""
    study: str = ""
    patient: str = ""
    order: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    accession: str = ""
    control_id: str = ""


def browse_messages(
    where: str | Path, filter: MessageFilter, *, before: int | None = None, limit: int = 50
) -> list[MessageRow]:
    """The newest messages of a filter, newest first; of those with a number less than ``before``. Blocks.

    StoreError: there is no such file, or it is no journal that this version can read.
    """
    return search_messages(where, filter, before=before, limit=limit).rows


def search_messages(
    where: str | Path, filter: MessageFilter, *, before: int | None = None, limit: int = 50
) -> Found:
    """The same, and how far it has looked."""
    sought = Sought(filter.patient, filter.accession)
    with reading(where) as connection:
        first, end = numbers_between(connection, filter.since, filter.until)
        end = end if before is None else min(end, before)
        query = select(*_COLUMNS).where(messages.c.id < end, *_conditions(filter))
        query = query.order_by(messages.c.id.desc())
        floor = max(first, end - (MOST_READ if any(sought) else MOST_ROWS))
        window = query.where(messages.c.id >= floor)
        if any(sought):
            led = sought.led_to_tasks()
            older = query.where(messages.c.id >= first, messages.c.id < floor, led)
            rows = list(_read(connection, window.where(sought.candidates()), sought, led, limit))
            more = list(_read(connection, older, sought, led, limit - len(rows)))
        else:
            rows, more = [_row(row) for row in connection.execute(window.limit(limit))], []
    return Found(rows + more, floor if len(rows) < limit and floor > first else None)


def browse_tasks(
    where: str | Path, filter: TaskFilter, *, before: int | None = None, limit: int = 50
) -> list[RetrieveTask]:
    """The newest tasks of a filter, newest first; of those with a number less than ``before``. Blocks.
    StoreError as for `browse_messages`."""
    return list_tasks(where, selected_by(where, filter), before=before, limit=limit)


def selected_by(where: str | Path, filter: TaskFilter) -> Selection:
    """What a filter selects, for all that asks for a selection. StoreError as for `browse_messages`."""
    asking = None
    if filter.accession:
        named = MessageFilter(accession=filter.accession)
        asking = tuple(row.id for row in browse_messages(where, named, limit=_MOST_ASKING))
    return Selection(
        statuses=filter.statuses,
        route=filter.route or None,
        archive=filter.archive or None,
        destination=filter.destination or None,
        study=filter.study or None,
        patient=filter.patient or None,
        order=filter.order or None,
        asked_by=asking,
        control_id=filter.control_id or None,
        made_since=filter.since,
        made_until=filter.until,
    )


def kept_message(where: str | Path, id: int) -> Kept | None:
    """A message; None where there is none with this number. StoreError as for `browse_messages`."""
    more = (messages.c.raw, messages.c.decision, messages.c.ack, messages.c.accept_ack)
    its_tasks = select(tasks).join(links, links.c.task_id == tasks.c.id).where(links.c.message_id == id)
    with reading(where) as connection:
        row = connection.execute(select(*_COLUMNS, *more).where(messages.c.id == id)).one_or_none()
        if row is None:
            return None
        found = tuple(task(it) for it in connection.execute(its_tasks.order_by(tasks.c.id)))
    return Kept(_row(row), row.raw, row.decision, row.ack, row.accept_ack, found)


def _row(row: Any) -> MessageRow:
    return MessageRow(
        row.id,
        row.received_at,
        row.peer,
        row.sending_application,
        row.sending_facility,
        row.control_id,
        row.message_type,
        row.ack_code or "",
        row.acked_at,
        row.size,
    )


def _conditions(filter: MessageFilter) -> Iterator[ColumnElement[bool]]:
    """What the columns say."""
    c = messages.c
    if filter.since is not None:
        yield c.received_at >= filter.since
    if filter.until is not None:
        yield c.received_at < filter.until
    for column, value in ((c.control_id, filter.control_id), (c.ack_code, filter.ack_code)):
        if value:
            yield column == value
    for column, value, separator in (
        (c.message_type, filter.message_type, "^"),
        (c.sending_application, filter.application, "^"),
        (c.sending_facility, filter.facility, "^"),
        (c.peer, filter.peer, ":"),
    ):
        if value:
            yield begins_with_part(column, value, separator)


def _read(
    connection: Connection, query: Select[Any], sought: Sought, known: ColumnElement[bool], limit: int
) -> Iterator[MessageRow]:
    """Those that name what is sought; of what cannot be read, those that are ``known`` to."""
    read = query.add_columns(messages.c.raw, known.label("known"))
    if not limit:
        return
    with connection.execution_options(yield_per=100).execute(read) as rows:
        for row in rows:
            named = sought.stands_in(row.raw)
            if row.known if named is None else named:
                limit -= 1
                yield _row(row)
                if not limit:
                    return
