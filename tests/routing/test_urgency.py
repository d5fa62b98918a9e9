"""STAT from the message, and whom budgets are kept for."""

from __future__ import annotations

import pytest

from engine.hl7.message import Message
from engine.retrieve.task import Priority
from engine.routing.router import plan_of
from engine.routing.urgency import urgency_of
from tests.routing.test_router import decided, message, route


def asked(*segments: str) -> Message:
    lines = ["MSH|^~\\&|HIS|HOSP|F|R|20261124080000||ORM^O01|1|P|2.5.1", *segments]
    return Message("".join(line + "\r" for line in lines).encode())


@pytest.mark.parametrize(
    ("segments", "urgency"),
    [
        (("TQ1|1||||||||S^Stat^HL70485",), Priority.STAT),
        (("TQ1|1||||||||A^ASAP^HL70485",), Priority.HIGH),
        (("TQ1|1||||||||R^Routine^HL70485",), None),
        (("ORC|NW|1|1||||^^^^^S",), Priority.STAT),
        (("OBR|1|1|1|X|||||||||||||||||||||||^^^^^A",), Priority.HIGH),
        (("OBR|1|1|1|X|S",), Priority.STAT),
        (("OBR|1|1|1|X|s",), None),
        (("OBR|1|1|1|X|R", "OBR|2|1|1|X|A", "TQ1|1||||||||S"), Priority.STAT),
        ((), None),
    ],
)
def test_the_most_urgent_of_the_orders_counts(segments: tuple[str, ...], urgency: Priority | None) -> None:
    assert urgency_of(asked(*segments)) is urgency


@pytest.mark.parametrize(
    ("own", "said", "expected"),
    [
        (Priority.LOW, "S", Priority.STAT),
        (Priority.LOW, "A", Priority.HIGH),
        (Priority.HIGH, "R", Priority.HIGH),
        (Priority.LOW, "R", Priority.LOW),
    ],
)
def test_a_message_may_make_its_retrieves_more_urgent_and_never_less(
    own: Priority, said: str, expected: Priority
) -> None:
    ordered = message("ZDS|1.2", f"TQ1|1||||||||{said}")
    (request,) = plan_of(decided(ordered, [route(priority=own)])).requests
    assert request.priority is expected


@pytest.mark.parametrize(
    ("identifiers", "patient"),
    [("4711^^^FOREST^MR~9^^^OTHER", "4711^FOREST"), ("4711", "4711"), ("", ""), ('""', "")],
)
def test_budgets_are_kept_for_the_first_patient_id_with_its_authority(identifiers: str, patient: str) -> None:
    (request,) = plan_of(decided(message("ZDS|1.2", f"PID|1||{identifiers}"), [route()])).requests
    assert request.patient == patient
