"""Where a journal is: the path of a SQLite file, or the URL of a PostgreSQL database that engines share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

EXAMPLE = "postgresql+psycopg://user:password@host:5432/forefetch"
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
    try:
        url = parsed(str(where))
    except ValueError:
        return "PostgreSQL"
    return f"postgresql://{','.join(_hosts(url))}/{url.database or ''}"


def parsed(where: str) -> URL:
    """A URL in its parts. ValueError, which may quote it: it is none."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(where)
    except ArgumentError as exc:
        raise ValueError(str(exc)) from exc


def _hosts(url: URL) -> list[str]:
    """Each with its port. Several are written in the query (libpq 34.1.1.3: one after the other is tried)."""
    named = url.query.get("host", ())
    hosts = [named] if isinstance(named, str) else list(named)
    if url.host:
        hosts = [f"[{url.host}]" if ":" in url.host else url.host]
    return [host if _names_port(host) else f"{host}:{url.port or 5432}" for host in hosts or ["localhost"]]


def _names_port(host: str) -> bool:
    return host.rpartition(":")[2].isdecimal() or host.startswith("/")
