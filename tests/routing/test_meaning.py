"""What a message means beyond its routes: orders, visits and merges."""

from __future__ import annotations

import pytest

from engine.hl7.message import Message
from engine.routing.meaning import (
    NO_MEANING,
    Kind,
    Meaning,
    Merge,
    Number,
    Occasion,
    PatientIdentifier,
    meaning_of,
)


def message(kind: str, *segments: str) -> Message:
    return Message("\r".join([f"MSH|^~\\&|A|B|C|D|||{kind}|1|P|2.5", *segments]).encode())


def number_of(text: str) -> Number:
    """``P1`` or, with who gave it, ``P1^RIS``."""
    value, _, giver = text.partition("^")
    return Number(value, giver)


def order(placer: str = "", filler: str = "") -> Occasion:
    return Occasion("order", number_of(placer), number_of(filler))


def visit(number: str = "", patient: str = "") -> Occasion:
    return Occasion("visit", number_of(number), number_of(patient), (patient,) if patient else ())


def orders(*segments: str) -> Meaning:
    return meaning_of(message("ORM^O01", *segments))


def admission(event: str, number: str = "V1", patient: str = "4711") -> Meaning:
    return meaning_of(message(f"ADT^{event}", f"PID|1||{patient}", f"PV1|1{'|' * 18}{number}"))


# Orders


@pytest.mark.parametrize("control", ["NW", "SN", "SC", "RE", "XX", ""])
def test_an_order_is_what_its_retrieves_are_for(control: str) -> None:
    assert orders(f"ORC|{control}|P1^RIS|F1^PACS") == Meaning(occasions=(order("P1^RIS", "F1^PACS"),))


@pytest.mark.parametrize("control", ["CA", "DC", "OC"])
def test_a_canceled_order_is_taken_back(control: str) -> None:
    assert orders(f"ORC|{control}|P1^RIS|F1^PACS") == Meaning(
        withdrawn=(order("P1^RIS", "F1^PACS"),), cancels=True
    )


def test_a_changed_order_is_taken_back_and_asked_for_anew() -> None:
    assert orders("ORC|XO|P1|F1") == Meaning((order("P1", "F1"),), (order("P1", "F1"),), replaced=True)


@pytest.mark.parametrize("kind", ["ORM^O01", "OMI^O23", "OMG^O19", "ORU^R01", "ORM"])
def test_orders_are_read_in_every_message_that_has_them(kind: str) -> None:
    assert meaning_of(message(kind, "ORC|CA|P1")) == Meaning(withdrawn=(order("P1"),), cancels=True)


@pytest.mark.parametrize(
    "segment", ["ORC|CA", "ORC|CA||", "ORC|CA|^RIS|^PACS", 'ORC|CA|""|""', "OBR|1|P1|F1"]
)
def test_an_order_without_a_number_or_without_orc_names_nothing(segment: str) -> None:
    cancels = segment.startswith("ORC|CA")  # it asks for nothing all the same
    assert orders("PID|1||4711", segment) == Meaning(cancels=cancels)


def test_a_message_without_orders_means_nothing() -> None:
    assert meaning_of(message("SIU^S12", "SCH|1", "PID|1||4711", "PV1|1")) == NO_MEANING


@pytest.mark.parametrize(
    ("orc", "obr", "found"),
    [
        ("ORC|NW|P1|F1", "OBR|1|P9|F9", order("P1", "F1")),
        ("ORC|NW|P1", "OBR|1|P9|F9", order("P1", "F9")),
        ("ORC|NW||F1", "OBR|1|P9|F9", order("P9", "F1")),
        ("ORC|NW", "OBR|1|P9|F9", order("P9", "F9")),
        ('ORC|NW|""|F1', "OBR|1|P9", order("P9", "F1")),
        ("ORC|NW|P1", "OBR|1", order("P1")),
    ],
)
def test_what_orc_lacks_is_taken_from_obr(orc: str, obr: str, found: Occasion) -> None:
    assert orders(orc, obr) == Meaning(occasions=(found,))


