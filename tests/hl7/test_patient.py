"""What a message says of its patient."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.hl7.patient import PatientValues, about_patient, of_all, patient_values

HEAD = b"MSH|^~\\&|HIS|HOSP|FF|RAD|20261124||ADT^A08|1|P|2.5.1"


def values(*segments: str, head: bytes = HEAD, end: str = "\r", charset: str = "utf_8") -> PatientValues:
    return patient_values(head + end.encode() + "".join(it + end for it in segments).encode(charset))


@pytest.mark.parametrize(
    ("location", "his"),
    [
        ("PID-3.1", True),
        ("PID-3(2).1", True),
        ("pid-8 is 'F'", True),
        ("PID-3[FOREST].1 is present", True),
        ("NK1(2)-2", True),
        ("MRG-1", True),
        ("GT1-3.1", True),
        ("IN1-16", True),
        ("IN2-2", True),
        ("PV1-19.1", True),
        ("PV1(*)-50", True),
        ("PV1-3.1", False),
        ("PV1-190", False),
        ("OBR-4.1", False),
        ("message is ADT^A08", False),
        ("", False),
    ],
)
def test_fields_are_the_patients_by_their_segment(location: str, his: bool) -> None:
    assert about_patient(location) is his


def test_every_repetition_component_and_subcomponent_counts() -> None:
    found = values("PID|1||A-1^^^HOSP^MR~B-2||Dyck&van&Dyck^Anna~Vlieger^An||19610314|F|||Laan 7^^Gent")
    assert found.words >= {"A-1", "B-2", "Dyck", "van", "Anna", "Vlieger", "An", "F", "Laan 7", "Gent"}


def test_a_date_counts_as_dicom_and_iso_8601_write_it() -> None:
    assert values("PID|1||||||196103140830").words >= {"196103140830", "19610314", "1961-03-14"}
    assert values("PID|1||||||196103").words == {"196103"}
    assert values("PID|1||||||19611399").words == {"19611399"}


def test_short_values_count_as_words_where_they_identify_somebody() -> None:
    """An ID of one character does; a relationship, a yes or a number of births does not."""
    found = values("PID|1||7||Li^Bo|||M|||||||||||||||2|N", "NK1|1|Wu^Ai|SP", "IN1|1|P|I")
    assert found.words == {"7", "Li", "Bo", "M", "Wu", "Ai"}
    assert found.quoted >= {"2", "N", "SP", "P", "I"}


def test_who_gave_an_id_is_no_patient_data_in_a_text() -> None:
    found = values("PID|1||A-1^^^FOREST&1.2.3&ISO^MR^HOSPITAL")
    assert found.words == {"A-1"}
    assert found.quoted == {"A-1", "FOREST", "1.2.3", "ISO", "MR", "HOSPITAL"}


def test_values_count_as_sent_and_as_read() -> None:
    assert values(r"PID|1||||M\S\ller^Jos\X65\ \T\ Co").words == {
        r"M\S\ller",
        "M^ller",
        r"Jos\X65\ \T\ Co",
        "Jose & Co",
        *("ller", "Mller", "Jose", "Co", "JoseCo"),  # parts of these names
    }


def test_the_character_set_of_the_message_counts() -> None:
    latin = HEAD + b"||||||8859/1"
    assert values("PID|1||||Grün", head=latin, charset="iso8859_1").words == {"Grün"}


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_lines_end_as_they_may_in_a_message(end: str) -> None:
    assert values("PID|1||A-1", "MRG|B-2", end=end).words == {"A-1", "B-2"}


def test_other_delimiters_are_those_of_the_message() -> None:
    assert values("PID$1$$A-1*B", head=b"MSH$*~\\&$HIS$HOSP$FF$RAD$20261124$$ADT*A08$1$P$2.5.1").words == {
        "A-1"
    }


@pytest.mark.parametrize("head", [HEAD.replace(b"|1|P", b"||P"), b"MSH||||", b"", b"FHS|^~\\&|x"])
def test_a_message_that_is_refused_has_a_patient_too(head: bytes) -> None:
    assert values("PID|1||A-1||Aalto^Mira", head=head).words >= {"A-1", "Aalto", "Mira"}


def test_null_and_nothing_are_no_values() -> None:
    assert values('PID|1||""||""^||""', "PV1|1|O").quoted == frozenset()


def test_what_is_not_his_is_left_alone() -> None:
    assert (
        values("PV1|1|I|WARD^12||||||Doctor^Who", "OBR|1|P1|F1|CT^Chest", "ZDS|1.2.3").quoted == frozenset()
    )


def test_values_of_several_messages_are_joined() -> None:
    one, other = values("PID|1||A-1"), PatientValues.of_ids(["B-2", ""])
    assert (one | other).words == {"A-1", "B-2"}


def test_several_patients_are_named_where_each_is() -> None:
    named, nameless = values("PID|1||A-1||Aalto"), values("PID|1||A-1||||19610314|F", "NK1|1|Saarinen")
    assert (named.named, nameless.named) == (True, False)
    assert (named | nameless).named, "of one patient, of whom either tells something"
    assert of_all([named, named]).named
    assert not of_all([named, nameless]).named
    assert not of_all([]).named


@given(st.binary(max_size=300))
def test_whatever_the_bytes_nothing_is_raised(raw: bytes) -> None:
    patient_values(raw)
    patient_values(HEAD + b"\rPID|" + raw)
