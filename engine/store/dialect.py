"""What depends on the database that keeps the journal, for those who need not know which one it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Insert, Integer, Table
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from engine.errors import StoreError
from engine.place import is_shared
from engine.store import sqlite

T = TypeVar("T", str, bytes)

BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that holds the file."""

Identity = BigInteger().with_variant(Integer, "sqlite")
"""A key that the database counts up; SQLite does that for INTEGER alone."""


def place_of(dialect: str, number: int) -> str:
    """What stands for the value of this number, from 1, in a statement for a `numbered_cursor`."""
    return f"${number}" if dialect == "postgresql" else "?"


def numbered_cursor(connection: Connection) -> Any:
    """For statements of many values: psycopg would look for every ``%s`` in them each time, which takes as
    long as all the rest of it."""
    if connection.dialect.name == "postgresql":
        from engine.store import postgresql

        return postgresql.numbered_cursor(connection)
    return connection.connection.cursor()


def open_engine(where: str | Path, *, read_only: bool = False, busy_timeout: float = BUSY_TIMEOUT) -> Engine:
    """An engine on a journal. Nothing is opened before the first connection, which raises what `explain`
    turns into words. StoreError: what a URL needs is not installed, or it is none."""
    if is_shared(where):
        from engine.store import postgresql

        return postgresql.open_engine(str(where), read_only=read_only)
    return sqlite.open_engine(Path(where), read_only=read_only, busy_timeout=busy_timeout)


def for_a_moment(where: str | Path, *, read_only: bool) -> Engine:
    """The same for those who come again and again, for which PostgreSQL's connections are kept."""
    if is_shared(where):
        from engine.store import postgresql

        return postgresql.pool(str(where), read_only=read_only)
    return open_engine(where, read_only=read_only)


@contextmanager
def not_in_vain(where: str | Path) -> Iterator[None]:
    """Who writes meanwhile does not wait for ever for a database that does not answer, or for its standby.
    StoreError: it is known already that he would."""
    if not is_shared(where):
        yield
        return
    from engine.store import reach

    unwatch = reach.watch(str(where), lambda _: None)
    try:
        if wrong := reach.trouble(str(where)):
            raise StoreError(wrong)
        yield
    finally:
        unwatch()


def allow_readers(connection: Connection) -> None:
    """Let others read while this connection writes; outside of a transaction, and after the check that the
    journal is ours."""
    if connection.dialect.name == "sqlite":
        sqlite.allow_readers(connection)


def size_in_use(connection: Connection) -> int:
    """Bytes of the journal that hold something; those that were freed are used before it grows."""
    if connection.dialect.name == "sqlite":
        return sqlite.size_in_use(connection)
    from engine.store import postgresql

    return postgresql.size_in_use(connection)


WAIT_ENDED = "the wait for a standby was ended at the server: what was written may be lost in a failover"


class Mark(NamedTuple):
    """By what a transaction can be told later: the number that the server has given it, which a crash or a
    failover may give to another one, and the one that an engine (``member_id``) has written with it."""

    xid: str
    member_id: int
    number: int


class Seal(NamedTuple):
    """A transaction that is about to be committed: whether it ``wrote`` anything, and its mark where what has
    become of it may have to be asked."""

    wrote: bool
    mark: Mark | None = None


def begun(connection: Connection) -> int:
    """To be called at the beginning of a transaction, for `seal` at its end."""
    return sqlite.rows_changed(connection) if connection.dialect.name == "sqlite" else 0


def seal(connection: Connection, begun: int) -> Seal:
    """The last thing before a commit; on PostgreSQL with a ``ticket`` (`engine.store.members`) alone.
    StoreError: this engine must not write."""
    if connection.dialect.name == "sqlite":
        return Seal(sqlite.rows_changed(connection) != begun)
    if "ticket" not in connection.get_execution_options():
        return Seal(False)
    from engine.store import postgresql

    mark = postgresql.seal(connection)
    return Seal(mark is not None, mark)


def was_committed(connection: Connection, sealed: Seal | None) -> bool:
    """Whether a transaction is on the disk although its commit has failed: its answer may have been lost.
    Blocks for some seconds where the database cannot be asked."""
    if sealed is None or sealed.mark is None:
        return False
    from engine.store import postgresql

    return postgresql.was_committed(connection.engine, sealed.mark) is True


def is_confirmed(connection: Connection) -> bool:
    """Whether what has just been committed is wherever it has to be before it is answered for."""
    if connection.dialect.name == "sqlite":
        return True
    from engine.store import postgresql

    return postgresql.is_confirmed(connection)


def is_broken(connection: Connection) -> bool:
    """Whether it is of no use any more: the other side has gone."""
    if connection.dialect.name == "sqlite":
        return False
    return connection.invalidated or bool(getattr(connection.connection.driver_connection, "closed", True))


def waited_in_vain(error: Exception) -> bool:
    """Whether somebody holds what it needs, such as a whole table, and would hold it for the next one too."""
    return getattr(getattr(error, "orig", error), "sqlstate", None) == "55P03"  # lock_not_available


def again(connection: Connection, error: Exception) -> bool:
    """Whether a transaction has got into another's way, and may succeed if it is tried again."""
    if connection.dialect.name == "sqlite":
        return False
    from engine.store import postgresql

    return postgresql.again(error)


class _Place(FunctionElement[int]):
    """Where something begins in a column, counted from 1; 0: nowhere."""

    inherit_cache = True
    type = Integer()


@compiles(_Place)
def _instr(element: _Place, compiler: Any, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(_Place, "postgresql")
def _position(element: _Place, compiler: Any, **options: Any) -> str:
    column, sought = (compiler.process(it, **options) for it in element.clauses)
    return f"position({sought} IN {column})"


def contains(column: ColumnElement[T], sought: T) -> ColumnElement[bool]:
    """Whether these characters or bytes stand somewhere in a column, in just this case."""
    return _Place(column, sought) > 0


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
    told = sqlite.explain(cause)  # type: ignore[arg-type]
    if told is None and type(cause).__module__.startswith("psycopg"):
        from engine.store import postgresql

        told = postgresql.explain(cause)
    return told or type(cause).__name__  # its text might quote a message
