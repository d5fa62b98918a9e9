"""The composition root: the clock of the engine."""

from __future__ import annotations

import datetime as dt

from engine.config import parse
from engine.config.clock import clock_of
from tests.hospital import ROUTES


def config(engine: str) -> str:
    return f"""
engine: {{{engine}}}
archives: {{main: {{ae_title: A, host: h, port: 1}}, dark: {{ae_title: B, host: h, port: 2}}}}
destinations: {{reading: {{ae_title: R}}, unknown: {{ae_title: U}}, down: {{ae_title: D}}}}
{ROUTES}"""


def test_the_clock_has_the_zone_that_is_configured_with_its_summer_time() -> None:
    now = clock_of(parse(config("time_zone: Europe/Berlin")))()
    assert now.tzinfo is not None
    offsets = [dt.datetime(2027, month, 15, tzinfo=now.tzinfo).utcoffset() for month in (1, 7)]
    assert offsets == [dt.timedelta(hours=1), dt.timedelta(hours=2)]


def test_the_clock_without_a_configured_zone_has_the_rules_of_the_machines() -> None:
    now = clock_of(parse(config("")))()
    assert now.utcoffset() == dt.datetime.now().astimezone().utcoffset()
    assert not isinstance(now.tzinfo, dt.timezone)  # a fixed offset would be wrong after the next change
