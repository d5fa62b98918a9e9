"""The local trail: a file that is only ever appended to, one line for each event."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from engine.audit.fault import AuditUnwritable

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # a pipe that nobody reads would keep whoever opens it, for ever


class Trail:
    """For one thread. Whoever renames the file away, as logrotate does, gets a new one begun."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file = -1
        self._torn = False  # the last line is not whole
        self._kept = True  # and no pipe or terminal

    def open(self) -> None:
        """AuditUnwritable where that cannot be."""
        try:
            self._reopen()
        except OSError as error:
            raise AuditUnwritable("audit.file", self._path, error) from error

    def write(self, lines: Sequence[bytes]) -> None:
        """On the disk when it returns. OSError where not all of them are; each is whole, or not of JSON."""
        if self._moved():
            self._reopen()
        text = (b"\n" if self._torn else b"") + b"".join(lines)
        written = 0
        try:
            while written < len(text):
                written += os.write(self._file, text[written:])
        finally:
            if written:
                self._torn = not text[:written].endswith(b"\n")
        if self._kept:
            os.fsync(self._file)

    def close(self) -> None:
        if self._file != -1:
            os.close(self._file)
            self._file = -1

    def _moved(self) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return True
        return self._file == -1 or not os.path.samestat(there, os.fstat(self._file))

    def _reopen(self) -> None:
        self.close()
        self._file = os.open(self._path, _FLAGS | _AT_ONCE, 0o600)
        if _AT_ONCE:
            os.set_blocking(self._file, True)
        self._kept = stat.S_ISREG(os.fstat(self._file).st_mode)
        self._torn = self._kept and _ends_torn(self._path)


def _ends_torn(path: str) -> bool:
    """Whether a crash has left a line without an end."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return False
        file.seek(size - 1)
        return file.read(1) != b"\n"
