"""Where a journal is: the path of a SQLite file, or the URL of a PostgreSQL database that engines share."""

from __future__ import annotations

import re
from pathlib import Path

_SHARED = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)


def is_shared(where: str | Path) -> bool:
    """Whether several engines may have it: it is a URL."""
    return isinstance(where, str) and _SHARED.match(where) is not None


def folder(where: str | Path) -> Path | None:
    """The directory of its file; None: it has none."""
    return None if is_shared(where) else Path(where).resolve().parent


def told(where: str | Path) -> str:
    """For people and logs, without the password and whatever else only the driver needs."""
    if not is_shared(where):
        return str(where)
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(str(where))
    except (ArgumentError, ValueError):
        return "PostgreSQL"
    place = f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"
    return f"postgresql://{place}"
