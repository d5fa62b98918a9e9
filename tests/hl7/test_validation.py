"""Validation of whole messages by hl7apy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import MessageError
from engine.hl7.message import Message
from engine.hl7.validation import faults_of

ADT = "MSH|^~\\&|A|B|C|D|20261124||ADT^A01^ADT_A01|1|P|2.5\rEVN||20261124\rPID|||1^^^H||Virtanen^Aino\rPV1||I"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("front", ["", "\ufeff", "\r\n"])
def test_a_valid_message_has_no_fault(end: str, front: str) -> None:
    assert faults_of(Message((front + ADT.replace("\r", end)).encode())) == ""


def test_a_valid_message_with_a_line_feed_in_a_text_has_no_fault() -> None:
    assert faults_of(Message(ADT.replace("Aino", "Ai\nno").encode())) == ""


def test_a_missing_segment_is_named() -> None:
    assert "PV1" in faults_of(Message(ADT.replace("\rPV1||I", "").encode()))


def test_a_missing_field_is_named() -> None:
    assert "PID_5" in faults_of(Message(ADT.replace("Virtanen^Aino", "").encode()))


def test_an_unknown_version_is_a_fault() -> None:
    assert faults_of(Message(ADT.replace("|2.5\r", "|2.99\r").encode()))


def test_a_structure_that_hl7apy_does_not_know_is_a_fault() -> None:
    assert faults_of(Message(ADT.replace("ADT^A01^ADT_A01", "XYZ^Z99^XYZ_Z99").encode()))


_PIECES = st.lists(st.sampled_from(["|", "^", "~", "\\", "&", "\r", "PID", "OBX|", "ZZZ|", "1", "ä", ""]))


@settings(deadline=None)
@given(
    st.sampled_from(["2.1", "2.3", "2.5", "2.8.2", "x", ""]),
    st.sampled_from(["ADT^A01^ADT_A01", "ORM^O01", "ORM", "ACK", "x^y^z"]),
    _PIECES,
)
def test_any_message_gets_an_answer_in_words(version: str, kind: str, rest: list[str]) -> None:
    try:
        message = Message(f"MSH|^~\\&|A|B|C|D|||{kind}|1|P|{version}\r{''.join(rest)}".encode())
    except MessageError:
        return
    assert isinstance(faults_of(message), str)
