"""The journal in a PostgreSQL database, which several engines may share.

A commit is on the disk when it returns (``synchronous_commit``), and on the standbys that the server names.
"""

from __future__ import annotations

import atexit
import secrets
import threading
import time
from contextlib import suppress
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Engine, MetaData, NullPool, QueuePool, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from engine.errors import StoreError
from engine.store.dialect import Mark
from engine.store.news import CHANNEL

try:
    import psycopg
    from psycopg.types.string import StrDumperUnknown

    from engine.store.connections import note
except ImportError as exc:
    raise StoreError(
        "a journal in PostgreSQL needs psycopg; install it with: pip install 'forefetch[postgresql]'"
    ) from exc

_FROZEN = (
    10  # seconds after which the server ends a transaction whose client does nothing, and lets its locks go
)
_LOCKED = 10  # seconds to wait for a lock
_MOMENT = 3  # seconds for a connection to those who look for a moment: others wait for the page to be made
_FINDING_OUT = 5.0  # seconds for what became of a commit whose answer was lost

_PATIENCE: dict[str, object] = {
    "application_name": "forefetch",
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_SETTINGS = f"""
    SET timezone = 'UTC';
    SET lock_timeout = '{_LOCKED}s';
    SET client_min_messages = 'warning';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
_LETS_GO = f"SET idle_in_transaction_session_timeout = '{_FROZEN}s'"
_READ_ONLY = """
    SET default_transaction_read_only = on;
    SET default_transaction_isolation = 'repeatable read'
"""  # what is read one after the other is of one moment, as on SQLite
_SEAL = f"""
    WITH sealed AS (
        INSERT INTO seals (member_id, number)
        SELECT %s, %s WHERE %s OR pg_current_xact_id_if_assigned() IS NOT NULL
        ON CONFLICT (member_id) DO UPDATE SET number = excluded.number
    )
    SELECT CASE WHEN %s THEN pg_current_xact_id() ELSE pg_current_xact_id_if_assigned() END::text,
           EXISTS (SELECT FROM members WHERE id = %s AND lost_at IS NULL),
           CASE WHEN %s <> '' THEN pg_notify('{CHANNEL}', %s) END
"""
_STATUS = "SELECT pg_xact_status(%s::xid8)"
_CONFIRM = "UPDATE seals SET number = number WHERE member_id = %s AND number = %s"
_LOST = "this engine was taken for dead, and others have taken over its work; it is joining them again"
_AGAIN = {"40001", "40P01"}  # serialization failure, deadlock
_CURES = {
    "08": "is the server up, and reachable from here?",
    "28": "check user and password of engine.store, and pg_hba.conf of the server",
    "3D": "create the database, or name another one in engine.store",
    "42": "give the user of engine.store the rights to the database and its schema",
    "53": "look at the server's disk, memory and max_connections",
    "57": "the server is stopping, starting or was told to end this; it is tried again",
    "55P03": "an upgrade, or an engine that stands still, holds it; it is let go within seconds",
    "25006": "the server is read only, such as a standby; name the primary in engine.store",
}
_FAILED = {
    "password": "28",
    "pg_hba.conf": "28",
    "role ": "28",
    "database ": "3D",
    "connection slots": "53",
    "too many": "53",
    "starting up": "57",
    "shutting down": "57",
}
"""What is said of a connection that fails: the driver gets no code for it."""
_QUOTING = ("22", "23")  # data and constraints: their texts may quote a message


_UNCONFIRMED = "a commit that no standby has confirmed"
_POOLS: dict[tuple[str, bool], Engine] = {}
_POOLING = threading.Lock()


class _Text(StrDumperUnknown):
    """PostgreSQL's texts have no NUL: a picture of it instead. Bytes are kept as they are."""

    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "\u2400"))


def open_engine(where: str, *, read_only: bool, pooled: bool = False) -> Engine:
    """An engine on the database. Nothing is opened before the first connection."""
    url = _url(where)
    patience = {name: value for name, value in _PATIENCE.items() if name not in url.query}
    pool: dict[str, Any] = {"poolclass": NullPool}
    if pooled:
        patience["connect_timeout"] = url.query.get("connect_timeout", _MOMENT)
        pool = {"poolclass": QueuePool, "pool_size": 2, "max_overflow": 8, "pool_pre_ping": True}
    # Parameters are patient data and would be in the text of every error.
    engine = create_engine(url, paramstyle="format", hide_parameters=True, connect_args=patience, **pool)

    @event.listens_for(engine, "connect")
    def _(driver: Any, record: Any) -> None:
        driver.add_notice_handler(partial(_heed, record.info))
        driver.adapters.register_dumper(str, _Text)
        note(where, driver, pooled=pooled)
        driver.autocommit = True
        driver.execute(_SETTINGS)
        driver.execute(_READ_ONLY if read_only else _LETS_GO)  # who only reads holds no locks
        driver.autocommit = False

    return engine


def _heed(info: dict[str, Any], warning: psycopg.errors.Diagnostic) -> None:
    if warning.source_function == "SyncRepWaitForLSN":  # in any language
        info[_UNCONFIRMED] = True


def pool(where: str, *, read_only: bool) -> Engine:
    """For those who come again and again for a moment; until `close_pools`."""
    with _POOLING:
        known = _POOLS.get((where, read_only))
        if known is None:
            known = _POOLS[where, read_only] = open_engine(where, read_only=read_only, pooled=True)
    return known


