"""How long messages are kept, as routes.yaml says it."""

from __future__ import annotations

import datetime as dt

import pytest

from engine.config import Limits, parse
from engine.errors import ConfigError

TEXT = """\
engine:
  ae_title: FOREFETCH
{retention}
archives: {{main: {{ae_title: A, host: h, port: 1}}}}
destinations: {{room: {{ae_title: R}}}}
routes:
  - {{name: first, messages: ORM^O01, studies: [{{study: ZDS-1.1}}], from: main, to: room}}
"""


def limits(retention: str) -> Limits:
    return parse(TEXT.format(retention=f"  retention: {retention}" if retention else "")).engine.retention


def test_ninety_days_are_kept_where_nothing_is_said() -> None:
    assert limits("") == Limits(age=dt.timedelta(days=90))


def test_nothing_goes_where_it_is_off() -> None:
    assert limits("off") == Limits()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{age: 2d}", Limits(age=dt.timedelta(days=2))),
        ("{messages: 1000000}", Limits(messages=1_000_000)),
        ("{size: 20GB}", Limits(size=20_000_000_000)),
        ("{size: 500 mb}", Limits(size=500_000_000)),
        ("{age: 52w, messages: 5, size: 1TB}", Limits(dt.timedelta(weeks=52), 5, 10**12)),
    ],
)
def test_each_limit_stands_for_itself(text: str, expected: Limits) -> None:
    assert limits(text) == expected


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("{}", "engine.retention", "age, messages, size or several of them"),
        ("{age: 1d}", "engine.retention.age", "2d or longer"),
        ("{age: 90}", "engine.retention.age", "such as"),
        ("{messages: 0}", "engine.retention.messages", "1"),
        ("{size: 20}", "engine.retention.size", "a size such as 500MB or 20GB"),
        ("{size: 0GB}", "engine.retention.size", "a size such as 500MB or 20GB"),
        ("{days: 3}", "engine.retention.days", ""),
        ("never", "engine.retention", "off, or a mapping of settings"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_cure(text: str, where: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        limits(text)
    (only,) = caught.value.complaints
    assert (only.line, only.where) == (3, where)
    assert expected in only.expected
