"""Messages by the time at which they came. They are numbered in this order, so that a time has a number."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, func, select

from engine.store.schema import messages

_DISORDER = dt.timedelta(minutes=10)  # of times, as messages are numbered: a clock that was set back


def numbers_between(
    connection: Connection, since: dt.datetime | None, until: dt.datetime | None
) -> tuple[int, int]:
    """The numbers that messages from a time on, and before another, can have: from the first one, to before
    the second. Others may be among them."""
    # One after the other, since SQLite looks each up, and reads the table for both
    first = connection.execute(select(func.min(messages.c.id))).scalar() or 1
    end = (connection.execute(select(func.max(messages.c.id))).scalar() or 0) + 1
    if since is not None:
        first = _first_from(connection, _shifted(since, -_DISORDER), first, end)
    if until is not None:
        end = _first_from(connection, _shifted(until, _DISORDER), first, end)
    return first, end


def _shifted(time: dt.datetime, by: dt.timedelta) -> dt.datetime:
    try:
        return time + by
    except OverflowError:  # at the beginning or the end of time
        return time


def _first_from(connection: Connection, time: dt.datetime, first: int, end: int) -> int:
    """The first number of these from which on messages have come at a time or later; ``end`` where none
    has."""
    at = select(messages.c.id, messages.c.received_at).order_by(messages.c.id).limit(1)
    while first < end:
        middle = (first + end) // 2
        row = connection.execute(at.where(messages.c.id >= middle)).one_or_none()
        if row is None or row.id >= end or row.received_at >= time:
            end = middle
        else:
            first = row.id + 1
    return end
