"""What holds for any bytes: of streams, of messages, and of what the engine makes of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.hl7.charset import decode
from engine.hl7.encoding import Delimiters, escape
from engine.hl7.message import Message
from engine.hl7.mllp import NEED_DATA, BlockReceived, Decoder, frame
from engine.hl7.path import FieldPath
from engine.hl7.segments import split_segments
from tests.conformance.case import tables
from tests.conformance.notation import Names
from tests.fuzz.targets import CheckIntake, check_decoder, check_message, samples

_SAMPLES = samples()
_STREAMS = [
    Names().to_bytes(exchange.send)
    for table in tables()
    for case in table.cases
    for exchange in case.exchanges
    if 0 < len(exchange.send) < 2000
]
_BITS = [
    b"\x0b",
    b"\x1c",
    b"\r",
    b"\n",
    b"|",
    b"^",
    b"~",
    b"\\",
    b"&",
    b"MSH",
    b"|^~\\&|",
    b"\xe4",
    b"\x1b$B",
]
_PIECES = st.sampled_from(_BITS) | st.binary(max_size=4)


@st.composite
def _mutated(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """One of the originals with some places cut out or overwritten."""
    data = draw(st.sampled_from(originals))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        data = data[:start] + draw(_PIECES) + data[start + draw(st.integers(0, 20)) :]
    return data


_ANY = st.binary() | st.lists(_PIECES, max_size=30).map(b"".join)


@pytest.fixture(scope="module")
def check_intake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckIntake]:
    check = CheckIntake(tmp_path_factory.mktemp("intake"))
    yield check
    check.close()


@settings(deadline=None, max_examples=300)
@given(head=st.binary(min_size=2, max_size=2), stream=_ANY | _mutated(_STREAMS))
def test_any_cuts_of_a_stream_give_the_same_blocks(head: bytes, stream: bytes) -> None:
    check_decoder(head + stream)


@settings(deadline=None)
@given(messages=st.lists(st.sampled_from(_SAMPLES), max_size=4), size=st.integers(1, 500))
def test_framing_and_decoding_is_the_identity(messages: list[bytes], size: int) -> None:
    stream = b"".join(map(frame, messages))
    decoder = Decoder(4096)
    found = []
    for start in range(0, len(stream), size):
        decoder.receive_data(stream[start : start + size])
        while (event := decoder.next_event()) is not NEED_DATA:
            found.append(event)
    assert found == [BlockReceived(message) for message in messages]


@settings(deadline=None, max_examples=300)
@given(_ANY | _mutated(_SAMPLES))
def test_any_bytes_are_read_decided_and_acknowledged_or_refused_by_an_error_of_ours(data: bytes) -> None:
    check_message(data)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=_ANY | _mutated(_SAMPLES))
@example(data=b"")
def test_any_block_is_answered_by_an_acknowledgment(check_intake: CheckIntake, data: bytes) -> None:
    check_intake(data)


_TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)


@settings(deadline=None)
@given(st.lists(_TEXT.map(lambda text: f"NTE|1||{text}"), max_size=6))
def test_the_segments_of_a_message_joined_are_the_message(segments: list[str]) -> None:
    lines = ["MSH|^~\\&|A|B|C|D|20261124||ADT^A01|1|P|2.5", *segments]
    text = "".join(f"{line}\r" for line in lines)
    assert split_segments(text) == lines
    assert Message(text.encode()).raw == text.encode()


@pytest.mark.parametrize("raw", _SAMPLES[:12])
def test_the_segments_of_a_sample_joined_are_the_sample(raw: bytes) -> None:
    text = decode(raw, "UNICODE UTF-8").text
    assert "".join(f"{line}\r" for line in split_segments(text)) == text


@settings(deadline=None)
@given(
    texts=st.lists(_TEXT.map(lambda text: text.strip(" ")), min_size=1, max_size=4),
    marks=st.permutations("|^~\\&#$!*%:;"),
)
def test_a_text_that_was_escaped_is_read_as_it_was(texts: list[str], marks: list[str]) -> None:
    field, component, repetition, mark, subcomponent = marks[:5]
    delimiters = Delimiters(field, component, repetition, mark, subcomponent, "".join(marks[1:5]))
    written = component.join(escape(text, delimiters) for text in texts)
    header = field.join([f"MSH{field}{delimiters.encoding}", *"ABCD", "", "", "ADT", "1", "P", "2.5"])
    message = Message(f"{header}\rNTE{field}1{field}{field}{written}\r".encode())
    for number, text in enumerate(texts, 1):
        found = [value.text for value in message.values(FieldPath.parse(f"NTE-3.{number}"))]
        assert found == ([text] if text else [])
