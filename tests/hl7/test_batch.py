"""Batches: each message as it stands, and nothing lost."""

from __future__ import annotations

import pytest

from engine.errors import MessageError
from engine.hl7.batch import is_batch, messages_of_batch
from engine.hl7.message import Message

ENDS = pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n", b"\r\n\r\n"], ids=repr)
FHS, BHS, BTS, FTS = b"FHS|^~\\&|RIS", b"BHS|^~\\&|RIS", b"BTS|2", b"FTS|1"
ONE = (b"MSH|^~\\&|RIS||||||ORM^O01|1|P|2.5", b"PID|1||4711", b"ORC|NW|P1")
TWO = (b"MSH|^~\\&|RIS||||||ORM^O01|2|P|2.5", b"PID|1||4712")


def lines(end: bytes, *of: bytes) -> bytes:
    return b"".join(line + end for line in of)


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \t\r\n", b"\xef\xbb\xbf\r\n"], ids=repr)
def test_a_batch_is_known_by_its_first_segment(before: bytes) -> None:
    assert is_batch(before + FHS)
    assert is_batch(before + BHS)
    assert not is_batch(before + ONE[0])
    assert not is_batch(before + BTS)
    assert not is_batch(before + b"XX" + FHS)


@pytest.mark.parametrize("block", [b"", b"\r\n", b"F", b"BH", b"MSH|^~\\&|\rBHS|"], ids=repr)
def test_what_does_not_begin_with_a_batch_header_is_no_batch(block: bytes) -> None:
    assert not is_batch(block)


@ENDS
@pytest.mark.parametrize(
    ("head", "tail"),
    [((FHS, BHS), (BTS, FTS)), ((BHS,), (BTS,)), ((FHS,), (FTS,)), ((BHS,), ()), ((FHS, BHS), (BTS,))],
)
def test_each_message_is_taken_as_it_stands(
    head: tuple[bytes, ...], tail: tuple[bytes, ...], end: bytes
) -> None:
    block = lines(end, *head, *ONE, *TWO, *tail)
    assert messages_of_batch(block) == [lines(end, *ONE), lines(end, *TWO)]


@ENDS
def test_each_message_of_a_batch_can_be_read(end: bytes) -> None:
    found = [Message(block) for block in messages_of_batch(lines(end, FHS, BHS, *ONE, *TWO, BTS, FTS))]
    assert [message.header.control_id for message in found] == ["1", "2"]
    assert [message.segment_ids for message in found] == [("MSH", "PID", "ORC"), ("MSH", "PID")]


@ENDS
def test_a_file_may_hold_several_batches(end: bytes) -> None:
    block = lines(end, FHS, BHS, *ONE, BTS, BHS, *TWO, *ONE, BTS, FTS)
    assert messages_of_batch(block) == [lines(end, *ONE), lines(end, *TWO), lines(end, *ONE)]


@ENDS
def test_what_stands_before_the_first_message_is_an_item_that_is_refused(end: bytes) -> None:
    junk, *rest = messages_of_batch(lines(end, BHS, b"PID|1||4711", b"ORC|NW", *TWO, BTS))
    assert junk == lines(end, b"PID|1||4711", b"ORC|NW")
    assert rest == [lines(end, *TWO)]
    with pytest.raises(MessageError):
        Message(junk)


@ENDS
def test_what_stands_before_the_header_of_a_batch_after_a_message_is_not_lost(end: bytes) -> None:
    found = messages_of_batch(lines(end, BHS, *ONE, b"NTE|1||late", BTS))
    assert found == [lines(end, *ONE, b"NTE|1||late")]


@pytest.mark.parametrize("block", [b"", b"\r\n", lines(b"\r", FHS, BHS, BTS, FTS), BHS], ids=repr)
def test_a_batch_without_a_message_has_none(block: bytes) -> None:
    assert messages_of_batch(block) == []


def test_the_last_message_may_lack_its_end() -> None:
    assert messages_of_batch(BHS + b"\r" + ONE[0]) == [ONE[0]]
    assert messages_of_batch(b"\xef\xbb\xbf" + BHS + b"\r" + ONE[0] + b"\r" + BTS) == [ONE[0] + b"\r"]


def test_blank_lines_between_messages_belong_to_the_one_before() -> None:
    block = BHS + b"\r\r" + lines(b"\r", *ONE) + b"\r\r" + lines(b"\r", *TWO) + BTS
    assert messages_of_batch(block) == [lines(b"\r", *ONE) + b"\r\r", lines(b"\r", *TWO)]


def test_bytes_of_any_character_set_stay_as_they_are() -> None:
    odd = b"PID|1||4711||M\xfcller^\x1b$B;3\x1b(B^\x00\xff"
    (found,) = messages_of_batch(lines(b"\r", BHS, ONE[0], odd, BTS))
    assert found == lines(b"\r", ONE[0], odd)


def test_a_message_in_a_batch_keeps_its_own_delimiters() -> None:
    (found,) = messages_of_batch(lines(b"\r", BHS, b"MSH#*~\\&#RIS######ORM*O01#1#P#2.5", b"PID#1##4711"))
    assert Message(found).header.message_type == "ORM^O01"
