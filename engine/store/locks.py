"""What is to be done by one transaction at a time. SQLite lets one write at a time anyway; PostgreSQL's locks
are held until the transaction ends.

To be taken in this order, so that seldom two wait for each other: keys, occasions, tasks, messages.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Select, select

_STRIPES = 2**31  # keys that fall on one wait for each other in vain: of 4,096, two batches always had some
_CLASS = 0x464F  # of the pairs of numbers that name our locks
_MOST = 500  # keys of one transaction, of 6,400 for which a server has room; who needs more holds every key
_EVERY = -1  # the stripe that stands for all
_HOLD = f"""
    SELECT pg_advisory_xact_lock_shared({_CLASS}, {_EVERY})
    UNION ALL SELECT pg_advisory_xact_lock({_CLASS}, key) FROM unnest(%s::int[]) AS key
"""
_HOLD_EVERY = f"SELECT pg_advisory_xact_lock({_CLASS}, {_EVERY})"


def hold(connection: Connection, keys: Iterable[object]) -> None:
    """Wait until no other transaction holds one of these keys, and hold them. In one order, so that two never
    wait for each other; who calls it twice in a transaction may be told to begin again."""
    if not is_shared(connection):
        return
    stripes = sorted({_stripe(key) for key in keys})
    if len(stripes) > _MOST:
        connection.exec_driver_sql(_HOLD_EVERY)
    elif stripes:
        connection.exec_driver_sql(_HOLD, (stripes,))


def rows(connection: Connection, these: Select[Any], terms: Mapping[str, Any]) -> None:
    """Wait until no other transaction is changing these rows, and keep them as they are then, for what this
    one reads of them next. In the order of the query; others may still refer to them."""
    if is_shared(connection):
        connection.execute(these.with_for_update(key_share=True), terms)


def once(these: Select[Any]) -> Select[Any]:
    """The keys that a query locks, for an ``IN``. PostgreSQL may run a mere subquery again for each row, by
    what it knows of a table's size; and one that skips what is locked finds other rows each time."""
    found = these.cte("found")
    return select(found.c.id)


def is_shared(connection: Connection) -> bool:
    """Whether other transactions may write meanwhile."""
    return connection.dialect.name == "postgresql"


def _stripe(key: object) -> int:
    """The same in every process."""
    digest = hashlib.blake2b(repr(key).encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest) % _STRIPES
