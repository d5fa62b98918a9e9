"""The gate: shut unless everything says open."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from engine.retrieve.gate import SWITCH, Closed, Gate, Open, Scope, Then, admit, refuse, switch_on
from engine.retrieve.load import Load, Traffic
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.policy import NodeRule, Policy, RouteRule
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest, RetrieveTask

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
ROUTES = {"on": RouteRule(), "off": RouteRule(enabled=False)}
POLICY = Policy(True, ROUTES, {"main": NodeRule(2)}, {"room": NodeRule()})


def task(*routes: str, archive: str = "main", destination: str = "room") -> RetrieveTask:
    request = RetrieveRequest(Study("1.2"), archive, destination, routes)
    return RetrieveTask(1, request, TaskStatus.SCHEDULED, NOW, NOW)


def test_exactly_true_switches_retrieval_on() -> None:
    assert switch_on({SWITCH: "true"})
    assert SWITCH == "DICOM_HL7_PACS_ALLOW_RETRIEVE"


@pytest.mark.parametrize(
    "value", ["True", "TRUE", "1", "yes", "on", "true ", " true", "true\n", '"true"', "t", "false", "0", ""]
)
def test_nothing_like_true_switches_it_on(value: str) -> None:
    assert not switch_on({SWITCH: value})


def test_no_variable_at_all_leaves_it_off() -> None:
    assert not switch_on({})
    assert not switch_on({SWITCH.lower(): "true"})


@pytest.mark.parametrize("routes", [("on",), ("off", "on"), ()])
def test_the_gate_is_open_where_all_is_listed_and_enabled(routes: tuple[str, ...]) -> None:
    assert admit(task(*routes), POLICY, Load(Traffic(1)), NOW) == Open()


@pytest.mark.parametrize(
    ("policy", "closed", "part"),
    [
        (replace(POLICY, switch_on=False), task("on"), "exactly 'true'"),
        (POLICY, task("off"), "route off is not enabled"),
        (POLICY, task("gone"), "route gone is not enabled"),
        (POLICY, task("off", "gone"), "route off, gone is not enabled"),
        (POLICY, task("on", archive="old"), "archive old is not listed"),
        (POLICY, task("on", destination="old"), "destination old is not listed"),
    ],
)
def test_what_is_not_allowed_is_refused_for_good_with_the_cure(
    policy: Policy, closed: RetrieveTask, part: str
) -> None:
    verdict = admit(closed, policy, Load(), NOW)
    assert isinstance(verdict, Closed)
    assert verdict.final
    assert part in verdict.reason


def test_a_retrieve_by_hand_is_under_the_same_switch() -> None:
    off = replace(POLICY, switch_on=False)
    assert refuse(off, archive="main", destination="room") is not None
    assert refuse(POLICY, archive="main", destination="room") is None


@pytest.mark.parametrize("running", [2, 3])
def test_a_busy_archive_closes_the_gate_for_a_while(running: int) -> None:
    verdict = admit(task("on"), POLICY, Load(Traffic(running)), NOW)
    reason = "archive main is at its limit of 2 at a time"
    assert verdict == Closed(Gate.CONCURRENCY, reason, Scope.ARCHIVE, Then.WAIT)