@atexit.register
def close_pools() -> None:
    """Nobody comes again."""
    with _POOLING:
        for known in _POOLS.values():
            known.dispose()
        _POOLS.clear()


def connect(where: str, *, noted: bool = True, **options: object) -> psycopg.Connection[Any]:
    """A connection of the driver's own, in autocommit, for notifications. ``noted``: `hang_up` ends it.
    psycopg.Error: there is none."""
    url = _url(where)
    arguments, named = url.get_dialect()().create_connect_args(url)
    driver = psycopg.connect(*arguments, **{**_PATIENCE, **named, **options}, autocommit=True)
    if noted:
        note(where, driver, pooled=False)
    return driver


def _url(where: str) -> URL:
    try:
        return make_url(where).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as exc:
        raise StoreError(
            "its address is no URL such as postgresql+psycopg://user:password@host:5432/forefetch"
        ) from exc


def tell_conditions(metadata: MetaData) -> None:
    """Those of partial indexes, as SQLite knows them from the start; and which must take texts of any
    length."""
    for table in metadata.tables.values():
        for index in table.indexes:
            options = index.dialect_options["postgresql"]
            options["where"] = index.dialect_options["sqlite"]["where"]
            options["using"] = "hash" if index.info.get("any_length") else False


def seal(connection: Connection) -> Mark | None:
    """At the end of a transaction: tell the others what is new; its mark, None where it has written nothing.
    StoreError: this engine was taken for dead, and may not write any more."""
    ticket = connection.get_execution_options()["ticket"]
    member = ticket.member_id or 0
    text = ticket.news.text(member) if ticket.news.any else ""
    number = secrets.randbits(63)
    cursor = connection.connection.cursor()
    relies = ticket.relies
    cursor.execute(_SEAL, (member, number, relies, relies, member, text, text))
    (row,) = cursor.fetchall()
    xid, alive, _ = row
    cursor.close()
    if not alive:
        raise StoreError(_LOST)
    return None if xid is None else Mark(str(xid), member, number)


def was_committed(engine: Engine, mark: Mark) -> bool | None:
    """What became of a transaction whose commit was not answered; None: that cannot be found out now.

    The server's number alone would not tell: what had not come to its disk, or to its standby, when it
    crashed is given to others. What it has may be on no standby yet: a commit behind it waits for both."""
    limit = time.monotonic() + _FINDING_OUT
    while time.monotonic() < limit:
        with suppress(SQLAlchemyError), engine.connect() as connection:
            status = connection.exec_driver_sql(_STATUS, (mark.xid,)).scalar()
            if status == "aborted":
                return False
            if status == "committed":
                sealed = connection.exec_driver_sql(_CONFIRM, mark[1:]).rowcount == 1
                connection.commit()
                if is_confirmed(connection):
                    return sealed
        time.sleep(0.1)
    return None


def is_confirmed(connection: Connection) -> bool:
    """Whether the commit that has just been answered for was waited for to its end. Where somebody ends the
    wait for a standby (``pg_cancel_backend``) the server says that all is well, and warns that it may not be
    there."""
    return not connection.connection.info.pop(_UNCONFIRMED, False)


def again(error: Exception) -> bool:
    """Whether it got into another transaction's way, and may succeed if it is tried again."""
    return getattr(_cause(error), "sqlstate", None) in _AGAIN


def numbered_cursor(connection: Connection) -> psycopg.RawCursor[tuple[Any, ...]]:
    """For statements whose values are ``$1``, ``$2`` …, as the server has them."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return psycopg.RawCursor(driver)


def take_numbers(connection: Connection, table: str, count: int) -> list[int]:
    """Numbers for so many new rows, which nobody else has."""
    cursor = connection.connection.cursor()
    asked = f"SELECT nextval('{table}_id_seq') FROM generate_series(1, %s)"
    numbers = sorted(number for (number,) in cursor.execute(asked, (count,)).fetchall())
    cursor.close()
    return numbers


_SIZES = sa.text(
    """
    SELECT coalesce(sum(
        pg_total_relation_size(relid)
        * (n_live_tup::float8 / greatest(n_live_tup + n_dead_tup, 1))
    ), 0)::bigint
    FROM pg_stat_user_tables WHERE schemaname = current_schema()
    """
)


def size_in_use(connection: Connection) -> int:
    """Bytes of its tables and indexes, without the part of rows that are dead; what was freed and not yet
    given out again counts."""
    return int(connection.execute(_SIZES).scalar_one())


def explain(error: BaseException) -> str:
    """What went wrong and the cure, without any value of a row."""
    state = getattr(error, "sqlstate", None) or ""
    cure = _CURES.get(state) or _CURES.get(state[:2], "")
    if state[:2] in _QUOTING:
        return f"{type(error).__name__} ({state})"
    if state:
        primary = getattr(getattr(error, "diag", None), "message_primary", None) or type(error).__name__
        return f"{primary}; {cure}" if cure else primary
    said = " ".join(str(error).split()) or type(error).__name__
    state = next((state for words, state in _FAILED.items() if words in said), "08")
    return f"{said}; {_CURES[state]}"


def _cause(error: Exception) -> BaseException:
    origin = getattr(error, "orig", None)
    return origin if isinstance(origin, BaseException) else error