def test_each_order_of_a_message_counts_for_itself() -> None:
    meaning = orders(
        *("ORC|NW|P1|F1", "OBR|1"),
        *("ORC|CA|P2", "OBR|2||F2"),
        *("ORC|XO", "OBR|3|P3|F3"),
        *("ORC|DC|P4|F4", "OBR|4|P9|F9"),
        *("ORC|SC||F5", "OBR|5"),
    )
    assert meaning.occasions == (order("P1", "F1"), order("P3", "F3"), order("", "F5"))
    assert meaning.withdrawn == (order("P2", "F2"), order("P3", "F3"), order("P4", "F4"))
    assert meaning.replaced
    assert meaning.merges == ()


def test_the_obr_of_another_order_lends_no_number() -> None:
    assert orders("ORC|NW|P1", "OBR|1", "ORC|NW|P2", "OBR|2||F2").occasions == (
        order("P1"),
        order("P2", "F2"),
    )


def test_an_order_that_is_named_twice_is_one() -> None:
    assert orders("ORC|NW|P1|F1", "ORC|NW|P1|F1", "ORC|NW|P1").occasions == (order("P1", "F1"), order("P1"))
    assert orders("ORC|CA|P1", "ORC|DC|P1").withdrawn == (order("P1"),)


def test_numbers_are_read_without_their_escapes() -> None:
    assert orders("ORC|NW|P\\S\\1|F\\T\\1").occasions == (Occasion("order", Number("P^1"), Number("F&1")),)


def test_an_order_in_an_adt_message_is_none() -> None:
    assert meaning_of(message("ADT^A08", "PID|1||4711", "ORC|CA|P1")).withdrawn == ()


# Visits


@pytest.mark.parametrize("event", ["A01", "A04"])
def test_a_visit_is_what_its_retrieves_are_for(event: str) -> None:
    assert admission(event) == Meaning(occasions=(visit("V1", "4711"),))


def of_kind(kind: Kind, number: str = "V1", patient: str = "4711") -> Occasion:
    return visit(number, patient)._replace(kind=kind)


def test_a_canceled_admission_takes_back_its_visit_and_a_canceled_pre_admission_that() -> None:
    planned = of_kind("pre-admission")
    assert admission("A05") == Meaning(occasions=(planned,))
    assert admission("A11") == Meaning(withdrawn=(visit("V1", "4711"),), cancels=True)
    assert admission("A38") == Meaning(withdrawn=(planned,), cancels=True)


def test_what_an_update_asks_for_is_taken_back_with_the_visit_that_it_updates() -> None:
    (updated,) = admission("A08").occasions
    assert all(updated.same_as(of_kind(kind)) for kind in ("visit", "pre-admission"))
    assert not of_kind("visit").same_as(of_kind("pre-admission"))
    assert not updated.same_as(order("V1", "4711"))


def test_a_visit_is_told_by_its_number_and_by_the_patient_only_where_there_is_none() -> None:
    assert visit("V1", "1").same_as(visit("V1", "2"))  # the store knows whether they were merged
    assert not visit("V1", "1").same_as(visit("V2", "1"))
    assert not visit("V1^LAKE", "1").same_as(visit("V1^FOREST", "1"))
    assert not visit("V1", "1").same_as(visit("", "1"))
    assert visit("", "1").same_as(visit("", "1"))


@pytest.mark.parametrize("event", ["A02", "A03", "A12", "A13", "A31"])
def test_other_events_take_nothing_back_and_merge_nothing(event: str) -> None:
    meaning = admission(event)
    assert (meaning.withdrawn, meaning.merges, meaning.replaced) == ((), (), False)


