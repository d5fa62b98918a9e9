"""What is to be done by one transaction at a time, where no row is there yet to be locked.

SQLite lets one transaction write at a time anyway. PostgreSQL's are held until the transaction ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import Connection

_STRIPES = 4096  # keys that fall on one wait for each other in vain; a server has room for some 6,400 locks
_CLASS = 0x464F  # of the pairs of numbers that name our locks
_HOLD = "SELECT pg_advisory_xact_lock(%s, key) FROM unnest(%s::int[]) AS key"


def hold(connection: Connection, keys: Iterable[object]) -> None:
    """Wait until no other transaction holds one of these keys, and hold them. In one order, so that two never
    wait for each other; who calls it twice in a transaction may be told to begin again."""
    if connection.dialect.name != "postgresql":
        return
    stripes = sorted({_stripe(key) for key in keys})
    if stripes:
        connection.exec_driver_sql(_HOLD, (_CLASS, stripes))


def _stripe(key: object) -> int:
    """The same in every process."""
    digest = hashlib.blake2b(repr(key).encode("utf-8", "replace"), digest_size=4).digest()
    return int.from_bytes(digest) % _STRIPES
