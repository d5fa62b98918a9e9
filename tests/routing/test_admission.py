"""Which messages are taken at all, and the code of HL7 table 0357 for those that are not."""

from __future__ import annotations

from typing import Any

import pytest

from engine.errors import MessageError
from engine.hl7.message import Header, Message
from engine.hl7.path import FieldPath
from engine.routing.admission import ANYTHING, Admission, Sender, examine
from engine.routing.rules import DestinationRule, MessagePattern, Route, StudyWant
from engine.routing.table import RouteTable


def header(
    application: str = "RIS",
    facility: str = "WARD",
    kind: str = "ORM^O01",
    processing: str = "P",
    version: str = "2.5.1",
) -> Header:
    return Message(f"MSH|^~\\&|{application}|{facility}|||||{kind}|1|{processing}|{version}".encode()).header


def route(*patterns: str, **more: Any) -> Route:
    messages = tuple(MessagePattern.parse(pattern) for pattern in patterns)
    want = StudyWant(FieldPath.parse("ZDS-1"))
    return Route("r", messages, (want,), archive="main", destination=DestinationRule("room"), **more)


def refusal(head: Header, admission: Admission, *routes: Route) -> MessageError | None:
    try:
        examine(head, admission, RouteTable(routes))
    except MessageError as error:
        refused = error
    else:
        return None
    assert refused.reject  # an AR
    return refused


def code(head: Header, admission: Admission, *routes: Route) -> tuple[int, str] | None:
    error = refusal(head, admission, *routes)
    return None if error is None else (error.code, error.location)


@pytest.mark.parametrize(
    "head",
    [header(), header("", ""), header(kind="ADT^A08"), header(processing="", version=""), header(kind="X")],
)
def test_without_a_policy_anything_is_taken(head: Header) -> None:
    assert code(head, ANYTHING) is None
    assert code(head, Admission(), route("ORU^R01")) is None


@pytest.mark.parametrize(
    ("sender", "head", "taken"),
    [
        (Sender(), header("", ""), True),
        (Sender("RIS"), header("RIS", "anywhere"), True),
        (Sender("RIS"), header("ris"), False),
        (Sender("RIS"), header("RIS2"), False),
        (Sender("RIS"), header("RIS^1.2.3^ISO"), True),
        (Sender("RIS*"), header("RIS2"), True),
        (Sender("RI?"), header("RIS"), True),
        (Sender("RI?"), header("RIS2"), False),
        (Sender("RIS", "WARD"), header("RIS", "WARD^1.2.3^ISO"), True),
        (Sender("RIS", "WARD"), header("RIS", "OTHER"), False),
        (Sender("RIS", "WARD"), header("OTHER", "WARD"), False),
        (Sender("*", "WARD"), header("", "WARD"), True),
        (Sender("*", "WARD"), header("RIS", ""), False),
    ],
)
def test_a_sender_is_known_by_its_application_and_facility(sender: Sender, head: Header, taken: bool) -> None:
    assert sender.matches(head) is taken
    assert code(head, Admission(senders=(sender,))) == (None if taken else (103, "MSH-3.1"))


def test_one_of_several_senders_is_enough() -> None:
    admission = Admission(senders=(Sender("RIS"), Sender("*", "WARD")))
    assert code(header("RIS", "X"), admission) is None
    assert code(header("X", "WARD"), admission) is None
    assert code(header("X", "X"), admission) == (103, "MSH-3.1")


def test_a_senders_name_may_stand_between_other_delimiters() -> None:
    head = Message(b"MSH#*~\\&#RIS*1.2.3*ISO#WARD*x#####ORM*O01#1#P*T#2.5").header
    assert code(head, Admission(senders=(Sender("RIS", "WARD"),), processing_ids=("P",))) is None


@pytest.mark.parametrize(
    ("processing", "taken"),
    [("P", True), ("T", True), ("D", False), ("P^T", True), ("D^P", False), ("", False), ("p", False)],
)
def test_a_processing_id_that_is_not_accepted_is_named(processing: str, taken: bool) -> None:
    error = refusal(header(processing=processing), Admission(processing_ids=("P", "T")))
    if taken:
        assert error is None
    else:
        assert error is not None
        assert (error.code, error.location) == (202, "MSH-11.1")
        assert "P, T" in error.text


@pytest.mark.parametrize(
    ("version", "taken"),
    [("2.3", True), ("2.5", True), ("2.5.1", True), ("2.5.1^DEU", True), ("2.4", False), ("", False)],
)
def test_a_version_that_is_not_accepted_is_named(version: str, taken: bool) -> None:
    error = refusal(header(version=version), Admission(versions=("2.3", "2.5*")))
    if taken:
        assert error is None
    else:
        assert error is not None
        assert (error.code, error.location) == (203, "MSH-12.1")
        assert "2.3, 2.5*" in error.text


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("ORM^O01", None),
        ("ORM^O01^ORM_O01", None),
        ("ADT^A05", None),
        ("SIU^S12", None),
        ("SIU", None),
        ("ORM^O02", (201, "MSH-9.2")),
        ("ORM", (201, "MSH-9.2")),
        ("ADT^A11", (201, "MSH-9.2")),
        ("ORU^R01", (200, "MSH-9.1")),
        ("orm^O01", (200, "MSH-9.1")),
        ("MDM^T02", (200, "MSH-9.1")),
    ],
)
def test_a_type_or_an_event_that_no_route_is_for_is_told_apart(
    kind: str, answer: tuple[int, str] | None
) -> None:
    routes = [route("ORM^O01", "ADT^A0?"), route("SIU"), route("MDM", enabled=False)]
    assert code(header(kind=kind), Admission(unrouted=False), *routes) == answer


def test_with_no_route_at_all_every_type_is_refused_unless_unrouted_ones_are_taken() -> None:
    assert code(header(), Admission(unrouted=False)) == (200, "MSH-9.1")
    assert code(header(), Admission(unrouted=True)) is None
    assert code(header(), Admission(unrouted=False), route("*")) is None


def test_the_sender_is_examined_before_all_else_and_the_type_last() -> None:
    admission = Admission((Sender("PAS"),), ("T",), ("2.3",), unrouted=False)
    assert code(header("RIS"), admission) == (103, "MSH-3.1")
    assert code(header("PAS"), admission) == (202, "MSH-11.1")
    assert code(header("PAS", processing="T"), admission) == (203, "MSH-12.1")
    assert code(header("PAS", processing="T", version="2.3"), admission) == (200, "MSH-9.1")
    assert code(header("PAS", processing="T", version="2.3"), admission, route("ORM")) is None


def test_a_refusal_does_not_name_the_sender() -> None:
    error = refusal(header("DOE", "JOHN"), Admission(senders=(Sender("RIS"),)))
    assert error is not None
    assert "DOE" not in error.text
    assert "JOHN" not in error.text
    assert "intake.senders" in error.text
