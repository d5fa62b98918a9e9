"""One engine a journal: a second one would take the first one's tasks for a crash's, and move them again.

The lock is SQLite's own, on a file beside the journal, since it works on every platform and ends with the
process, also by kill -9.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from engine.errors import StoreError


class JournalLock:
    """Held from construction to ``release``. StoreError where another process holds it."""

    def __init__(self, journal: Path) -> None:
        self._connection = sqlite3.connect(
            journal.with_name(journal.name + "-lock"),
            timeout=0.2,  # `is_running` looks at it for a moment
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as exc:
            self._connection.close()
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            raise StoreError(
                "another forefetch is running on it; stop that one, or use another file"
            ) from exc

    def release(self) -> None:
        """Let another engine have the journal."""
        self._connection.close()


def is_running(journal: str | Path) -> bool:
    """Whether an engine holds this journal now. Nothing is created, and no engine is kept from starting."""
    lock = Path(journal).with_name(Path(journal).name + "-lock")
    try:
        with closing(
            sqlite3.connect(f"{lock.resolve().as_uri()}?mode=ro", uri=True, timeout=0)
        ) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except sqlite3.OperationalError as exc:
        return exc.sqlite_errorcode == sqlite3.SQLITE_BUSY
    return False
