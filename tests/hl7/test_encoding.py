"""Escape sequences and times."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.hl7.encoding import STANDARD_DELIMITERS, Delimiters, escape, parse_time, unescape

OTHER = Delimiters("#", ":", "*", "%", "$", ":*%$")
TRUNCATING = Delimiters(encoding="^~\\&#")
ZONE = dt.timezone(dt.timedelta(hours=2))
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@settings(deadline=None)
@given(PRINTABLE, st.sampled_from([STANDARD_DELIMITERS, OTHER, TRUNCATING]))
def test_unescape_undoes_escape(text: str, mark: Delimiters) -> None:
    written = escape(text, mark)
    assert not {mark.field, mark.component, mark.repetition, mark.subcomponent} & set(written)
    assert unescape(written, mark) == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\F\b", "a|b"),
        (r"a\S\b", "a^b"),
        (r"a\T\b", "a&b"),
        (r"a\R\b", "a~b"),
        (r"a\E\b", "a\\b"),
        (r"a\X41\b", "aAb"),
        (r"\X0D0A\x", "\r\nx"),
        (r"\XC3A4\x", "äx"),
        (r"a\.br\b", "a\nb"),
        (r"a\.sp\b", "a\nb"),
        (r"a\.sp+2\b", "a\n\nb"),
        (r"a\.sp3\b", "a\n\n\nb"),
        (r"a\.ce\b", "a\nb"),
        (r"a\.sk2\b", "a  b"),
        (r"a\.sk\b", "a b"),
        (r"a\.fi\b\.nf\c", "abc"),
        (r"a\.ti-2\b", "ab"),
        (r"\H\loud\N\ low", "loud low"),
        (r"a\.in+4\b", "ab"),
        (r"a\C2842\b", "ab"),
        (r"a\Z01\b", "ab"),
        (r"C:\T", "C:\\T"),
        (r"\E\F\E", r"\F\E"),
        ("", ""),
    ],
)
def test_each_escape_sequence_is_read(written: str, meant: str) -> None:
    assert unescape(written, STANDARD_DELIMITERS) == meant


@pytest.mark.parametrize(
    "text",
    [
        *(r"1.2\3.4\5.6", r"a\X4\b", r"A\12\B", r"a\\b", r"a\P\b", r"a\C9999\b", r"a\M24\b", r"a\C28\b"),
        *(r"a\.xx\b", r"a\.sp999\b", r"a\f\b", r"a\.br+-\b"),
    ],
)
def test_what_is_no_sequence_stays_as_sent(text: str) -> None:
    assert unescape(text, STANDARD_DELIMITERS) == text


def test_hexadecimal_bytes_are_of_the_messages_character_set() -> None:
    assert unescape(r"M\XE4\ki", STANDARD_DELIMITERS, "iso8859_1") == "Mäki"
    assert unescape(r"M\XE4\ki", STANDARD_DELIMITERS) == "M\ufffdki"


def test_a_character_may_be_spread_over_several_hexadecimal_sequences() -> None:
    assert unescape("\\XE5\\\\XB1\\\\XB1\\!", STANDARD_DELIMITERS) == "山!"


def test_the_truncation_character_is_escaped_only_where_msh_2_has_one() -> None:
    assert unescape(r"a\P\b", TRUNCATING) == "a#b"
    assert escape("a#b", TRUNCATING) == r"a\P\b"
    assert escape("a#b", STANDARD_DELIMITERS) == "a#b"


def escaped(text: str) -> str:
    """``/`` for the escape character: no raw string may end with that."""
    return text.replace("/", "\\")


@pytest.mark.parametrize(
    ("written", "codec", "meant"),
    [
        ("/M2442/;3ED/C2842/ Taro", "ascii", "山田 Taro"),
        ("/M2440/;3", "ascii", "山"),
        ("/M242844/0/X22/", "ascii", "丄"),
        ("/M2442/!/F/", "ascii", "●"),
        ("/M242943//XB1E8/", "ascii", "김"),
        ("/M242941//XCDF5/", "ascii", "王"),
        ("/C284A/100/E//R//C2842//E//R/", "ascii", "100¥‾/~"),
        ("/C2949//XD4CFC0DE/", "ascii", "ﾔﾏﾀﾞ"),
        ("/C2D4C/\xbf\xd5\xe2\xe0/C2D41/\xe4", "iso8859_1", "Петрä"),
        ("/C2D42/Dvo\xf8\xe1k", "iso8859_1", "Dvořák"),
        ("/C2D42//XF8/ä", "utf_8", "řä"),
        ("/C2D46//XD0//.br//XD1/", "ascii", "Π\nΡ"),
        ("/M2442/;/X33/", "ascii", "山"),
        ("/M2442//C2842/;3", "ascii", ";3"),
        ("/C2D42/Пе", "iso8859_1", "Пе"),  # of another set already, by ISO 2022
    ],
)
def test_the_character_set_switches_up_to_the_next_switch(written: str, codec: str, meant: str) -> None:
    assert unescape(escaped(written), STANDARD_DELIMITERS, codec) == escaped(meant)


@pytest.mark.parametrize(
    ("final", "number"),
    [
        ("41", 1),
        ("42", 2),
        ("43", 3),
        ("44", 4),
        ("4C", 5),
        ("47", 6),
        ("46", 7),
        ("48", 8),
        ("4D", 9),
        ("62", 15),
    ],
)
def test_each_8859_set_can_be_switched_to(final: str, number: int) -> None:
    meant = b"\xe9".decode(f"iso8859_{number}")
    assert unescape(escaped(f"/C2D{final}//XE9/"), STANDARD_DELIMITERS, "ascii") == meant


def test_a_switch_before_the_text_still_holds() -> None:
    assert unescape(";3", STANDARD_DELIMITERS, "ascii", before=escaped("/M2442/ED")) == "山"
    assert unescape(";3", STANDARD_DELIMITERS, "ascii", before=escaped("/M2442/ED/C2842/")) == ";3"


def test_yen_and_overline_of_jis_x_0201_are_read_where_no_delimiter_stands() -> None:
    assert unescape(escaped("100/E/ /R/"), STANDARD_DELIMITERS, "shift_jis") == "100¥ ‾"
    assert unescape("\\~", OTHER, "shift_jis") == "¥‾"


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["\\", "C2842", "M2442", "C2D42", "X41", "XE4", "F", ".br", "ä", "ab", "1.2"])),
    st.sampled_from(["ascii", "iso8859_1", "iso2022_jp", "utf_8", "gb18030"]),
)
def test_any_text_is_read_and_plain_text_stays(pieces: list[str], codec: str) -> None:
    text = "".join(pieces)
    read = unescape(text, STANDARD_DELIMITERS, codec)
    if text.count("\\") < 2:
        assert read == text
    else:
        assert len(read) <= len(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["1.2", "1.2.840.10008", "2.25.4711", "3", "0"]), min_size=2))
def test_a_list_of_uids_never_looks_like_one(uids: list[str]) -> None:
    assert unescape("\\".join(uids), STANDARD_DELIMITERS) == "\\".join(uids)


def test_delimiters_of_the_message_are_those_that_count() -> None:
    assert unescape("a%S%b", OTHER) == "a:b"
    assert unescape(r"a\S\b", OTHER) == r"a\S\b"
    assert escape("a:b|c", OTHER) == "a%S%b|c"


def test_control_characters_become_spaces() -> None:
    assert escape("a\r\nb\x0b\x1c\x7f.", STANDARD_DELIMITERS) == "a  b   ."


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026", dt.datetime(2026, 1, 1, tzinfo=ZONE)),
        ("202611", dt.datetime(2026, 11, 1, tzinfo=ZONE)),
        ("20261124", dt.datetime(2026, 11, 24, tzinfo=ZONE)),
        ("2026112408", dt.datetime(2026, 11, 24, 8, tzinfo=ZONE)),
        ("202611240830", dt.datetime(2026, 11, 24, 8, 30, tzinfo=ZONE)),
        ("20261124083015", dt.datetime(2026, 11, 24, 8, 30, 15, tzinfo=ZONE)),
        ("20261124083015.25", dt.datetime(2026, 11, 24, 8, 30, 15, 250_000, tzinfo=ZONE)),
        ("20261124083015+0000", dt.datetime(2026, 11, 24, 8, 30, 15, tzinfo=dt.UTC)),
        ("20261124-0500", dt.datetime(2026, 11, 24, 5, tzinfo=dt.UTC)),
        ("202611240000-0030", dt.datetime(2026, 11, 24, 0, 30, tzinfo=dt.UTC)),
    ],
)
def test_a_time_is_read_at_each_precision_and_offset(text: str, meant: dt.datetime) -> None:
    assert parse_time(text, ZONE) == meant


@pytest.mark.parametrize(
    "text",
    [
        *("", '""', "now", "24.11.2026", "2026-11-24", "202", "20261", "20261301", "20260229", "2026112424"),
        *("20261124+9900", "20261124+2400", "20261124+0075", "0000", "2026112408.5", "20261124083015.12345"),
    ],
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert parse_time(text, ZONE) is None


@settings(deadline=None)
@given(st.from_regex(r"[0-9]{0,14}(\.[0-9]{0,5})?([+-][0-9]{4})?", fullmatch=True))
def test_a_time_can_be_compared_or_is_none(text: str) -> None:
    time = parse_time(text, ZONE)
    assert time is None or isinstance(time <= dt.datetime(2026, 1, 1, tzinfo=dt.UTC), bool)
