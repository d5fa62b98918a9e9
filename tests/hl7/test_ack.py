"""Acknowledgments: valid in every version, honest in every character set, unbreakable by any text."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import hl7
import pytest
from hl7apy import SUPPORTED_LIBRARIES
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.hl7.ack import GIVEN, AckCode, AckError, Envelope, Reply, Severity, acknowledge, version_tuple
from engine.hl7.message import Header, Message
from engine.hl7.path import FieldPath

VERSIONS = sorted(SUPPORTED_LIBRARIES)
NOW = dt.datetime(2026, 11, 24, 8, 30, 15, tzinfo=dt.timezone(dt.timedelta(hours=2)))
NASTY = "x|^~\\&\r\nMSA|AA|1\x0b\x1c\\F\\"
ERRORS = (
    AckError(Severity.ERROR, 204, NASTY, "ZDS-1.1", ("A801", NASTY, "99DICOM"), NASTY),
    AckError(Severity.INFORMATION, 0, "fine"),
)


def header(version: str = "2.5.1", charset: str = "", msh_2: str = "^~\\&") -> Header:
    raw = f"MSH|{msh_2}|RIS|WARD|FF|PACS|20250101||ORM^O01|4711|T|{version}|||||"
    return Message(f"{raw}|{charset}".encode()).header


def answer(head: Header, reply: Reply) -> bytes:
    return acknowledge(head, reply, Envelope("FF1", NOW))


def segments(ack: bytes, codec: str = "utf_8") -> list[list[str]]:
    return [line.split("|") for line in ack.decode(codec).rstrip("\r").split("\r")]


def read(ack: bytes, path: str) -> list[str]:
    return [value.text for value in Message(ack).values(FieldPath.parse(path))]


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.mark.parametrize("errors", [(), ERRORS], ids=["without errors", "with errors"])
@pytest.mark.parametrize("code", AckCode)
@pytest.mark.parametrize("version", VERSIONS)
def test_an_ack_is_valid_in_the_version_of_the_message(
    version: str, code: AckCode, errors: tuple[AckError, ...]
) -> None:
    ack = answer(header(version), Reply(code, NASTY, errors))
    if numbers(version) >= (2, 3, 1):  # hl7apy has no valid ACK at all for older versions
        parsed = parse_message(ack.decode(), validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
        assert parsed.validate()
        assert parsed.msa.msa_1.to_er7() == code
    parsed = hl7.parse(ack.decode())
    assert str(parsed["MSA"][0][1]) == code
    assert str(parsed["MSA"][0][2]) == "4711"
    assert str(parsed["MSH"][0][12]) == version


@pytest.mark.parametrize("version", VERSIONS)
def test_the_text_and_the_errors_stand_where_the_version_has_them(version: str) -> None:
    ack = answer(header(version), Reply(AckCode.AE, "the text", ERRORS))
    names = [fields[0] for fields in segments(ack)]
    msa = segments(ack)[1]
    assert (msa[3:] == ["the text"]) if numbers(version) < (2, 7) else (len(msa) == 3)
    assert names == ["MSH", "MSA", "ERR"] + (["ERR"] if numbers(version) >= (2, 5) else [])
    if numbers(version) < (2, 5):  # what went well is not an error there
        assert segments(ack)[2][1].count("~") == 0
        assert len(segments(ack)[2]) == 2
    else:
        assert [fields[1] for fields in segments(ack)[2:]] == ["", ""]


def test_an_error_segment_tells_place_code_severity_cause_and_text() -> None:
    ack = answer(header(), Reply(AckCode.AE, "", ERRORS))
    assert [read(ack, f"ERR(1)-2.{n}") for n in range(1, 6)] == [["ZDS"], ["1"], ["1"], ["1"], ["1"]]
    assert [read(ack, f"ERR(1)-3.{n}")[0] for n in (1, 3)] == ["204", "HL70357"]
    assert read(ack, "ERR-4") == ["E", "I"]
    assert [read(ack, f"ERR(1)-5.{n}")[0] for n in (1, 3)] == ["A801", "99DICOM"]
    plain = NASTY.translate({13: " ", 10: " ", 11: " ", 28: " "})
    assert read(ack, "ERR(1)-7") == read(ack, "ERR(1)-8") == read(ack, "ERR(1)-5.2") == [plain]
    assert read(ack, "ERR(2)-8") == ["fine"]


def test_an_old_error_tells_place_and_both_codes() -> None:
    error = AckError(Severity.ERROR, 204, "text", "zds(2)-1.1", ("A801", "unknown", "99DICOM"))
    ack = answer(header("2.3"), Reply(AckCode.AE, "", (error,)))
    assert [read(ack, f"ERR-1.{n}")[0] for n in (1, 2, 3)] == ["ZDS", "2", "1"]
    assert [read(ack, f"ERR-1.4.{n}")[0] for n in (1, 3, 4, 5, 6)] == [
        "204",
        "HL70357",
        "A801",
        "unknown",
        "99DICOM",
    ]


@pytest.mark.parametrize(
    ("location", "err_2"),
    [
        ("", ""),
        ("somewhere", ""),
        ("MSH", "MSH^1"),
        ("MSH-10", "MSH^1^10^1"),
        ("OBR(2)-4(3).1.2", "OBR^2^4^3^1^2"),
        ("PID-3[FOREST].1", "PID^1^3^1^1"),
        ("OBR(*)-4", "OBR^1^4^1"),
        ("zds-1", "ZDS^1^1^1"),
    ],
)
def test_a_location_becomes_an_erl(location: str, err_2: str) -> None:
    ack = answer(header(), Reply(AckCode.AE, "", (AckError(Severity.ERROR, 101, "", location),)))
    assert segments(ack)[2][2] == err_2


def test_sender_and_receiver_are_swapped_and_the_rest_is_our_own() -> None:
    msh = segments(answer(header(), Reply(AckCode.AA, "")))[0]
    assert msh[2:6] == ["FF", "PACS", "RIS", "WARD"]
    assert msh[6] == "20261124083015+0200"
    assert msh[8:12] == ["ACK^O01^ACK", "FF1", "T", "2.5.1"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_message_structure_is_told_from_2_3_1_on(version: str) -> None:
    msh = segments(answer(header(version), Reply(AckCode.AA, "")))[0]
    assert msh[8] == ("ACK^O01^ACK" if numbers(version) >= (2, 3, 1) else "ACK^O01")


def test_a_message_that_could_not_be_read_is_answered_in_2_5_1() -> None:
    ack = answer(Header(), Reply(AckCode.AR, "no"))
    assert segments(ack) == [
        ["MSH", "^~\\&", "", "", "", "", "20261124083015+0200", "", "ACK", "FF1", "P", "2.5.1"],
        ["MSA", "AR", "", "no"],
    ]


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.6"])
@pytest.mark.parametrize("text", ["x" * 200, "|" * 200, "a" * 78 + "|||", "\\" * 40, "x" * 80])
def test_msa_3_has_at_most_80_characters_after_escaping(version: str, text: str) -> None:
    msa = segments(answer(header(version), Reply(AckCode.AE, text)))[1]
    assert 60 < len(msa[3]) <= 80
    assert text.startswith(read(answer(header(version), Reply(AckCode.AE, text)), "MSA-3")[0].rstrip("."))
    assert (len(text) > 80 or "\\" in text or "|" in text) is msa[3].endswith("...")


def test_err_8_has_at_most_250_characters_after_escaping() -> None:
    ack = answer(header(), Reply(AckCode.AE, "", (AckError(Severity.ERROR, 207, "|" * 300),)))
    assert 240 < len(segments(ack)[2][8]) <= 250


def test_the_character_set_of_the_message_is_that_of_the_ack() -> None:
    head = Message("MSH|^~\\&|Mäkelä||||||ORM^O01|1|P|2.5||||||8859/1".encode("latin-1"))
    ack = answer(head.header, Reply(AckCode.AA, "hyvää 山"))
    assert segments(ack, "latin-1")[0][17] == "8859/1"
    assert segments(ack, "latin-1")[0][4] == "Mäkelä"
    assert segments(ack, "latin-1")[1][3] == "hyvää ?"


def test_an_empty_msh_18_stays_empty() -> None:
    assert len(segments(answer(header(), Reply(AckCode.AA, "")))[0]) == 12


def test_what_a_character_set_turns_into_a_delimiter_is_escaped() -> None:
    ack = answer(header(charset="ISO IR14"), Reply(AckCode.AA, "¥F¥ 100 ‾"))
    assert ack.count(b"~") == 1
    assert read(ack, "MSA-3") == ["¥F¥ 100 ‾"]


def test_the_delimiters_of_the_message_are_those_of_the_ack() -> None:
    head = Message(b"MSH#:*%$#A#B#C#D###ORM:O01#1#P#2.5").header
    ack = answer(head, Reply(AckCode.AE, "a#b:c|d", ERRORS))
    assert ack.startswith(b"MSH#:*%$#C#D#A#B#")
    assert read(ack, "MSA-3") == ["a#b:c|d"]
    assert read(ack, "ERR(1)-2.3") == ["1"]


@pytest.mark.parametrize(("msh_2", "answered"), [("", "^~\\&"), ("^~", "^~\\&"), ("^~\\&#", "^~\\&#")])
def test_the_ack_declares_each_delimiter_that_it_uses(msh_2: str, answered: str) -> None:
    assert segments(answer(header(msh_2=msh_2), Reply(AckCode.AA, "a&b")))[0][1] == answered


def test_what_the_sender_wrote_comes_back_unchanged() -> None:
    head = Message(rb"MSH|^~\&|A\T\B^1.2^ISO||C|D|||ORM^O01|4711\F\1|P^T|2.5^FIN").header
    ack = segments(answer(head, Reply(AckCode.AA, "")))
    assert ack[0][4] == r"A\T\B^1.2^ISO"
    assert ack[0][10] == "P^T"
    assert ack[1][2] == r"4711\F\1"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.1", (2, 1)),
        ("2.5.1", (2, 5, 1)),
        ("2.8.2", (2, 8, 2)),
        *((text, (2, 5, 1)) for text in ("", "2", "3.0", "2.x", "2.5.1.1", "2.5 ", "2." + "1" * 5000)),
    ],
)
def test_an_unreadable_version_counts_as_2_5_1(text: str, version: tuple[int, ...]) -> None:
    assert version_tuple(text) == version


@settings(deadline=None)
@given(
    st.sampled_from(VERSIONS),
    st.sampled_from(["ASCII", "8859/1", "ISO IR14", "ISO IR87", "BIG-5", "UNICODE UTF-8"]),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_no_text_breaks_an_ack(version: str, charset: str, text: str) -> None:
    errors = (AckError(Severity.ERROR, 207, text, text, (text, text, text), text),)
    ack = Message(answer(header(version, charset), Reply(AckCode.AE, text, errors)))
    assert ack.segment_ids == ("MSH", "MSA", "ERR")
    assert (ack.header.control_id, ack.first(FieldPath.parse("MSA-1"))) == ("FF1", "AE")
    assert ack.raw.count(b"\r") == 3
    assert not {0x0B, 0x1C} & set(ack.raw)


def test_the_documentation_has_the_table_of_codes_that_the_code_has() -> None:
    text = (Path(__file__).parents[2] / "docs" / "acknowledgments.md").read_text(encoding="utf-8")
    rows = [row.strip("| ").split(" | ") for row in text.splitlines() if re.match(r"\| \d+ \| A", row)]
    assert rows == [[str(int(code)), msa, when] for code, (msa, when) in GIVEN.items()]
