"""The terms of a task that several routes ask for."""

from __future__ import annotations

import datetime as dt

import pytest

from engine.retrieve.policy import Hold, Policy, RouteRule, terms
from engine.retrieve.retry import Schedule
from engine.retrieve.task import Verify
from engine.retrieve.windows import Window, Windows

DAY, NIGHT = Window.parse("daily 08:00-16:00"), Window.parse("daily 20:00-06:00")
LONG, SHORT = Schedule.parse("2x1h"), Schedule.parse("50x1m")


def windows(*spans: Window) -> Windows:
    return Windows(spans, dt.UTC)


def of(*rules: RouteRule) -> RouteRule:
    routes = {str(number): rule for number, rule in enumerate(rules)}
    return terms(Policy(True, routes, {}, {}), tuple(routes))


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (
            RouteRule(windows=windows(DAY)),
            RouteRule(windows=windows(NIGHT, DAY)),
            RouteRule(windows=windows(DAY, NIGHT)),
        ),
        (RouteRule(windows=windows(DAY)), RouteRule(), RouteRule()),
        (RouteRule(hold=Hold()), RouteRule(), RouteRule()),
        (
            RouteRule(hold=Hold(3, dt.timedelta(hours=1))),
            RouteRule(hold=Hold(0, dt.timedelta(hours=2))),
            RouteRule(hold=Hold(3, dt.timedelta(hours=2))),
        ),
        (RouteRule(dry_run=True), RouteRule(), RouteRule()),
        (RouteRule(dry_run=True), RouteRule(dry_run=True), RouteRule(dry_run=True)),
        (RouteRule(dry_run=True), RouteRule(hold=Hold()), RouteRule(hold=Hold())),
        (RouteRule(dry_run=True), RouteRule(windows=windows(NIGHT)), RouteRule(windows=windows(NIGHT))),
        (RouteRule(retry=SHORT), RouteRule(retry=LONG), RouteRule(retry=LONG)),
        (RouteRule(), RouteRule(retry=SHORT), RouteRule(retry=SHORT)),
        (RouteRule(verify=Verify.SERIES), RouteRule(verify=Verify.STUDY), RouteRule(verify=Verify.SERIES)),
        (RouteRule(), RouteRule(verify=Verify.STUDY), RouteRule(verify=Verify.STUDY)),
        (RouteRule(skip_present=True), RouteRule(), RouteRule()),
        (RouteRule(skip_present=True), RouteRule(skip_present=True), RouteRule(skip_present=True)),
        (RouteRule(enabled=False), RouteRule(hold=Hold()), RouteRule(hold=Hold())),
    ],
)
def test_of_two_routes_the_more_favourable_terms_and_the_stricter_verification_count(
    one: RouteRule, other: RouteRule, both: RouteRule
) -> None:
    assert of(one, other) == both
    if both.windows is None:
        assert of(other, one) == both


def test_a_single_route_has_its_own_terms() -> None:
    rule = RouteRule(windows=windows(DAY), hold=Hold(2), retry=SHORT, verify=Verify.STUDY, skip_present=True)
    assert of(rule) == rule


def test_what_no_enabled_route_asks_for_is_not_enabled() -> None:
    assert not of(RouteRule(enabled=False), RouteRule(enabled=False)).enabled
    assert not terms(Policy(True, {}, {}, {}), ("gone",)).enabled


def test_what_a_person_asks_for_by_hand_is_on_plain_terms() -> None:
    assert terms(Policy(True, {"r": RouteRule(hold=Hold())}, {}, {}), ()) == RouteRule()
