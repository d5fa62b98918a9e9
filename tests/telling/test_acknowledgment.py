"""What an acknowledgment says, whatever its version."""

from __future__ import annotations

import datetime as dt

import pytest

from engine.errors import MessageError
from engine.hl7.ack import AckCode, AckError, Envelope, Reply, Severity, acknowledge
from engine.hl7.message import Header
from engine.telling.acknowledgment import Acknowledgment, acknowledgment_lines, read_acknowledgment
from engine.telling.line import Line

MOVED = AckError(
    Severity.ERROR,
    207,
    "study 1.2.3 to reading: unable | to process",
    application_code=("A801", "destination", "99DICOM"),
    diagnostics="task 12; completed 3, failed 1; no such AE",
)
WAITS = AckError(Severity.INFORMATION, 0, "task 7: study 1.2 to reading is held")
WRONG = AckError(Severity.ERROR, 102, "no UID", location="ZDS(2)-1(3).2")
GONE = AckError(Severity.ERROR, 207, "no answer", application_code=("unreachable", "none", "99FOREFETCH"))


def answered(version: str, *errors: AckError, code: AckCode = AckCode.AE) -> Acknowledgment:
    header = Header(type_code="ORM", trigger="O01", control_id="M1", version_id=version)
    envelope = Envelope("A1", dt.datetime(2026, 11, 24, tzinfo=dt.UTC))
    return read_acknowledgment(acknowledge(header, Reply(code, "in short", errors), envelope))


def test_each_line_is_read_with_its_place_its_status_and_its_task() -> None:
    told = answered("2.5.1", MOVED, WAITS, WRONG, GONE)
    assert (told.code, told.text, told.control_id, told.positive) == ("AE", "in short", "M1", False)
    moved, waits, wrong, gone = told.lines
    assert (moved.severity, moved.code, moved.dicom_status, moved.cause) == ("E", "207", "A801", "")
    assert (moved.text, moved.task) == ("study 1.2.3 to reading: unable | to process", 12)
    assert moved.diagnostics == "task 12; completed 3, failed 1; no such AE"
    assert (waits.severity, waits.code, waits.task, waits.location) == ("I", "0", 7, "")
    assert (wrong.location, wrong.task) == ("ZDS(2)-1(3).2", None)
    assert (gone.dicom_status, gone.cause) == ("", "unreachable")


@pytest.mark.parametrize("version", ["2.2", "2.3.1", "2.4"])
def test_up_to_2_4_errors_have_no_severity_and_their_text_stands_beside_the_status(version: str) -> None:
    moved, wrong = answered(version, MOVED, WAITS, WRONG).lines
    assert (moved.severity, moved.code, moved.dicom_status) == ("", "207", "A801")
    assert moved.text == "destination"
    assert (wrong.code, wrong.text, wrong.location) == ("102", "Data type error", "ZDS-1")


def test_from_2_7_on_there_is_no_sentence_but_those_of_the_lines() -> None:
    told = answered("2.8", MOVED)
    assert (told.text, len(told.lines)) == ("", 1)


@pytest.mark.parametrize(
    ("code", "positive"), [("AA", True), ("CA", True), ("AE", False), ("AR", False), ("CE", False)]
)
def test_two_codes_are_positive(code: str, positive: bool) -> None:
    assert answered("2.5.1", code=AckCode(code)).positive is positive


def test_it_is_told_in_lines() -> None:
    assert list(acknowledgment_lines("M1", answered("2.5.1", MOVED, WAITS))) == [
        Line("M1: AE in short", "red"),
        Line(
            "  E A801 study 1.2.3 to reading: unable | to process task 12; completed 3, failed 1; no such AE"
        ),
        Line("  I task 7: study 1.2 to reading is held"),
    ]


def test_what_is_no_acknowledgment_cannot_be_read() -> None:
    with pytest.raises(MessageError):
        read_acknowledgment(b"HTTP/1.1 400 Bad Request")
