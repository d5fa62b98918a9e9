"""Conditions: any value counts, not means none, and every part shows what stood there."""

from __future__ import annotations

import datetime as dt
import re

import pytest

from engine.config.fields import moment
from engine.hl7.message import Located, Message
from engine.hl7.path import FieldPath
from engine.routing.conditions import All, AnyOf, Check, Condition, Dated, Exists, Matches, Not, OneOf, check

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.timezone(dt.timedelta(hours=2)))
MESSAGE = Message(
    b'MSH|^~\\&|A|B|C|D|||ORM^O01|1|P|2.5\rPID|||1~2|""\r'
    b"ORC|NW\rOBR|1|||CT^x\rOBR|2|||MR\rNTE|||two\\.br\\lines"
)
OBR_4 = FieldPath.parse("OBR-4")
ORC_1 = FieldPath.parse("ORC-1")
EMPTY = FieldPath.parse("ORC-2")
NULL = FieldPath.parse("PID-4")
TRUE = OneOf(ORC_1, ("NW",))
FALSE = OneOf(ORC_1, ("CA",))


def holds(condition: Condition) -> bool:
    return check(condition, MESSAGE, NOW).held


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (OneOf(OBR_4, ("MR",)), True),
        (OneOf(OBR_4, ("US", "CT")), True),
        (OneOf(OBR_4, ("US",)), False),
        (OneOf(OBR_4, ("ct",)), False),
        (OneOf(OBR_4, ("C",)), False),
        (OneOf(EMPTY, ("",)), False),
        (OneOf(NULL, ('""',)), True),
        (Not(OneOf(OBR_4, ("MR",))), False),
        (Not(OneOf(OBR_4, ("US",))), True),
        (Not(OneOf(EMPTY, ("NW",))), True),
        (Matches(OBR_4, re.compile("M.")), True),
        (Matches(OBR_4, re.compile("M")), False),
        (Matches(OBR_4, re.compile("(?i)m.*")), True),
        (Matches(EMPTY, re.compile(".*")), False),
        (Matches(FieldPath.parse("NTE-3"), re.compile(".*lines")), False),
        (Matches(FieldPath.parse("NTE-3"), re.compile("(?s).*lines")), True),
        (Exists(OBR_4, True), True),
        (Exists(OBR_4, False), False),
        (Exists(EMPTY, True), False),
        (Exists(EMPTY, False), True),
        (Exists(NULL, True), False),
        (Exists(NULL, False), True),
        (Exists(FieldPath.parse("ZZZ-1"), True), False),
    ],
)
def test_a_condition_holds_when_any_value_satisfies_it(condition: Condition, expected: bool) -> None:
    assert holds(condition) is expected


@pytest.mark.parametrize(
    ("parts", "all_of", "any_of"),
    [
        ((TRUE, TRUE), True, True),
        ((TRUE, FALSE), False, True),
        ((FALSE, TRUE), False, True),
        ((FALSE, FALSE), False, False),
    ],
)
def test_all_and_any_join_their_parts(parts: tuple[Condition, ...], all_of: bool, any_of: bool) -> None:
    assert holds(All(parts)) is all_of
    assert holds(AnyOf(parts)) is any_of
    assert holds(Not(All(parts))) is not all_of
    assert holds(Not(AnyOf(parts))) is not any_of


def dated(text: str, after: str | None, before: str | None) -> bool:
    message = Message(b"MSH|^~\\&|A|B|C|D|||ORM^O01|1|P|2.5\rOBR|" + text.encode())
    bounds = [moment(bound) if bound else None for bound in (after, before)]
    return check(Dated(FieldPath.parse("OBR-1"), bounds[0], bounds[1]), message, NOW).held


@pytest.mark.parametrize(
    ("text", "after", "before", "expected"),
    [
        ("20261124", "2026-11-24", None, True),
        ("20261123", "2026-11-24", None, False),
        ("20261124", None, "2026-11-24", True),
        ("202611240001", None, "2026-11-24", False),
        ("20261120", "2026-11-01", "2026-11-30", True),
        ("20261201", "2026-11-01", "2026-11-30", False),
        ("202611241200", "now", "now", True),
        ("202611241159", "now", None, False),
        ("202611171200", "-7d", None, True),
        ("202611171159", "-7d", None, False),
        ("202611250000", None, "+12h", True),
        ("202611250001", None, "+12h", False),
        ("202611241000+0000", "now", "now", True),
        ("202611241200+0000", None, "now", False),
        ("202611241200", "2026-11-24T10:00Z", "2026-11-24T10:00Z", True),
        ("", "2026-11-24", None, False),
        ("soon", "2026-11-24", None, False),
        ('""', "2026-11-24", None, False),
        ("20261124+9900", "2026-11-24", None, False),
        ("00010101", None, "now", True),
        ("99991231", "now", None, True),
        ("19990101~20261124", "2026-11-24", None, True),
    ],
)
def test_a_date_is_compared_in_its_zone_bounds_included(
    text: str, after: str | None, before: str | None, expected: bool
) -> None:
    assert dated(text, after, before) is expected


def test_every_part_is_checked_so_that_all_can_be_explained() -> None:
    result = check(AnyOf((TRUE, FALSE)), MESSAGE, NOW)
    assert [part.held for part in result.parts] == [True, False]
    assert check(All((FALSE, TRUE)), MESSAGE, NOW).parts[1].held


def test_a_check_shows_what_was_asked_and_what_stood_there() -> None:
    assert check(OneOf(OBR_4, ("US", "CT")), MESSAGE, NOW) == Check(
        True, "OBR-4 is 'US' or 'CT'", (Located("CT", "OBR-4"), Located("MR", "OBR(2)-4", 2))
    )
    assert check(Not(TRUE), MESSAGE, NOW).text == "not"


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Matches(ORC_1, re.compile("N.")), "ORC-1 matches 'N.'"),
        (Exists(ORC_1, True), "ORC-1 is present"),
        (Exists(ORC_1, False), "ORC-1 is absent"),
        (Dated(ORC_1, moment("-7d"), moment("now")), "ORC-1 is a date after -7d and before now"),
        (Dated(ORC_1, None, moment("now")), "ORC-1 is a date before now"),
    ],
)
def test_a_condition_reads_as_a_sentence(condition: Condition, text: str) -> None:
    assert str(condition) == text
