"""MLLP framing without I/O: bytes in, events out (HL7 v2 Transport Specification: MLLP, Release 1).

A block is ``<VT> payload <FS><CR>``. Real senders lose one or the other of these, so a decoder is in one of

========== ==================================== ======================================= ==================
mode       what it is                           left at an end block                    left at a start
========== ==================================== ======================================= ==================
OUTSIDE    between blocks                       ``JunkSkipped``                         ``JunkSkipped``
BLOCK      after a start block                  ``BlockReceived``                       END_MISSING
SKIPPING   the rest of an oversize block        (said already)                          (said already)
UNSTARTED  after an MSH that no VT came before  START_MISSING                           ``JunkSkipped``
SPENT      after the end of the stream, or when no block could be found in it
========== ==================================== ======================================= ==================

End block: FS followed by CR, LF or VT, or FS at the end of the stream; any other FS is data. Start block: any
VT outside of a block; inside, where it may be data, only a VT followed by MSH, FHS or BHS.

Each byte is searched a constant number of times; at most ``max_message_bytes`` and the last chunk are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

HEAD_BYTES = 4096
"""How much of a block that cannot be taken is kept, so that a NAK can name the sender's MSH-10."""

CARRIAGE_RETURN_PATIENCE = 0.1
"""Seconds of quiet after a lone FS, after which its block may be taken as complete."""


class FaultKind(StrEnum):
    """Why a block cannot be taken."""

    OVERSIZE = "oversize"
    END_MISSING = "end block missing"
    START_MISSING = "start block missing"


