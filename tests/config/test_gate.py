"""What routes.yaml says to the gate: defaults, every setting, complaints with their place and cure."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tzlocal import get_localzone

from engine.config import Config, parse
from engine.config.models import RoutesFile
from engine.dicom.node import Archive, Node, Timeouts
from engine.errors import Complaint, ConfigError
from engine.retrieve.breaker import BreakerRule
from engine.retrieve.budget import Budget
from engine.retrieve.policy import Hold, NodeRule, RouteRule
from engine.retrieve.rate import Rate
from engine.retrieve.retry import Schedule
from engine.retrieve.task import Verify
from engine.retrieve.windows import Window, Windows

ZONE = ZoneInfo("Europe/Helsinki")
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "routes.md"


def text(archive: str = "", room: str = "", route: str = "", gate: str = "") -> str:
    """Archive in line 3, destination in line 5, gate in line 7, route in line 9."""
    return f"""\
engine: {{time_zone: Europe/Helsinki}}
archives:
  main: {{ae_title: ARCHIVE, host: h, port: 1{archive}}}
destinations:
  room: {{ae_title: ROOM{room}}}
  other: {{ae_title: OTHER, host: o, port: 2}}
gate: {{{gate}}}
routes:
  - {{name: first, messages: ORM^O01, studies: [{{study: ZDS-1}}], from: main, to: room{route}}}
