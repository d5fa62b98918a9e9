"""Opening a journal for an engine: alone on a SQLite file, or one of those that share a database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.place import is_shared
from engine.store import members, schema
from engine.store.criteria import learn
from engine.store.dialect import allow_readers, open_engine
from engine.store.heard import Heard
from engine.store.lock import JournalLock
from engine.store.news import EVERYTHING, notify
from engine.store.owners import Ticket

if TYPE_CHECKING:
    from engine.store.pulse import Pulse

__all__ = ["Heard", "Opened", "open_journal"]


class Ear:
    """Brings what the thread of the pulse hears into an event loop. What comes before anybody listens is
    lost: a listener begins with everything."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._tell: Callable[[Heard], None] | None = None
        self.heard = 0  # how often there was something

    def listen(self, loop: asyncio.AbstractEventLoop, heard: Callable[[Heard], None]) -> None:
        def tell(what: Heard) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(heard, what)

        with self._lock:
            self._tell = tell
        tell(Heard(EVERYTHING))

    def hear(self, what: Heard) -> None:
        """In any thread."""
        with self._lock:
            self.heard += 1
            if self._tell is not None:
                self._tell(what)


@dataclass(slots=True)
class Opened:
    """A journal that is open. ``lock`` keeps other engines from a SQLite file; ``pulse`` makes this one of
    those that share a database, and until ``unwatch`` nobody waits for ever for one that does not answer."""

    engine: Engine
    writer: Connection
    reader: Connection
    lock: JournalLock | None = None
    pulse: Pulse | None = None
    ear: Ear = field(default_factory=Ear)
    where: str | Path = ""
    unwatch: Callable[[], None] | None = None

    @property
    def trouble(self) -> str:
        """For which nothing is to be written now."""
        if self.pulse is None:
            return ""
        from engine.store.reach import trouble

        return trouble(str(self.where))

    @property
    def ticket(self) -> Callable[[], Ticket] | None:
        pulse = self.pulse
        return None if pulse is None else lambda: Ticket(pulse.member_id)

    @property
    def wanted(self) -> bool:
        """Whether an engine waits for this stand-in to close it; on a shared one, whether there is any."""
        if self.lock is not None:
            return self.lock.wanted
        return members.anybody(self.where, engines_only=True)

    def close(self) -> None:
        """After writer and reader. Blocks."""
        if self.pulse is not None:
            self.pulse.stop()
            if not self.trouble:
                self._leave(self.pulse.member_id)
        self.engine.dispose()
        if self.unwatch is not None:
            self.unwatch()
        if self.lock is not None:
            self.lock.release()

    def _leave(self, member_id: int) -> None:
        """The others need not wait until they miss us."""
        with suppress(SQLAlchemyError), self.engine.connect() as connection, connection.begin():
            members.leave(connection, member_id)
            notify(connection, EVERYTHING.text(member_id))


def open_journal(where: str | Path, *, busy_timeout: float, stand_in: bool) -> Opened:
    """A journal for an engine, its schema made or checked. OSError, SQLAlchemyError, sqlite3.Error or
    StoreError: it cannot be used."""
    if is_shared(where):
        return _share(str(where), stand_in=stand_in)
    with ExitStack() as undo:
        engine = open_engine(where, busy_timeout=busy_timeout)
        lock = JournalLock(Path(where), stand_in=stand_in)
        undo.callback(lock.release)
        writer = undo.enter_context(engine.connect())
        with writer.begin():
            _prepare(writer)
        allow_readers(writer)
        reader = open_engine(where, read_only=True, busy_timeout=busy_timeout).connect()
        undo.pop_all()
    return Opened(engine, writer, reader, lock=lock, where=where)


def _share(where: str, *, stand_in: bool) -> Opened:
    from engine.store import reach
    from engine.store.pulse import Pulse

    with ExitStack() as undo:
        unwatch = reach.watch(where, _nothing)
        undo.callback(unwatch)
        engine = open_engine(where)
        try:
            writer = undo.enter_context(engine.connect())
            with writer.begin():  # one transaction: `engine.store.alone` may not come in between
                _prepare(writer)
                member_id = members.register(writer, stand_in=stand_in)
        except SQLAlchemyError as exc:
            if wrong := reach.trouble(where):
                raise StoreError(wrong) from exc
            raise
        reader = undo.enter_context(open_engine(where, read_only=True).connect())
        ear = Ear()
        pulse = Pulse(where, member_id, stand_in=stand_in, heard=ear.hear)
        undo.pop_all()
    return Opened(engine, writer, reader, pulse=pulse, ear=ear, where=where, unwatch=unwatch)


def _nothing(wrong: str) -> None:
    """Whoever waits is told by an error."""


def _prepare(connection: Connection) -> None:
    schema.prepare(connection)
    learn(connection)
