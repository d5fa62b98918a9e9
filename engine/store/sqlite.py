"""The journal in a SQLite file.

It is run so that a commit is on the disk when it returns: write-ahead log with ``synchronous=FULL``.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, NullPool, create_engine, event

_PAGES_AHEAD = 8000
"""Pages (of 4 kB) that the log may have before they are copied into the file: commits wait meanwhile, and
most pages are written again soon."""

_CURES = {
    "SQLITE_NOTADB": "it is a file of something else; name another one for the journal",
    "SQLITE_BUSY": "another process holds it; is forefetch running on it already?",
    "SQLITE_READONLY": "make the file and its directory writable for this user",
    "SQLITE_CANTOPEN": "its directory must exist and be writable for this user",
    "SQLITE_FULL": "free some space on the disk",
    "SQLITE_IOERR": "look at the disk and at the system's log",
    "SQLITE_CORRUPT": "stop forefetch and restore the file from a backup",
}


def open_engine(path: Path, *, read_only: bool, busy_timeout: float) -> Engine:
    """An engine on the file; one that may write creates it, readable for its owner alone.

    Nothing is opened before the first connection, which raises what `explain` turns into words.
    """
    if not read_only:
        path.touch(mode=0o600)  # the journal holds whole messages, and so patient data
    address = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}"

    def connect() -> sqlite3.Connection:
        # No isolation level: the driver must not begin transactions of its own. Used by one thread at a time.
        connection = sqlite3.connect(
            address, uri=True, timeout=busy_timeout, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_AHEAD}")
        except BaseException:
            connection.close()
            raise
        return connection

    # Parameters are patient data and would be in the text of every error.
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
    begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"  # a reader that turns writer can be refused at once

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.connection.cursor().execute(begin)

    return engine


def allow_readers(connection: Connection) -> None:
    """Let others read while this connection writes. It is noted in the file, so this comes after the check
    that the file is ours; and only outside of a transaction."""
    _driver(connection).execute("PRAGMA journal_mode = WAL")


def changes(connection: Connection) -> int:
    """A number that differs from the last one where another connection has written to the database."""
    cursor = connection.connection.cursor()  # every message pays for this
    (version,) = cursor.execute("PRAGMA data_version").fetchall()[0]
    cursor.close()
    return int(version)


def rows_changed(connection: Connection) -> int:
    """How many this connection has changed since it was opened: where it grows, something was written."""
    return _driver(connection).total_changes


def size_in_use(connection: Connection) -> int:
    """Bytes of the database that hold something; those that were freed are used before it grows."""
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def explain(error: Exception) -> str | None:
    """What went wrong and the cure; None: it is no error of SQLite."""
    name = getattr(error, "sqlite_errorname", "")
    if not name:
        return None
    cure = next((cure for code, cure in _CURES.items() if name.startswith(code)), "")
    return f"{error}; {cure}" if cure else str(error)


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
