"""MLLP framing: the same events however the stream is cut, every fault by its name, and at what cost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7 import mllp
from engine.hl7.mllp import (
    HEAD_BYTES,
    NEED_DATA,
    BlockFault,
    BlockReceived,
    Decoder,
    Event,
    FaultKind,
    JunkSkipped,
    ResyncFailed,
    frame,
)

ONE = b"MSH|^~\\&|RIS|H|||20240102||ORM^O01|1|P|2.5\rPID|1\r"
TWO = b"MSH|^~\\&|RIS|H|||20240102||ORM^O01|2|P|2.5\rORC|NW\r"
LIMIT = 1000


def take(decoder: Decoder) -> list[Event]:
    events: list[Event] = []
    while (event := decoder.next_event()) is not NEED_DATA:
        events.append(event)
    return events


def decode(chunks: Iterable[bytes], limit: int = LIMIT, *, eof: bool = False) -> list[Event]:
    decoder = Decoder(limit)
    events: list[Event] = []
    for chunk in chunks:
        decoder.receive_data(chunk)
        events += take(decoder)
    if eof:
        decoder.receive_eof()
        events += take(decoder)
    return events


def singly(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


STREAMS = {
    "two frames": (frame(ONE) + frame(TWO), [BlockReceived(ONE), BlockReceived(TWO)]),
    "line breaks between frames": (
        b"\r\n" + frame(ONE) + b"\n\r\n" + frame(TWO) + b"\r\n",
        [BlockReceived(ONE), BlockReceived(TWO)],
    ),
    "end block lost": (
        b"\x0b" + ONE + frame(TWO),
        [BlockFault(FaultKind.END_MISSING, ONE, len(ONE)), BlockReceived(TWO)],
    ),
    "end block lost before a batch": (
        b"\x0b" + ONE + frame(b"BHS|^~\\&") + b"\x0b" + ONE + frame(b"FHS|^~\\&"),
        [
            BlockFault(FaultKind.END_MISSING, ONE, len(ONE)),
            BlockReceived(b"BHS|^~\\&"),
            BlockFault(FaultKind.END_MISSING, ONE, len(ONE)),
            BlockReceived(b"FHS|^~\\&"),
        ],
    ),
    "start block lost": (
        ONE + b"\x1c\r" + frame(TWO),
        [BlockFault(FaultKind.START_MISSING, ONE, len(ONE)), BlockReceived(TWO)],
    ),
    "start block lost after junk": (
        b"M MS?" + ONE + b"\x1c\r" + frame(TWO),
        [JunkSkipped(5), BlockFault(FaultKind.START_MISSING, ONE, len(ONE)), BlockReceived(TWO)],
    ),
    "start and end block lost": (ONE + frame(TWO), [JunkSkipped(len(ONE)), BlockReceived(TWO)]),
    "junk without a message": (b"\r\nGET /\r\n" + frame(ONE), [JunkSkipped(7), BlockReceived(ONE)]),
    "end block without a block": (
        frame(ONE) + b"\x1c\r" + frame(TWO),
        [BlockReceived(ONE), JunkSkipped(1), BlockReceived(TWO)],
    ),
    "start block twice": (b"\x0b" + frame(ONE), [JunkSkipped(1), BlockReceived(ONE)]),
    "FS before LF": (b"\x0b" + ONE + b"\x1c\n" + frame(TWO), [BlockReceived(ONE), BlockReceived(TWO)]),
    "FS before VT": (b"\x0b" + ONE + b"\x1c" + frame(TWO), [BlockReceived(ONE), BlockReceived(TWO)]),
    "VT and FS as data": (
        frame(b"MSH|\x0bM\x0bMS\x0bFHX\x1c|\x1c\x1c|\x0b\x0b|"),
        [BlockReceived(b"MSH|\x0bM\x0bMS\x0bFHX\x1c|\x1c\x1c|\x0b\x0b|")],
    ),
    "empty block": (frame(b""), [BlockReceived(b"")]),
    "block of the limit": (frame(b"x" * LIMIT), [BlockReceived(b"x" * LIMIT)]),
    "oversize": (
        frame(b"x" * (LIMIT + 100)) + frame(ONE),
        [BlockFault(FaultKind.OVERSIZE, b"x" * (LIMIT + 1), LIMIT + 1), BlockReceived(ONE)],
    ),
    "oversize with its end block lost": (
        b"\x0b" + b"x" * (LIMIT + 100) + frame(ONE),
        [BlockFault(FaultKind.OVERSIZE, b"x" * (LIMIT + 1), LIMIT + 1), BlockReceived(ONE)],
    ),
    "oversize without end": (
        b"\x0b" + b"x" * (2 * LIMIT + 2) + frame(ONE),
        [BlockFault(FaultKind.OVERSIZE, b"x" * (LIMIT + 1), LIMIT + 1), ResyncFailed(LIMIT + 1)],
    ),
    "junk without end": (b"x" * (LIMIT + 50) + frame(ONE), [ResyncFailed(LIMIT + 1)]),
}


@pytest.mark.parametrize(("stream", "expected"), STREAMS.values(), ids=list(STREAMS))
def test_a_stream_gives_its_events_cut_anywhere(stream: bytes, expected: list[Event]) -> None:
    assert decode([stream]) == expected
    assert decode(singly(stream)) == expected
    for at in range(1, len(stream)):
        assert decode([stream[:at], stream[at:]]) == expected


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"\x0b" + ONE, [BlockFault(FaultKind.END_MISSING, ONE, len(ONE))]),
        (b"\x0b" + ONE + b"\x0bMS", [BlockFault(FaultKind.END_MISSING, ONE + b"\x0bMS", len(ONE) + 3)]),
        (b"\x0b" + ONE + b"\x1c", [BlockReceived(ONE)]),
        (ONE + b"\x1c", [BlockFault(FaultKind.START_MISSING, ONE, len(ONE))]),
        (ONE, [JunkSkipped(len(ONE))]),
        (b"MS", [JunkSkipped(2)]),
        (b"\x0b", [JunkSkipped(1)]),
        (frame(ONE) + b"\r\n", [BlockReceived(ONE)]),
        (b"\x0b" + b"x" * (LIMIT + 9), [BlockFault(FaultKind.OVERSIZE, b"x" * (LIMIT + 1), LIMIT + 1)]),
        (b"", []),
    ],
)
def test_the_end_of_the_stream_ends_whatever_is_open(stream: bytes, expected: list[Event]) -> None:
    assert decode([stream], eof=True) == expected
    assert decode(singly(stream), eof=True) == expected


def test_nothing_comes_after_the_end_of_the_stream() -> None:
    decoder = Decoder(LIMIT)
    decoder.receive_data(b"\x0bMSH")
    decoder.receive_eof()
    assert len(take(decoder)) == 1
    decoder.receive_data(frame(ONE))
    assert take(decoder) == []


FRAGMENTS = [b"\x0b", b"\x1c", b"\r", b"\n", b"MSH", b"M", b"MS", b"SH", b"FHS", b"BH", b"x", b"yyyyy"]


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = b"".join(draw(st.lists(st.sampled_from(FRAGMENTS), max_size=40)))
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    edges = [0, *cuts, len(stream)]
    return stream, [stream[a:b] for a, b in pairwise(edges)]


@given(chunked(), st.integers(1, 20), st.booleans())
def test_any_chunking_gives_the_same_events(case: tuple[bytes, list[bytes]], limit: int, eof: bool) -> None:
    stream, chunks = case
    whole = decode([stream], limit, eof=eof)
    assert decode(chunks, limit, eof=eof) == whole
    assert decode(singly(stream), limit, eof=eof) == whole


@given(chunked(), st.integers(1, 20))
def test_events_may_be_taken_late(case: tuple[bytes, list[bytes]], limit: int) -> None:
    stream, chunks = case
    decoder = Decoder(limit)
    for chunk in chunks:
        decoder.receive_data(chunk)
    assert take(decoder) == decode([stream], limit)


PAYLOADS = st.binary(max_size=200).filter(
    lambda payload: not re.search(rb"\x1c[\r\n\x0b]|\x0b(MSH|FHS|BHS)", payload)
)


@given(st.lists(PAYLOADS, max_size=8))
def test_decoding_undoes_framing(payloads: list[bytes]) -> None:
    stream = b"".join(map(frame, payloads))
    assert decode([stream]) == [BlockReceived(payload) for payload in payloads]


def test_the_head_of_a_fault_is_limited() -> None:
    body = b"MSH|" + b"x" * (3 * HEAD_BYTES)
    for stream in (b"\x0b" + body + frame(ONE), body + b"\x1c\r" + frame(ONE)):
        fault = decode([stream], limit=10 * HEAD_BYTES)[0]
        assert isinstance(fault, BlockFault)
        assert (fault.head, fault.size) == (body[:HEAD_BYTES], len(body))


def test_a_fault_of_size_is_told_before_the_block_ends() -> None:
    decoder = Decoder(10)
    decoder.receive_data(b"\x0b" + b"x" * 10)
    assert take(decoder) == []
    decoder.receive_data(b"x")
    assert take(decoder) == [BlockFault(FaultKind.OVERSIZE, b"x" * 11, 11)]


def test_being_in_a_block_is_known_at_every_byte() -> None:
    decoder = Decoder(LIMIT)
    stream = frame(ONE)
    known = []
    for byte in singly(stream):
        decoder.receive_data(byte)
        take(decoder)
        known.append(decoder.in_block)
    assert known == [True] * (len(stream) - 1) + [False]


def test_the_rest_of_an_oversize_block_is_still_a_block() -> None:
    decoder = Decoder(10)
    decoder.receive_data(b"\x0b" + b"x" * 15)
    take(decoder)
    assert decoder.in_block
    decoder.receive_data(b"\x1c\r")
    take(decoder)
    assert not decoder.in_block


def test_a_lone_fs_can_be_accepted_and_its_late_cr_is_ignored() -> None:
    decoder = Decoder(LIMIT)
    decoder.receive_data(b"\x0b" + ONE)
    assert take(decoder) == []
    assert not decoder.awaiting_carriage_return
    decoder.accept_without_carriage_return()  # nothing to accept yet
    decoder.receive_data(b"\x1c")
    assert take(decoder) == []
    assert decoder.awaiting_carriage_return
    decoder.accept_without_carriage_return()
    assert take(decoder) == [BlockReceived(ONE)]
    assert not decoder.awaiting_carriage_return
    decoder.receive_data(b"\r" + frame(TWO))
    assert take(decoder) == [BlockReceived(TWO)]


class CountingPattern:
    """A pattern that counts the bytes it looks at."""

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern
        self.looked_at = 0

    def search(self, text: bytearray, position: int) -> re.Match[bytes] | None:
        mark = self.pattern.search(text, position)
        self.looked_at += (mark.end() if mark else len(text)) - position
        return mark


@pytest.mark.parametrize(
    "stream",
    [
        frame(b"MSH|" + b"x" * 200_000),
        b"\x0bMSH|" + b"\x0bMS\x1c" * 50_000,
        frame(ONE) * 2_000,
        b"M\x1c\rMSH|\x1c" * 20_000,
        b"\x0b" + b"x" * 400_000,
    ],
    ids=["one big frame", "near boundaries", "small frames", "junk", "oversize"],
)
@pytest.mark.parametrize("chunk", [7, 1000, 1_000_000])
def test_each_byte_is_looked_at_a_constant_number_of_times(
    stream: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CountingInput(bytearray):
        looked_at = 0

        def find(self, sought: Any, start: Any = 0, end: Any = None) -> int:
            found = super().find(sought, start, end)
            last = len(self) if end is None else end
            CountingInput.looked_at += (last if found < 0 else found) - start
            return found

    counting = {mode: CountingPattern(pattern) for mode, pattern in mllp._BOUNDARIES.items()}
    monkeypatch.setattr(mllp, "_BOUNDARIES", counting)
    monkeypatch.setattr(mllp, "bytearray", CountingInput, raising=False)
    decode([stream[i : i + chunk] for i in range(0, len(stream), chunk)], limit=250_000)
    looked_at = CountingInput.looked_at + sum(pattern.looked_at for pattern in counting.values())
    assert len(stream) // 2 < looked_at <= 3 * len(stream)


def test_a_thousand_frames_in_one_chunk_copy_the_input_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class CountingInput(bytearray):
        deletions = 0

        def __delitem__(self, key: object) -> None:
            CountingInput.deletions += 1
            super().__delitem__(key)  # type: ignore[arg-type]

        def clear(self) -> None:
            CountingInput.deletions += 1
            super().clear()

    decoder = Decoder(LIMIT)
    monkeypatch.setattr(decoder, "_input", CountingInput())
    payloads = [ONE + b"NTE|%d\r" % number for number in range(1000)]
    decoder.receive_data(b"".join(map(frame, payloads)))
    assert take(decoder) == [BlockReceived(payload) for payload in payloads]
    assert CountingInput.deletions == 1


def test_no_more_than_the_limit_and_a_chunk_is_kept() -> None:
    limit, chunk = 5_000, 1_000
    decoder = Decoder(limit)
    largest = 0
    for piece in [b"\x0b", *[b"x" * chunk] * 9, b"\x1c\rMSH|", *[b"y" * chunk] * 9, b"\x1c\r"]:
        decoder.receive_data(piece)
        largest = max(largest, len(decoder._input) + len(decoder._kept))
        take(decoder)
        assert len(decoder._input) <= 3
        largest = max(largest, len(decoder._kept))
    assert chunk < largest <= limit + 1 + chunk
