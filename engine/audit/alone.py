"""One spool of the audit trail belongs to one process, also where several on a machine share the journal."""

from __future__ import annotations

import errno
import sqlite3
import time
from pathlib import Path

from engine.audit.fault import AuditUnwritable
from engine.errors import StoreError
from engine.store.lock import JournalLock

_ENDS_WITHIN = 20.0  # seconds for a stand-in to cancel what it has under way


def take(folder: str, patience: float = _ENDS_WITHIN) -> JournalLock:
    """The lock of a spool. AuditUnwritable: another process has it, and does not end within so many seconds.
    Blocks until then."""
    give_up = time.monotonic() + patience
    while True:
        try:
            return JournalLock(Path(folder))
        except StoreError as taken:
            if time.monotonic() >= give_up:
                error = OSError(errno.EBUSY, "another forefetch of this machine uses it")
                raise AuditUnwritable("audit.spool", folder, error) from taken
        except sqlite3.Error as failed:
            raise AuditUnwritable("audit.spool", folder, OSError(errno.EIO, str(failed))) from failed