"""


def config(archive: str = "", room: str = "", route: str = "", gate: str = "") -> Config:
    return parse(text(archive, room, route, gate))


def complaint(archive: str = "", room: str = "", route: str = "", gate: str = "") -> Complaint:
    with pytest.raises(ConfigError) as caught:
        config(archive, room, route, gate)
    (only,) = caught.value.complaints
    return only


def test_by_default_only_concurrency_and_the_breakers_hold_anything_back() -> None:
    policy = config().policy(switch_on=True)
    assert policy.routes == {"first": RouteRule()}
    assert policy.archives == {"main": NodeRule(concurrency=2, breaker=BreakerRule())}
    assert policy.destinations["room"] == NodeRule(breaker=BreakerRule())
    assert (policy.order, policy.patient_day) == (Budget(), Budget())
    assert (policy.switch_on, policy.dry_run, policy.zone) == (True, False, ZONE)
    assert (config().gate.aging, config().gate.verify_within) == (1800, 10)


def test_the_defaults_of_the_breaker_are_those_of_its_rule() -> None:
    rule = BreakerRule()
    assert (rule.failures, rule.pause, rule.longest) == (
        5,
        dt.timedelta(seconds=30),
        dt.timedelta(minutes=10),
    )


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("rate: {studies: 30, instances: 2000}", NodeRule(None, Rate(30, 2000))),
        ("rate: {instances: 7}", NodeRule(None, Rate(instances=7))),
        ("breaker: off", NodeRule()),
        (
            "breaker: {failures: 2, pause: 1s, longest: 1h}",
            NodeRule(breaker=BreakerRule(2, dt.timedelta(seconds=1), dt.timedelta(hours=1))),
        ),
        (
            "windows: mon-fri 20:00-06:00",
            NodeRule(windows=Windows((Window.parse("mon-fri 20:00-06:00"),), ZONE)),
        ),
        (
            'windows: ["sat,sun", "daily 12:00-13:00"]',
            NodeRule(windows=Windows((Window.parse("sat,sun"), Window.parse("daily 12:00-13:00")), ZONE)),
        ),
    ],
)
def test_archives_and_destinations_have_the_same_settings(setting: str, rule: NodeRule) -> None:
    off = "" if "breaker" in setting else ", breaker: off"
    gate = config(f", {setting}{off}, concurrency: 3", f", {setting}{off}, concurrency: 4").gate
    base = rule.rate, rule.windows, rule.breaker
    assert gate.archives["main"] == NodeRule(3, *base)
    assert gate.destinations["room"] == NodeRule(4, *base)


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ("enabled: false", RouteRule(enabled=False)),
        ("hold: true", RouteRule(hold=Hold(0, dt.timedelta(hours=24)))),
        ("hold: false", RouteRule()),
        ("hold: {over: 10}", RouteRule(hold=Hold(10, dt.timedelta(hours=24)))),
        ("hold: {expires: 2h}", RouteRule(hold=Hold(0, dt.timedelta(hours=2)))),
        ("gate: dry-run", RouteRule(dry_run=True)),
        ('retry: "5x1m, 1h"', RouteRule(retry=Schedule.parse("5x1m, 1h"))),
        ("retry: off", RouteRule()),
        ("verify: study", RouteRule(verify=Verify.STUDY)),
        ("verify: series", RouteRule(verify=Verify.SERIES)),
        ("verify: off", RouteRule()),
        ("already_there: skip", RouteRule(skip_present=True)),
        ("windows: sat", RouteRule(windows=Windows((Window.parse("sat"),), ZONE))),
    ],
)
def test_a_route_has_its_terms(setting: str, rule: RouteRule) -> None:
    room = ", query: {host: h, port: 3}"
    assert config(room=room, route=f", {setting}").gate.routes == {"first": rule}


def test_the_gate_has_a_mode_budgets_and_times() -> None:
    budgets = "budgets: {order: {studies: 20}, patient: {studies: 50, instances: 9000}}"
    gate = config(gate=f"mode: dry-run, {budgets}, aging: 5m, verify_within: 0s").gate
    assert (gate.dry_run, gate.order, gate.patient_day) == (True, Budget(20), Budget(50, 9000))
    assert (gate.aging, gate.verify_within) == (300, 0)


def test_without_a_time_zone_windows_are_in_the_machines() -> None:
    local = parse(text(route=", windows: sat").replace("time_zone: Europe/Helsinki", "")).gate
    windows = local.routes["first"].windows
    assert windows is not None
    assert windows.zone == local.zone == get_localzone()


def test_series_level_is_on_unless_it_is_turned_off() -> None:
    assert config().archives["main"].series_level
    assert not config(", series_level: false").archives["main"].series_level


def test_a_destination_may_answer_queries_at_its_own_address_or_another() -> None:
    assert config().destinations["room"].query is None
    own = config(room=", host: r, port: 3, query: {}").destinations["room"]
    assert own.query == Archive("room", "ROOM", "r", 3)
    assert own.node == Node("room", "ROOM", "r", 3)
    query = (
        "query: {ae_title: Q, host: q, port: 4, calling_ae_title: ME, concurrency: 1, timeouts: {dimse: 1s}}"
    )
    other = config(room=f", {query}").destinations["room"]
    assert other.query == Archive("room", "Q", "q", 4, "ME", 1, timeouts=Timeouts(dimse=1))
    assert other.node is None


@pytest.mark.parametrize(
    ("section", "line", "setting", "where", "expected"),
    [
        ("archive", 3, "rate: {}", "archives.main.rate", "studies, instances or both"),
        ("archive", 3, "rate: {studies: 0}", "archives.main.rate.studies", "greater than or equal to 1"),
        ("archive", 3, "rate: {study: 1}", "archives.main.rate.study", "'studies'"),
        ("archive", 3, "windows: [sat, someday]", "archives.main.windows[1]", "a window such as"),
        ("archive", 3, 'windows: "mon 9:00-25:00"', "archives.main.windows", "times from 00:00 to 23:59"),
        ("archive", 3, "breaker: on", "archives.main.breaker", "off, or a mapping of settings"),
        ("archive", 3, "breaker: {failure: 2}", "archives.main.breaker.failure", "'failures'"),
        (
            "archive",
            3,
            "breaker: {pause: 1h}",
            "archives.main.breaker",
            "longest to be no shorter",
        ),
        (
            "archive",
            3,
            "breaker: {failures: 0}",
            "archives.main.breaker.failures",
            "greater than or equal to 1",
        ),
        ("room", 5, "concurrency: 0", "destinations.room.concurrency", "greater than or equal to 1"),
        ("room", 5, "query: {host: q}", "destinations.room.query", "a port, here or in the destination"),
        ("room", 5, "query:", "destinations.room.query", "a mapping; {} is the destination's own address"),
        ("room", 5, "query: {host: q, port: 1, title: X}", "destinations.room.query.title", "'ae_title'"),
        ("gate", 7, "mode: dry", "gate.mode", "'open' or 'dry-run'"),
        ("gate", 7, "budgets: {order: {studies: none}}", "gate.budgets.order.studies", "a whole number"),
        ("gate", 7, "budgets: {orders: {studies: 1}}", "gate.budgets.orders", "'order'"),
        ("gate", 7, "aging: 0s", "gate.aging", "longer than zero"),
        ("route", 9, "hold: maybe", "routes[0].hold", "true or false"),
        ("route", 9, "hold: {ovr: 1}", "routes[0].hold.ovr", "'over'"),
        ("route", 9, "hold: {over: -1}", "routes[0].hold.over", "greater than or equal to 0"),
        ("route", 9, "gate: closed", "routes[0].gate", "'open' or 'dry-run'"),
        ("route", 9, "retry: 5", "routes[0].retry", "retries such as 5x1m, 12x5m, 12x1h"),
        ("route", 9, "already_there: keep", "routes[0].already_there", "'skip' or 'move'"),
        ("route", 9, "verify: all", "routes[0].verify", "'off', 'study' or 'series'"),
        (
            "route",
            9,
            "verify: study",
            "routes[0].verify",
            "where destination room answers C-FIND",
        ),
        ("route", 9, "already_there: skip", "routes[0].already_there", "query: {} there"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_cure(
    section: str, line: int, setting: str, where: str, expected: str
) -> None:
    separator = "" if section == "gate" else ", "
    found = complaint(**{section: separator + setting})
    column = text(**{section: separator + setting}).splitlines()[line - 1].index(setting.split(":")[0])
    assert (found.line, found.where) == (line, where)
    assert found.column > column
    assert expected in found.expected


def test_every_destination_of_a_map_must_answer_where_a_route_asks_it() -> None:
    target = "to: {field: PV1-3, map: {A: room, B: other}}, verify: study"
    with pytest.raises(ConfigError) as caught:
        parse(text(room=", host: r, port: 3, query: {}").replace("to: room", target))
    (only,) = caught.value.complaints
    assert "destination other answers" in only.expected
    assert "room" not in only.expected


def test_the_documentation_names_every_setting_of_the_gate() -> None:
    told = DOCUMENTATION.read_text(encoding="utf-8").partition("## The gate")[2].partition("\n## ")[0]
    definitions = RoutesFile.model_json_schema()["$defs"]
    sections = {
        "GateSection": {"mode", "budgets", "aging", "verify_within"},
        "BudgetsSection": {"order", "patient"},
        "RateSection": {"studies", "instances"},
        "BreakerSection": {"failures", "pause", "longest"},
        "HoldSection": {"over", "expires"},
        "ArchiveSection": {"concurrency", "rate", "windows", "breaker", "series_level"},
        "DestinationSection": {"query", "rate", "windows", "breaker", "concurrency"},
        "RouteSection": {"windows", "hold", "gate", "retry", "verify", "already_there"},
    }
    for section, keys in sections.items():
        properties = definitions[section]["properties"]
        assert keys <= properties.keys()
        assert all(properties[key]["description"] for key in keys), section
        assert [key for key in keys if not re.search(rf"\b{key}(:|`)", told)] == [], section
