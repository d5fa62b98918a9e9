"""The scalars of routes.yaml."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from engine.config import fields
from engine.config.fields import duration, moment

NOT_AE_TITLES: list[object] = [None, [], ["A"], {}, "", " ", "A" * 17, "A\\B", "Ä"]
NOT_PATTERNS: list[object] = [None, ["CT", "MR"], {}, "(", "*", "a{99999999999999}"]
NOT_PATHS: list[object] = [None, ["PID-3"], "PID3", ""]
NOT_MESSAGES: list[object] = [None, "", "orm^o01", "ORM_O01", "ORM^", "ORMX", []]
NOT_ZONES: list[object] = ["", "Mars/Olympus", "../etc", None, []]
NOT_CHARSETS: list[object] = ["UTF-8", "", None]
NOT_ADDRESSES: list[object] = ["2575", ":2575", "a:b", "a:65536", "a:²", None, "a:"]
NOT_PORTS: list[object] = ["0", "65536", "x", None, "1.5"]
NOT_TEXTS: list[object] = ["", None, []]
NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.timezone(dt.timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("20s", dt.timedelta(seconds=20)),
        ("0s", dt.timedelta()),
        ("1.5h", dt.timedelta(minutes=90)),
        ("5m", dt.timedelta(minutes=5)),
        ("3 d", dt.timedelta(days=3)),
        ("2w", dt.timedelta(days=14)),
        ("4y", dt.timedelta(days=1461)),
        ("100y", dt.timedelta(days=36_525)),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, meant: dt.timedelta) -> None:
    assert duration(text) == meant


@pytest.mark.parametrize(
    "text", ["", "s", "-5s", "5 months", "5M", "1h30m", "101y", "9" * 400 + "y", None, ["5s"], {}]
)
def test_anything_else_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match=r"a duration|one value"):
        duration(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", NOW),
        ("-7d", NOW - dt.timedelta(days=7)),
        ("+12h", NOW + dt.timedelta(hours=12)),
        ("2026-11-24", dt.datetime(2026, 11, 24, tzinfo=NOW.tzinfo)),
        ("2026-11-24T08:00", NOW),
        ("2026-11-24 06:00Z", NOW),
        ("2026-11-24T07:00+01:00", NOW),
    ],
)
def test_a_moment_is_a_date_or_an_offset_from_now(text: str, meant: dt.datetime) -> None:
    assert moment(text).at(NOW) == meant


@pytest.mark.parametrize("text", ["", "7d", "yesterday", "2026-13-01", "24.11.2026", "-x", "-200y", None, []])
def test_anything_else_is_no_moment(text: object) -> None:
    with pytest.raises(ValueError, match=r"a date|a duration|one value"):
        moment(text)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *((fields.AeTitle, value) for value in NOT_AE_TITLES),
        *((fields.Pattern, value) for value in NOT_PATTERNS),
        *((fields.Path, value) for value in NOT_PATHS),
        *((fields.MessageType, value) for value in NOT_MESSAGES),
        *((fields.TimeZone, value) for value in NOT_ZONES),
        *((fields.Charset, value) for value in NOT_CHARSETS),
        *((fields.Address, value) for value in NOT_ADDRESSES),
        *((fields.Port, value) for value in NOT_PORTS),
        *((fields.PositiveDuration, value) for value in ("0", "0s", "x")),
        *((fields.Text, value) for value in NOT_TEXTS),
    ],
)
def test_a_wrong_scalar_is_refused(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    ("kind", "text", "meant"),
    [
        (fields.AeTitle, " ARCHIVE ", "ARCHIVE"),
        (fields.AeTitle, "0123", "0123"),
        (fields.Charset, "8859/1", "8859/1"),
        (fields.Charset, "unicode utf-8", "UNICODE UTF-8"),
        (fields.Address, "127.0.0.1:2575", ("127.0.0.1", 2575)),
        (fields.Address, "[::1]:0", ("::1", 0)),
        (fields.Port, "4242", 4242),
        (fields.Text, "NO", "NO"),
    ],
)
def test_a_right_scalar_is_its_value(kind: Any, text: str, meant: object) -> None:
    assert TypeAdapter(kind).validate_python(text) == meant
