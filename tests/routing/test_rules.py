"""Which message types a pattern means."""

from __future__ import annotations

import pytest

from engine.hl7.message import Header
from engine.routing.rules import MessagePattern


@pytest.mark.parametrize(
    ("pattern", "code", "trigger", "expected"),
    [
        ("ORM^O01", "ORM", "O01", True),
        ("ORM^O01", "ORM", "O02", False),
        ("ORM^O01", "ORM", "", False),
        ("ORM^O01", "OMI", "O01", False),
        ("ORM^O01", "orm", "O01", False),
        ("ORM", "ORM", "O01", True),
        ("ORM", "ORM", "", True),
        ("ADT^A0?", "ADT", "A04", True),
        ("ADT^A0?", "ADT", "A10", False),
        ("ADT^*", "ADT", "A10", True),
        ("*", "ORU", "R01", True),
        ("*^A01", "ADT", "A01", True),
        ("*^A01", "ORU", "R01", False),
        ("ADT^A01^ADT_A01", "ADT", "A01", True),
        ("ADT^A0[18]", "ADT", "A08", True),
        ("ADT^A0[18]", "ADT", "A0[18]", False),
    ],
)
def test_a_pattern_means_code_and_trigger(pattern: str, code: str, trigger: str, expected: bool) -> None:
    assert MessagePattern.parse(pattern).matches(Header(type_code=code, trigger=trigger)) is expected


@pytest.mark.parametrize(("text", "shown"), [("ORM^O01", "ORM^O01"), ("ORM", "ORM"), ("ADT^*", "ADT")])
def test_a_pattern_is_shown_as_it_is_meant(text: str, shown: str) -> None:
    assert str(MessagePattern.parse(text)) == shown
