"""Everything that depends on which database keeps the journal; PostgreSQL would be added here alone.

SQLite is run so that a commit is on the disk when it returns: write-ahead log with ``synchronous=FULL``.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TypeVar

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    Insert,
    Integer,
    NullPool,
    Table,
    create_engine,
    event,
    func,
)
from sqlalchemy.exc import StatementError

T = TypeVar("T", str, bytes)

_PAGES_AHEAD = 8000
"""Pages (of 4 kB) that the log may have before they are copied into the file: commits wait meanwhile, and
most pages are written again soon."""
BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that holds the file."""

Identity = BigInteger().with_variant(Integer, "sqlite")
"""A key that the database counts up; SQLite does that for INTEGER alone."""

PLACEHOLDER = {"sqlite": "?", "postgresql": "%s"}
"""How the driver's statements name a value by its position."""

_CURES = {
    "SQLITE_NOTADB": "it is a file of something else; name another one for the journal",
    "SQLITE_BUSY": "another process holds it; is forefetch running on it already?",
    "SQLITE_READONLY": "make the file and its directory writable for this user",
    "SQLITE_CANTOPEN": "its directory must exist and be writable for this user",
    "SQLITE_FULL": "free some space on the disk",
    "SQLITE_IOERR": "look at the disk and at the system's log",
    "SQLITE_CORRUPT": "stop forefetch and restore the file from a backup",
}


def open_engine(path: Path, *, read_only: bool = False, busy_timeout: float = BUSY_TIMEOUT) -> Engine:
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
    """Let others read while this connection writes. SQLite notes it in the file, so this comes after the
    check that the file is ours; and only outside of a transaction."""
    driver = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        driver.execute("PRAGMA journal_mode = WAL")


def changes(connection: Connection) -> int:
    """A number that differs from the last one where another connection has written to the database."""
    if connection.dialect.name != "sqlite":
        raise NotImplementedError
    cursor = connection.connection.cursor()  # every message pays for this
    (version,) = cursor.execute("PRAGMA data_version").fetchall()[0]
    cursor.close()
    return int(version)


def rows_changed(connection: Connection) -> int:
    """How many this connection has changed since it was opened: where it grows, something was written."""
    driver = connection.connection.driver_connection
    return driver.total_changes if isinstance(driver, sqlite3.Connection) else 0


def size_in_use(connection: Connection) -> int:
    """Bytes of the database that hold something; those that were freed are used before it grows."""
    if connection.dialect.name != "sqlite":
        raise NotImplementedError
    pages, free, size = (
        int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def contains(column: ColumnElement[T], sought: T) -> ColumnElement[bool]:
    """Whether these characters or bytes stand somewhere in a column, in just this case."""
    return func.instr(column, sought) > 0


def insert_unless_known(connection: Connection, table: Table) -> Insert:
    """An INSERT that leaves out the rows that a unique constraint would refuse."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table).on_conflict_do_nothing()
    from sqlalchemy.dialects import sqlite

    return sqlite.insert(table).on_conflict_do_nothing()


def explain(error: Exception) -> str:
    """What went wrong and the cure, without any value of a row."""
    cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
    if isinstance(cause, OSError):
        return f"{cause.strerror}; its directory must exist and be writable for this user"
    name = getattr(cause, "sqlite_errorname", "")
    if not name:
        return type(cause).__name__  # its text might quote a message
    cure = next((cure for code, cure in _CURES.items() if name.startswith(code)), "")
    return f"{cause}; {cure}" if cure else str(cause)
