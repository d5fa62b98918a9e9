"""Messages that the collector has not had yet, on the disk, in order.

A folder of segments, files that are only appended to; each message lies there as it goes over TLS, with its
length before it (RFC 5425 4.3). The file ``sent`` says how far delivery has come: where a crash comes between
a delivery and that note, a message is delivered twice.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from engine.audit.fault import AuditUnwritable
from engine.audit.syslog import framed

_log = logging.getLogger(__name__)
_SEGMENT = 2**20  # bytes, after which another one is begun
_ROOM = 0.9  # of the limit: what is full is left alone until so much of it waits
_TIDY = 2**16  # bytes of a segment that has been delivered in full, after which it goes
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NAME = re.compile(r"(\d{12})\.spool")
_LENGTH = re.compile(rb"([1-9]\d{0,8}) ")


class _Place(NamedTuple):
    """The next message to be delivered: its segment, and the offset in it."""

    segment: int
    offset: int


class Spool:
    """Filled by one thread, emptied by another."""

    def __init__(self, folder: str, limit: int) -> None:
        """``limit``: bytes that may wait."""
        self._folder = Path(folder)
        self._limit = limit
        self._lock = threading.Lock()
        self._place = _Place(1, 0)
        self._last = 1
        self._size = 0  # of the last segment
        self._waiting = 0  # bytes
        self._full = False
        self._file = self._note = -1

    def open(self) -> int:
        """Take up what an earlier run left; how many bytes wait. AuditUnwritable where it cannot be used."""
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self._note = os.open(self._folder / "sent", os.O_RDWR | os.O_CREAT | _BINARY, 0o600)
            self._take_up()
            self._begin(self._last)
        except OSError as error:
            self.close()
            raise AuditUnwritable("audit.spool", str(self._folder), error) from error
        return self._waiting

    def append(self, messages: Sequence[bytes]) -> int:
        """How many of them, the first ones, are on the disk now: the rest is more than may wait. OSError:
        none is."""
        with self._lock:
            if self._full and self._waiting > _ROOM * self._limit:
                return 0
            taken, text = 0, b""
            for message in messages:
                frame = framed(message)
                if self._waiting + len(text) + len(frame) > self._limit:
                    break
                taken, text = taken + 1, text + frame
            self._full = taken < len(messages)
            if text:
                self._write(text)
            return taken

    def next(self, most: int) -> list[bytes]:
        """Up to so many messages that come next, without taking them away. OSError."""
        with self._lock:
            while True:
                messages = self._read(most)
                if messages or self._place.segment == self._last:
                    return messages
                self._leave_segment()

    def delivered(self, messages: Sequence[bytes]) -> None:
        """Take away the first ones, which `next` has given. OSError: they come again after a restart."""
        with self._lock:
            size = sum(len(framed(message)) for message in messages)
            self._waiting -= size
            self._go_to(_Place(self._place.segment, self._place.offset + size))
            if self._waiting == 0 and self._size >= _TIDY:
                self._begin(self._last + 1)
                self._leave_segment()

    def close(self) -> None:
        """Whoever still uses it gets an OSError: it may be another process' by then."""
        with self._lock:
            for descriptor in (self._file, self._note):
                if descriptor != -1:
                    os.close(descriptor)
            self._file = self._note = -1

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:012}.spool"

    def _segments(self) -> list[int]:
        found = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return sorted(int(match[1]) for match in found if match is not None)

    def _take_up(self) -> None:
        noted = os.read(self._note, 64).split()
        if len(noted) == 2 and all(word.isdigit() for word in noted):
            self._place = _Place(int(noted[0]), int(noted[1]))
        segments = self._segments()
        while segments and segments[0] < self._place.segment:
            self._path(segments.pop(0)).unlink()  # delivered, but a crash came between
        if not segments:
            self._last = self._place.segment + (self._place.offset > 0)
            self._place = _Place(self._last, 0)
            return
        if segments[0] != self._place.segment:
            self._place = _Place(segments[0], 0)  # what was noted is lost, or was never written
        self._last = segments[-1]
        _mend(self._path(self._last))
        sizes = [self._path(number).stat().st_size for number in segments]
        self._place = _Place(segments[0], min(self._place.offset, sizes[0]))
        self._waiting = sum(sizes) - self._place.offset

    def _begin(self, segment: int) -> None:
        file = os.open(self._path(segment), os.O_WRONLY | os.O_APPEND | os.O_CREAT | _BINARY, 0o600)
        if self._file != -1:
            os.close(self._file)
        self._file = file
        self._last, self._size = segment, os.fstat(self._file).st_size
        _sync_folder(self._folder)

    def _write(self, text: bytes) -> None:
        if self._size >= _SEGMENT:
            self._begin(self._last + 1)
        try:
            written = 0
            while written < len(text):
                written += os.write(self._file, text[written:])
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(text)
        self._waiting += len(text)

    def _read(self, most: int) -> list[bytes]:
        path, offset = self._path(self._place.segment), self._place.offset
        messages: list[bytes] = []
        with path.open("rb") as file:
            file.seek(offset)
            text = file.read()
        for message in _messages(text):
            messages.append(message)
            if len(messages) == most:
                break
        if text and not messages:
            self._waiting -= len(text)
            _log.error("audit: %s cannot be read from byte %d on; what follows in it is lost", path, offset)
            self._go_to(_Place(self._place.segment, offset + len(text)))
        return messages

    def _leave_segment(self) -> None:
        """The place goes first: a crash in between leaves a segment that is known to be delivered."""
        segment = self._place.segment
        self._go_to(_Place(segment + 1, 0))
        with suppress(FileNotFoundError):
            self._path(segment).unlink()

    def _go_to(self, place: _Place) -> None:
        self._place = place
        os.lseek(self._note, 0, os.SEEK_SET)
        os.write(self._note, b"%012d %012d\n" % place)


def _messages(text: bytes) -> Iterator[bytes]:
    """Those that are whole."""
    at = 0
    while match := _LENGTH.match(text, at):
        begin, end = match.end(), match.end() + int(match[1])
        if end > len(text):
            return
        yield text[begin:end]
        at = end


def _mend(path: Path) -> None:
    """Cut off what a crash has left of a message at the end."""
    text = path.read_bytes()
    whole = sum(len(framed(message)) for message in _messages(text))
    if whole < len(text):
        os.truncate(path, whole)


def _sync_folder(folder: Path) -> None:
    """Not every system can; there, a new file may be lost with the power."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
