"""Escape sequences and times."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.hl7.encoding import STANDARD_DELIMITERS, Delimiters, escape, parse_time, unescape

OTHER = Delimiters("#", ":", "*", "%", "$", ":*%$")
ZONE = dt.timezone(dt.timedelta(hours=2))
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@settings(deadline=None)
@given(PRINTABLE, st.sampled_from([STANDARD_DELIMITERS, OTHER]))
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
        (r"a\.sp+2\b", "a\nb"),
        (r"a\.sp3\b", "a\nb"),
        (r"a\.ce\b", "a\nb"),
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


@pytest.mark.parametrize("text", [r"1.2\3.4\5.6", r"a\X4\b", r"A\12\B", r"a\\b"])
def test_what_is_no_sequence_stays_as_sent(text: str) -> None:
    assert unescape(text, STANDARD_DELIMITERS) == text


def test_hexadecimal_bytes_are_of_the_messages_character_set() -> None:
    assert unescape(r"M\XE4\ki", STANDARD_DELIMITERS, "iso8859_1") == "Mäki"
    assert unescape(r"M\XE4\ki", STANDARD_DELIMITERS) == "M\ufffdki"


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
