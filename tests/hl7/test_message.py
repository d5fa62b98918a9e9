"""Reading messages: what a path names, where it stands, and what makes a message unacceptable."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import MessageError
from engine.hl7.message import Header, Message, best_header
from engine.hl7.path import FieldPath

MSH = "MSH|^~\\&|RIS|WARD|FF|PACS|20261124||ORM^O01^ORM_O01|4711|P|2.5.1"
PATHS = [
    FieldPath.parse(text)
    for text in ("MSH-1", "MSH-2", "MSH-9.2", "MSH-18", "PID-3[HOSP].1", "PID-5.1.2", "ZDS-1", "OBR(2)-4(2)")
]


def read(*segments: str, end: str = "\r") -> Message:
    return Message(end.join([MSH, *segments]).encode())


def texts(message: Message, path: str) -> list[str]:
    return [value.text for value in message.values(FieldPath.parse(path))]


def places(message: Message, path: str) -> list[str]:
    return [value.location for value in message.values(FieldPath.parse(path))]


def refusal(raw: bytes) -> MessageError:
    with pytest.raises(MessageError) as caught:
        Message(raw)
    return caught.value


def test_the_header_has_the_fields_of_msh() -> None:
    header = read().header
    assert (header.sending_application, header.sending_facility) == ("RIS", "WARD")
    assert (header.receiving_application, header.receiving_facility) == ("FF", "PACS")
    assert (header.message_type, header.control_id) == ("ORM^O01", "4711")
    assert (header.processing_id, header.version, header.character_set) == ("P", "2.5.1", "")


def test_the_fields_of_msh_are_counted_from_the_separator() -> None:
    message = read()
    assert [texts(message, f"MSH-{n}") for n in (1, 2, 3, 10)] == [["|"], ["^~\\&"], ["RIS"], ["4711"]]
    assert texts(message, "MSH-9.3") == ["ORM_O01"]


def test_an_empty_msh_2_means_the_usual_delimiters() -> None:
    message = Message(b"MSH||A|B|C|D|||ORM^O01|1|P|2.5\rPID|||1^2~3")
    assert texts(message, "PID-3.1") == ["1", "3"]
    assert texts(message, "MSH-2") == []


PID_3 = "PID|||1^^^HOSP&1.2.3&ISO^MR~2^^^FOREST&1.2.4&ISO^PI~3^^^HOSP&1.2.3&ISO^PI"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("PID-3", ["1", "2", "3"]),
        ("PID-3(*).1", ["1", "2", "3"]),
        ("PID-3(2).1", ["2"]),
        ("PID-3(4).1", []),
        ("PID-3[HOSP].1", ["1", "3"]),
        ("PID-3[1.2.4].1", ["2"]),
        ("PID-3[ISO].1", []),
        ("PID-3[5=PI].1", ["2", "3"]),
        ("PID-3[4.2=1.2.3,5=PI].1", ["3"]),
        ("PID-3[4=FOREST].4.2", ["1.2.4"]),
        ("PID-3[hosp].1", []),
    ],
)
def test_repetitions_are_chosen_by_number_authority_or_component(path: str, found: list[str]) -> None:
    assert texts(read(PID_3), path) == found


def test_an_authority_that_is_sent_as_a_bare_name_is_found() -> None:
    assert texts(read("PID|||7^^^HOSP"), "PID-3[HOSP]") == ["7"]


def test_an_authority_is_compared_without_escapes_and_padding() -> None:
    assert texts(read(r"PID|||7^^^A\T\B "), "PID-3[A&B]") == ["7"]


def test_occurrences_are_counted_and_located() -> None:
    message = read("OBR|1|||CT", "OBR|2|||MR~US^x")
    assert texts(message, "OBR-4") == ["CT", "MR", "US"]
    assert places(message, "OBR-4") == ["OBR-4", "OBR(2)-4", "OBR(2)-4(2)"]
    assert texts(message, "OBR(2)-4(2).2") == ["x"]
    assert places(message, "OBR(2)-4(2).2") == ["OBR(2)-4(2).2"]
    assert texts(message, "OBR(3)-4") == []


def test_a_location_can_be_read_as_a_path_to_the_same_value() -> None:
    message = read("OBR|1|||CT", "OBR|2|||MR~US^a&b")
    for path in ("OBR-4", "OBR-4.1", "OBR-4.2.2"):
        for value in message.values(FieldPath.parse(path)):
            assert message.values(FieldPath.parse(value.location))[0] == value


def test_hl7_null_is_a_value_but_not_the_first_text() -> None:
    message = read('PID|||""~5')
    assert texts(message, "PID-3") == ['""', "5"]
    assert message.first(FieldPath.parse("PID-3")) == "5"


def test_empty_fields_and_absent_segments_have_no_value() -> None:
    message = read("PID|||^^^HOSP~ ", "ZZZ", "PV1|")
    assert [texts(message, path) for path in ("PID-3", "PID-9", "ZZZ-1", "PV1-1", "PV1-2", "NTE-1")] == [
        []
    ] * 6


def test_local_segments_are_read_like_any_other() -> None:
    assert texts(read("ZDS|1.2.3^100^Application^DICOM"), "ZDS-1") == ["1.2.3"]
    assert read("ZDS|1").segment_ids == ("MSH", "ZDS")


def test_a_longer_field_is_read_from_its_start() -> None:
    message = read("OBR|a&b^c|d")
    assert [texts(message, f"OBR-{path}") for path in ("1", "1.1.2", "1.2", "1.2.2", "2.1.1", "2.2")] == [
        ["a"],
        ["b"],
        ["c"],
        [],
        ["d"],
        [],
    ]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_segments_may_end_with_cr_lf_or_both(end: str) -> None:
    message = read("PID|||1", "", "OBR|2", end=end)
    assert (message.segment_ids, message.warnings) == (("MSH", "PID", "OBR"), ())
    assert texts(message, "OBR-1") == ["2"]


@pytest.mark.parametrize("text", ["%s\nPID|||1\nOBR|2\r", "%s\nPID|||1\r\nOBR|2\r\n", "%s\nPID|||1\rOBR|2"])
def test_a_message_with_mixed_ends_is_cut_at_each(text: str) -> None:
    assert Message((text % MSH).encode()).segment_ids == ("MSH", "PID", "OBR")


def test_a_line_feed_inside_a_text_is_no_segment_end_where_cr_is() -> None:
    message = read("NTE|1||first\nsecond", "PID|||1")
    assert texts(message, "NTE-3") == ["first\nsecond"]
    assert texts(message, "PID-3") == ["1"]


def test_other_delimiters_are_those_of_msh() -> None:
    message = Message(b"MSH#:*%$#A#B#C#D###ORM:O01#1#P#2.5\rPID###1:::H$2*3\rNTE###a|b%F%c")
    assert texts(message, "PID-3") == ["1", "3"]
    assert texts(message, "PID-3[2].1") == ["1"]
    assert texts(message, "NTE-3") == ["a|b#c"]
    assert message.header.message_type == "ORM^O01"


def test_a_truncation_character_is_allowed() -> None:
    message = Message(b"MSH|^~\\&#|A|B|C|D|||ORM^O01|1|P|2.7\rPID|||1^2")
    assert texts(message, "MSH-2") == ["^~\\&#"]
    assert texts(message, "PID-3.2") == ["2"]


@pytest.mark.parametrize("msh_2", ["^^~&", "|", "^~\\&^", "~", "^&", "abcd", "^~\\ ", "^~\x01&", "^~\\é"])
def test_delimiters_that_cannot_be_told_apart_are_refused(msh_2: str) -> None:
    error = refusal(f"MSH*{msh_2}*A*B*C*D***ORM^O01*1*P*2.5".replace("*", "|").encode())
    assert (error.code, error.location) in {(102, "MSH-2"), (101, "MSH-9")}


def test_escapes_are_read_after_the_text_is_cut() -> None:
    message = read(r"NTE|||a\F\b\S\c\T\d\R\e\E\f\X41\g\.br\h")
    assert texts(message, "NTE-3") == ["a|b^c&d~e\\fAg\nh"]


def test_a_list_of_three_uids_does_not_become_one_uid() -> None:
    assert texts(read(r"ZDS|1.2\3.4\5.6"), "ZDS-1") == [r"1.2\3.4\5.6"]


def test_a_line_that_is_no_segment_is_left_out_with_a_warning() -> None:
    message = read("hello", "PI|x", "PID^^1", " NTE|1", "PID|||1")
    assert message.segment_ids == ("MSH", "PID")
    assert [warning[:6] for warning in message.warnings] == ["line 2", "line 3", "line 4", "line 5"]


@pytest.mark.parametrize(
    ("raw", "reject", "code", "location"),
    [
        (b"", True, 100, ""),
        (b" \r\n\t", True, 100, ""),
        (b"hello", True, 100, "MSH"),
        (b"MSH|", True, 100, "MSH"),
        (b"PID|||1", True, 100, "MSH"),
        (b"\x00\xff\xfe", True, 100, "MSH"),
        (f"FHS|^~\\&\r{MSH}".encode(), True, 100, ""),
        (f"BHS|^~\\&\r{MSH}\rBTS|1".encode(), True, 100, ""),
        (f"{MSH}\rPID|||1\r{MSH}".encode(), False, 100, "MSH"),
        (f"{MSH}\rFHS|^~\\&".encode(), False, 100, "FHS"),
        (MSH.replace("ORM^O01^ORM_O01", "").encode(), False, 101, "MSH-9"),
        (MSH.replace("ORM^O01^ORM_O01", "^O01").encode(), False, 101, "MSH-9"),
        (MSH.replace("4711", " ").encode(), False, 101, "MSH-10"),
        (b"MSH|^~\\&", False, 101, "MSH-9"),
    ],
)
def test_a_message_that_cannot_be_taken_says_why(raw: bytes, reject: bool, code: int, location: str) -> None:
    error = refusal(raw)
    assert (error.reject, error.code, error.location) == (reject, code, location)
    assert error.text


@pytest.mark.parametrize("front", [b"garbage\r", b"\x0b", b"MS"])
def test_the_best_header_is_read_wherever_msh_begins(front: bytes) -> None:
    header = best_header(front + MSH.encode() + b"\rPID|||1\r")
    assert (header.control_id, header.sending_application, header.version) == ("4711", "RIS", "2.5.1")


@pytest.mark.parametrize(
    "raw", [b"", b"PID|1", b"MSH", b"MSH||||||||", b"MSH\xff\xff\xff\xff\xff\xff\xff\xff"]
)
def test_the_best_header_of_garbage_is_blank(raw: bytes) -> None:
    assert best_header(raw).control_id == ""


def test_the_best_header_keeps_what_stands_before_the_cut() -> None:
    assert best_header(MSH[: MSH.index("4711")].encode()) == Header(
        sending_application="RIS",
        sending_facility="WARD",
        receiving_application="FF",
        receiving_facility="PACS",
        time="20261124",
        type_code="ORM",
        trigger="O01",
        codec="ascii",
    )


_BITS = st.sampled_from(
    [
        b"MSH",
        b"|",
        b"^",
        b"~",
        b"\\",
        b"&",
        b"\r",
        b"\n",
        b"^~\\&",
        b"PID",
        b"ZDS|",
        b"ORM^O01",
        b"1",
        b"\xe4",
    ]
)
_PIECES = st.lists(_BITS | st.binary(max_size=6), max_size=30).map(b"".join)
_MARKS = st.text("|^~\\&#*:", min_size=1, max_size=6) | st.text(min_size=1, max_size=6)


def _hl7_like(marks: str, separate: bool, rest: bytes) -> bytes:
    """A message with any delimiters, and segments that use them all."""
    field, parts = marks[0], "1".join(marks)
    header = field.join(["MSH" + marks, *"ABCD", "", "", "ORM", "1", "P", "2.5"])
    segments = field.join(["PID", "", "", parts, parts[::-1]]), field.join(["ZDS", marks[1:]])
    return ("\r" if separate else "\n").join([header, *segments]).encode() + rest


_HL7_LIKE = st.builds(_hl7_like, _MARKS, st.booleans(), _PIECES)


@settings(deadline=None)
@given(st.one_of(st.binary(), _PIECES, _HL7_LIKE))
def test_any_bytes_are_read_or_refused_and_nothing_else(raw: bytes) -> None:
    assert isinstance(best_header(raw), Header)
    try:
        message = Message(raw)
    except MessageError:
        return
    assert message.header.control_id
    for path in PATHS:
        assert all(value.text for value in message.values(path))
