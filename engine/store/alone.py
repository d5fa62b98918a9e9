"""Having a journal for oneself, for what must not meet an engine at work: its upgrade, and its copy."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, inspect, select, update
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.place import is_shared, told
from engine.store import schema
from engine.store.dialect import explain, open_engine
from engine.store.lock import JournalLock
from engine.store.owners import ALIVE
from engine.store.schema import members, metadata

_LONGEST_PAUSE = "10min"  # of this connection, while another one has something to do


@contextmanager
def alone(where: str | Path, *, create: bool = False, rebuild: bool = False) -> Iterator[Connection]:
    """A transaction on a journal that no engine uses, and that none begins to use before it ends; nobody else
    writes either. ``create``: a file that is not there is made, and goes again where this fails.
    ``rebuild``: SQLite does not look after foreign keys.

    StoreError: there is no journal, it is in use or cannot be written; also for what goes wrong meanwhile.
    """
    file = None if is_shared(where) else Path(where)
    new = file is not None and not file.exists()
    if new and not create:
        raise StoreError(f"there is no journal {where}; `forefetch serve` creates it, or name another file")
    try:
        with named(where), _locked(file), _transaction(where, rebuild) as connection:
            yield connection
    except BaseException:
        if file is not None and new:
            file.unlink(missing_ok=True)
        raise


class _Named(StoreError):
    """Says which journal it is about."""


@contextmanager
def named(where: str | Path) -> Iterator[None]:
    """Have errors say that they are of this journal, and the cure; where two are used, of the inner one."""
    try:
        yield
    except _Named:
        raise
    except StoreError as exc:
        raise _Named(f"journal {told(where)}: {exc}") from exc
    except (OSError, SQLAlchemyError, sqlite3.Error) as exc:
        raise _Named(f"journal {told(where)}: {explain(exc)}") from exc


@contextmanager
def _locked(file: Path | None) -> Iterator[None]:
    """A stand-in lets go of the file first."""
    lock = None if file is None else JournalLock(file)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def _transaction(where: str | Path, rebuild: bool) -> Iterator[Connection]:
    engine = open_engine(where)
    try:
        with engine.connect() as connection:
            if rebuild and connection.dialect.name == "sqlite":  # only outside of transactions
                connection.connection.cursor().execute("PRAGMA foreign_keys = OFF")
            with connection.begin():
                if is_shared(where):
                    _keep_others_out(connection)
                yield connection
    finally:
        engine.dispose()


def _keep_others_out(connection: Connection) -> None:
    """On PostgreSQL: engines that start wait for this transaction, and who is none cannot write either."""
    connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{_LONGEST_PAUSE}'")
    if not schema.keep_from_starting(connection):
        raise StoreError("an engine is about to start on it, or it is changed already; try again in a moment")
    there = set(inspect(connection).get_table_names())
    if members.name in there:
        _see_that_nobody_lives(connection)
    ours = ", ".join(name for name in metadata.tables if name in there)
    if ours:
        connection.exec_driver_sql(f"LOCK TABLE {ours} IN SHARE ROW EXCLUSIVE MODE")


def _see_that_nobody_lives(connection: Connection) -> None:
    """Engines that died without a word may not write any more. When they were last seen, the database says by
    its own clock."""
    from engine.store.members import LEASE

    recent = members.c.seen_at > func.now() - dt.timedelta(seconds=LEASE)
    found = connection.execute(
        select(members.c.id, members.c.name, recent.label("alive")).where(*ALIVE)
    ).all()
    alive = ", ".join(row.name for row in found if row.alive)
    if alive:
        raise StoreError(
            f"engines are at work on it: {alive}; stop them (one that was killed counts for {LEASE:.0f} s)"
        )
    connection.execute(update(members).where(*ALIVE).values(lost_at=func.now()))
