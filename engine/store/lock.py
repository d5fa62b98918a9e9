"""One engine a journal: a second one would take the first one's tasks for a crash's, and move them again.

A lock is SQLite's own, on a file beside the journal, since it works on every platform and ends with the
process, also by kill -9. A stand-in (`engine.standin`) holds the journal while no engine does, and lets go of
it when one wants it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from engine.errors import StoreError
from engine.place import is_shared
from engine.store.members import anybody

_TAKEN, _STANDING_IN, _WANTED = "lock", "standin", "wanted"
_A_MOMENT = 0.2  # seconds: `is_running` looks at a lock for so long
_YIELDS_WITHIN = 20.0  # seconds for a stand-in to cancel what it has under way
_RUNNING = "another forefetch is running on it; stop that one, or use another file"


class JournalLock:
    """Held from construction to ``release``. StoreError where another process holds it.

    Blocks for some seconds where a stand-in has to cancel retrieves before it lets go.
    """

    def __init__(self, journal: Path, *, stand_in: bool = False) -> None:
        self._journal = journal
        self._locks: list[_Lock] = []
        try:
            self._take(stand_in=stand_in)
        except BaseException:
            self.release()
            raise

    @property
    def wanted(self) -> bool:
        """Whether an engine waits for a stand-in to let go."""
        return _held(_beside(self._journal, _WANTED))

    def release(self) -> None:
        """Let another engine have the journal."""
        for lock in self._locks:
            lock.release()

    def _take(self, *, stand_in: bool) -> None:
        if stand_in:
            if self.wanted:
                raise StoreError(_RUNNING)
            self._hold(_STANDING_IN, _A_MOMENT)
            self._hold(_TAKEN, _A_MOMENT)
            return
        with suppress(StoreError):  # an engine, or a stand-in, which lets go when it is wanted
            self._hold(_TAKEN, _A_MOMENT)
            return
        wish = _Lock(_beside(self._journal, _WANTED), _A_MOMENT)
        try:
            self._hold(_TAKEN, _YIELDS_WITHIN if _held(_beside(self._journal, _STANDING_IN)) else _A_MOMENT)
        finally:
            wish.release()

    def _hold(self, name: str, patience: float) -> None:
        self._locks.append(_Lock(_beside(self._journal, name), patience))


class _Lock:
    """One file, held exclusively; StoreError where another process does for longer than ``patience``."""

    def __init__(self, path: Path, patience: float) -> None:
        self._connection = sqlite3.connect(
            path, timeout=patience, isolation_level=None, check_same_thread=False
        )
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as exc:
            self._connection.close()
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise StoreError(_RUNNING) from exc

    def release(self) -> None:
        self._connection.close()


def is_running(journal: str | Path) -> bool:
    """Whether an engine holds this journal now, or shares it. Nothing is created, and no engine is kept from
    starting. False too where a database cannot be asked."""
    if is_shared(journal):
        return anybody(journal, engines_only=True)
    return is_taken(journal) and not _held(_beside(Path(journal), _STANDING_IN))


def is_taken(journal: str | Path) -> bool:
    """Whether an engine or a stand-in holds this journal now, or shares it, or an engine is about to."""
    if is_shared(journal):
        return anybody(journal, engines_only=False)
    return any(_held(_beside(Path(journal), name)) for name in (_TAKEN, _WANTED))


def _beside(journal: Path, name: str) -> Path:
    return journal.with_name(f"{journal.name}-{name}")


def _held(lock: Path) -> bool:
    try:
        with closing(
            sqlite3.connect(f"{lock.resolve().as_uri()}?mode=ro", uri=True, timeout=0)
        ) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as exc:
        return exc.sqlite_errorcode == sqlite3.SQLITE_BUSY
    return False