@pytest.mark.parametrize("event", ["A01", "A11"])
def test_a_visit_is_known_by_its_number_and_the_patient(event: str) -> None:
    meaning = admission(event, "V1^^^HOSP", "4711^^^HOSP^MR~99^^^INS")
    known = Occasion("visit", Number("V1", "HOSP"), Number("4711", "HOSP"), ("4711", "99"))
    assert meaning.occasions + meaning.withdrawn == (known,)
    for unknown in (admission(event, "", ""), admission(event, '""', '""')):
        assert unknown.occasions + unknown.withdrawn == ()


# Merges


def merged(event: str, *segments: str) -> tuple[Merge, ...]:
    meaning = meaning_of(message(f"ADT^{event}", *segments))
    assert (meaning.occasions, meaning.withdrawn) == ((), ())
    return meaning.merges


def merge(old: str, new: str, authority: str = "") -> Merge:
    return Merge(PatientIdentifier(old, authority), PatientIdentifier(new, authority))


@pytest.mark.parametrize("event", ["A18", "A40", "A47"])
def test_a_merge_makes_the_old_identifier_the_surviving_one(event: str) -> None:
    assert merged(event, "PID|1||2", "MRG|1") == (merge("1", "2"),)
    assert merged(event, "PID|1||2^^^A^MR", "PV1|1", "MRG|1^^^A^MR") == (merge("1", "2", "A"),)


def test_no_other_event_merges() -> None:
    for event in ("A01", "A08", "A11", "A41"):
        assert meaning_of(message(f"ADT^{event}", "PID|1||2", "MRG|1")).merges == ()


def test_each_identifier_is_merged_with_the_one_of_its_own_authority() -> None:
    found = merged("A40", "PID|1||2^^^A~20^^^B~200^^^C", "MRG|10^^^B~1^^^A~1000^^^D")
    assert found == (merge("10", "20", "B"), merge("1", "2", "A"))


def test_the_authority_is_its_namespace() -> None:
    assert merged("A40", "PID|1||2^^^A&1.2.3&ISO", "MRG|1^^^A&1.2.3&ISO") == (merge("1", "2", "A"),)


@pytest.mark.parametrize(
    "segments",
    [
        ("PID|1||2^^^A", "MRG|1^^^B"),
        ("PID|1||1^^^A", "MRG|1^^^A"),
        ("PID|1||2",),
        ("MRG|1",),
        ("PID|1||2", "MRG|"),
        ("PID|1||", "MRG|1"),
    ],
)
def test_nothing_is_merged_where_nothing_is_said_to_be_one(segments: tuple[str, ...]) -> None:
    assert merged("A40", *segments) == ()


def test_null_is_no_identifier() -> None:
    assert merged("A40", "PID|1||2", 'MRG|""') == ()
    assert merged("A40", 'PID|1||""', "MRG|1") == ()


def test_several_merges_of_one_message_are_not_mixed_up() -> None:
    found = merged(
        *("A40", "PID|1||2^^^A", "PD1|", "MRG|1^^^A", "PV1|1"),
        *("PID|2||20^^^A", "MRG|10^^^A~11^^^A"),
    )
    assert found == (merge("1", "2", "A"), merge("10", "20", "A"), merge("11", "20", "A"))


def test_the_fields_of_a_merge_are_read_once_however_many_patients_it_names() -> None:
    pairs = ((f"PID|{number}||{number}^^^A", f"MRG|old{number}^^^A") for number in range(1, 51))
    many = message("ADT^A40", *(segment for pair in pairs for segment in pair))
    assert len(meaning_of(many).merges) == 50
    assert {str(path) for path in many._found} == {"PID-3.1", "MRG-1.1"}
    assert len(many._found) == 2


@pytest.mark.parametrize(
    "segments",
    [("PID|1||2^^^A", "MRG|FF-99*^^^A"), ("PID|1||2\\E\\1^^^A", "MRG|1^^^A"), ("PID|1||2^^^A", "MRG|1")],
)
def test_a_merge_that_cannot_be_made_is_a_fault(segments: tuple[str, ...]) -> None:
    meaning = meaning_of(message("ADT^A40", *segments))
    assert meaning.merges == ()
    assert meaning.fault.startswith("not merged: ")