@dataclass(frozen=True, slots=True)
class BlockReceived:
    """A whole block; ``payload`` is exactly what was between start block and end block."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class BlockFault:
    """A block that cannot be taken. ``head`` is its beginning, at most ``HEAD_BYTES``; ``size`` counts its
    payload bytes (for OVERSIZE those seen so far: the limit and one)."""

    kind: FaultKind
    head: bytes
    size: int


@dataclass(frozen=True, slots=True)
class JunkSkipped:
    """Bytes that belong to no block. CR and LF after an end block are not counted."""

    size: int


@dataclass(frozen=True, slots=True)
class ResyncFailed:
    """More than ``max_message_bytes`` passed outside of any block, or after an oversize one, without an end
    or a start: the peer does not speak MLLP (any more). The decoder ignores whatever follows."""

    size: int


class NeedData(Enum):
    """The type of ``NEED_DATA``."""

    NEED_DATA = auto()


NEED_DATA: Final = NeedData.NEED_DATA
"""No event until more is received."""

Event = BlockReceived | BlockFault | JunkSkipped | ResyncFailed


class _Mode(Enum):
    OUTSIDE = auto()
    BLOCK = auto()
    SKIPPING = auto()
    UNSTARTED = auto()
    SPENT = auto()


# Alternatives begin with a literal, so that re skips ordinary bytes at full speed. A match without a name is
# the beginning of a boundary at the end of the input: it waits there for the bytes that decide.
_END = rb"\x1c(?:(?P<end>[\r\n]|(?=\x0b))|\Z)"
_INSIDE = re.compile(_END + rb"|\x0b(?:(?P<start>(?=MSH|FHS|BHS))|(?:MS?|FH?|BH?)?\Z)")
_BOUNDARIES = {
    _Mode.OUTSIDE: re.compile(_END + rb"|\x0b(?P<start>)|M(?:S(?:H(?P<header>)|\Z)|\Z)"),
    _Mode.BLOCK: _INSIDE,
    _Mode.SKIPPING: _INSIDE,
    _Mode.UNSTARTED: re.compile(_END + rb"|\x0b(?P<start>)"),
}
_NEXT_MODE = {
    "end": _Mode.OUTSIDE,
    "start": _Mode.BLOCK,
    "header": _Mode.UNSTARTED,
    "eof": _Mode.SPENT,
}


def frame(payload: bytes) -> bytes:
    """``payload`` as a block. It must have no FS before a CR, LF or VT, which would end the block early (HL7
    text has no control characters but CR)."""
    return b"\x0b" + payload + b"\x1c\r"


class Decoder:
    """Finds the blocks in one direction of one connection.

    After each ``receive_data`` take events until ``NEED_DATA``; ``max_message_bytes`` limits one payload.
    """

    def __init__(self, max_message_bytes: int) -> None:
        self._limit = max_message_bytes
        self._mode = _Mode.OUTSIDE
        self._input = bytearray()
        self._position = 0
        self._kept = bytearray()
        self._size = 0
        self._eof = False

    @property
    def in_block(self) -> bool:
        """Whether a block has begun and not ended."""
        return self._mode in (_Mode.BLOCK, _Mode.SKIPPING)

    @property
    def awaiting_carriage_return(self) -> bool:
        """Whether nothing but the CR after its FS is missing for the end block. Valid after ``NEED_DATA``."""
        return len(self._input) - self._position == 1 and self._input[self._position] == 0x1C

    def accept_without_carriage_return(self) -> None:
        """Take the lone FS as an end block. A CR that comes later is ignored as any between blocks."""
        if self.awaiting_carriage_return:
            self._input += b"\r"

    def receive_data(self, data: bytes) -> None:
        """Add what was received."""
        if self._mode is not _Mode.SPENT:
            self._input += data

    def receive_eof(self) -> None:
        """Nothing will follow: a block that is still open ends as END_MISSING, unless its FS was there."""
        if self._input.endswith(b"\x1c"):
            self._input += b"\r"
        self._eof = True

    def next_event(self) -> Event | NeedData:
        """The next event, or ``NEED_DATA``."""
        if self._position == len(self._input) and not self._eof:
            self._input.clear()
            self._position = 0
            return NEED_DATA
        if whole := self._whole_block():
            return whole
        while self._mode is not _Mode.SPENT:
            stop, resume, boundary = self._find_boundary()
            event = self._consume(stop)
            if event is None:
                if boundary is None:
                    break
                self._position = resume
                event = self._leave(closed=boundary == "end")
                self._enter(_NEXT_MODE[boundary])
            if event is not None:
                return event
        del self._input[: self._position]
        self._position = 0
        return NEED_DATA

    def _whole_block(self) -> BlockReceived | None:
        """Most blocks, at once: all there, and nothing inside that could be a boundary."""
        start = self._position
        if self._mode is not _Mode.OUTSIDE or self._size or not self._input.startswith(b"\x0b", start):
            return None
        end = self._input.find(b"\x1c", start)
        if end < 0 or self._input[end + 1 : end + 2] != b"\r":
            return None
        if end - start - 1 > self._limit or self._input.find(b"\x0b", start + 1, end) >= 0:
            return None
        self._position = end + 2
        return BlockReceived(bytes(self._input[start + 1 : end]))

    def _find_boundary(self) -> tuple[int, int, str | None]:
        """Where the input of the current mode stops, where that of the next begins, and what parts them."""
        if self._mode is _Mode.OUTSIDE and not self._size:
            self._skip_line_breaks()
        mark = _BOUNDARIES[self._mode].search(self._input, self._position)
        if mark is not None and mark.lastgroup is not None:
            # An MSH is the beginning of what follows, not only a boundary
            resume = mark.start() if mark.lastgroup == "header" else mark.end()
            return mark.start(), resume, mark.lastgroup
        end = len(self._input)
        if self._eof:
            return end, end, "eof"
        stop = end if mark is None else mark.start()
        return stop, stop, None

    def _skip_line_breaks(self) -> None:
        while self._position < len(self._input) and self._input[self._position] in b"\r\n":
            self._position += 1

    def _consume(self, stop: int) -> Event | None:
        """Take the input up to ``stop``, or up to the byte that passes the limit, which is an event."""
        room = self._limit - self._size
        over = stop - self._position > room
        if over:
            stop = self._position + room + 1
        self._size += stop - self._position
        if self._mode is _Mode.BLOCK:
            self._kept += self._input[self._position : stop]
        elif self._mode is _Mode.UNSTARTED:
            self._kept += self._input[self._position : stop][: HEAD_BYTES - len(self._kept)]
        self._position = stop
        return self._pass_limit() if over else None

    def _pass_limit(self) -> Event:
        size = self._size
        if self._mode is _Mode.BLOCK:
            event: Event = self._fault(FaultKind.OVERSIZE)
            self._enter(_Mode.SKIPPING)
        else:
            event = ResyncFailed(size)
            self._enter(_Mode.SPENT)
        return event

    def _leave(self, *, closed: bool) -> Event | None:
        """What the current mode comes to; ``closed`` by an end block, or broken off by a start or the end."""
        if self._mode is _Mode.SKIPPING:
            return None
        if self._mode is _Mode.BLOCK:
            if closed:
                return BlockReceived(bytes(self._kept))
            # A start block sent twice is no message that could be answered
            return self._fault(FaultKind.END_MISSING) if self._size else JunkSkipped(1)
        if self._mode is _Mode.UNSTARTED and closed:
            return self._fault(FaultKind.START_MISSING)
        skipped = self._size + closed
        return JunkSkipped(skipped) if skipped else None

    def _fault(self, kind: FaultKind) -> BlockFault:
        return BlockFault(kind, bytes(self._kept[:HEAD_BYTES]), self._size)

    def _enter(self, mode: _Mode) -> None:
        self._mode = mode
        self._kept = bytearray()
        self._size = 0
        if mode is _Mode.SPENT:
            self._position = len(self._input)
