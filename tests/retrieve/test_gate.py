"""The gate: shut unless everything says open."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.retrieve.breaker import Breaker, BreakerRule, State, probe_passed
from engine.retrieve.budget import Budget, Spent
from engine.retrieve.gate import SWITCH, Closed, Gate, Open, Scope, Then, admit, refuse, switch_on
from engine.retrieve.load import Load, Traffic, Usage
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.policy import Hold, NodeRule, Policy, RouteRule
from engine.retrieve.rate import Passed, Rate
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, Study
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from engine.retrieve.windows import Window, Windows

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


NOON = Windows((Window.parse("daily 12:00-13:00"),), dt.UTC)
AT_NOON = NOW + dt.timedelta(hours=12)
HOUR = dt.timedelta(hours=1)
RULE = BreakerRule()
BROKEN = Breaker(State.OPEN, 5, "no TCP connection", RULE.pause, NOW + RULE.pause)
QUESTION = PriorsOfPatient("P", PriorCriteria(), NOW.date())


def policy(
    *, route: RouteRule | None = None, archive: NodeRule | None = None, room: NodeRule | None = None
) -> Policy:
    nothing = NodeRule()
    return Policy(True, {"on": route or RouteRule()}, {"main": archive or nothing}, {"room": room or nothing})


def at(scope: Scope, traffic: Traffic) -> Load:
    return Load(archive=traffic) if scope is Scope.ARCHIVE else Load(destination=traffic)


def closed(verdict: Open | Closed) -> Closed:
    assert isinstance(verdict, Closed)
    return verdict


@pytest.mark.parametrize(
    ("hold", "siblings", "held"),
    [
        (Hold(), 1, True),
        (Hold(over=3), 3, False),
        (Hold(over=3), 4, True),
        (None, 1000, False),
    ],
)
def test_a_route_that_holds_waits_for_a_person(hold: Hold | None, siblings: int, held: bool) -> None:
    load = Load(usage=Usage(siblings=siblings))
    held_by = policy(route=RouteRule(hold=hold))
    verdict = admit(task("on"), held_by, load, NOW + HOUR)
    if not held:
        assert verdict == Open()
        return
    one = closed(verdict)
    assert (one.gate, one.scope, one.then) == (Gate.APPROVAL, Scope.TASK, Then.HOLD)
    assert one.until == NOW + HOUR + dt.timedelta(hours=24)  # from when it was asked for, however old it is
    assert admit(replace(task("on"), approved=True), held_by, load, NOW + HOUR) == Open()


def test_an_order_over_its_budget_is_held_until_it_is_approved() -> None:
    limited = replace(policy(), order=Budget(studies=2))
    load = Load(usage=Usage(order=Spent(studies=2)))
    one = closed(admit(task("on"), limited, load, NOW))
    assert (one.gate, one.then, one.until) == (Gate.BUDGET, Then.HOLD, NOW + dt.timedelta(hours=24))
    assert one.reason == (
        "budget of its order: it would make 3 studies, and the budget is 2; approve it or raise the budget"
    )
    assert admit(replace(task("on"), approved=True), limited, load, NOW) == Open()


def test_a_patient_over_the_budget_of_the_day_waits_for_the_next_approved_or_not() -> None:
    zone = dt.timezone(dt.timedelta(hours=-3))
    limited = replace(policy(), patient_day=Budget(studies=2), zone=zone)
    load = Load(usage=Usage(patient=Spent(studies=2)))
    one = closed(admit(replace(task("on"), approved=True), limited, load, NOW))
    assert (one.gate, one.scope, one.then) == (Gate.BUDGET, Scope.TASK, Then.WAIT)
    assert one.until == NOW + dt.timedelta(hours=3)


def test_a_study_larger_than_a_whole_days_budget_is_held_instead_of_waiting_for_ever() -> None:
    limited = replace(policy(), patient_day=Budget(instances=100))
    large = task("on")
    large = replace(large, request=replace(large.request, instances=101))
    one = closed(admit(large, limited, Load(), NOW))
    assert (one.gate, one.then) == (Gate.BUDGET, Then.HOLD)
    assert admit(replace(large, approved=True), limited, Load(), NOW) == Open()


@pytest.mark.parametrize(
    ("shut", "scope", "owner"),
    [
        (policy(route=RouteRule(windows=NOON)), Scope.TASK, "its route"),
        (policy(archive=NodeRule(windows=NOON)), Scope.ARCHIVE, "archive main"),
        (policy(room=NodeRule(windows=NOON)), Scope.DESTINATION, "destination room"),
    ],
)
def test_outside_a_window_a_move_waits_for_it(shut: Policy, scope: Scope, owner: str) -> None:
    verdict = admit(task("on"), shut, Load(), NOW)
    reason = f"{owner} moves only daily 12:00-13:00"
    assert verdict == Closed(Gate.WINDOW, reason, scope, Then.WAIT, AT_NOON)
    assert admit(task("on"), shut, Load(), AT_NOON) == Open()
    assert admit(replace(task("on"), expedited=True), shut, Load(), NOW) == Open()


@pytest.mark.parametrize(
    ("scope", "owner"), [(Scope.ARCHIVE, "archive main"), (Scope.DESTINATION, "destination room")]
)
def test_a_broken_node_is_left_alone_and_then_tried_once_at_a_time(scope: Scope, owner: str) -> None:
    both = policy(archive=NodeRule(breaker=RULE), room=NodeRule(breaker=RULE))
    reason = f"{owner} failed 5 times in a row, last: no TCP connection"
    load = at(scope, Traffic(breaker=BROKEN))
    assert admit(task("on"), both, load, NOW) == Closed(
        Gate.BREAKER, reason, scope, Then.WAIT, NOW + RULE.pause
    )
    trial = probe_passed(BROKEN)
    assert admit(task("on"), both, at(scope, Traffic(0, breaker=trial)), NOW) == Open()
    second = closed(admit(task("on"), both, at(scope, Traffic(1, breaker=trial)), NOW))
    assert (second.gate, second.scope, second.until) == (Gate.BREAKER, scope, None)
    assert "one trial at a time" in second.reason
    assert admit(task("on"), policy(), load, NOW) == Open()  # breaker: off


def test_a_destination_has_a_limit_of_its_own() -> None:
    verdict = admit(task("on"), policy(room=NodeRule(3)), Load(destination=Traffic(3)), NOW)
    reason = "destination room is at its limit of 3 at a time"
    assert verdict == Closed(Gate.CONCURRENCY, reason, Scope.DESTINATION, Then.WAIT)


@pytest.mark.parametrize(
    ("full", "scope"),
    [
        (policy(archive=NodeRule(rate=Rate(1))), Scope.ARCHIVE),
        (policy(room=NodeRule(rate=Rate(1))), Scope.DESTINATION),
    ],
)
def test_a_rate_holds_a_move_back_until_a_minute_has_passed(full: Policy, scope: Scope) -> None:
    load = at(scope, Traffic(passed=(Passed(NOW - dt.timedelta(seconds=20)),)))
    one = closed(admit(task("on"), full, load, NOW))
    assert (one.gate, one.scope, one.then) == (Gate.RATE, scope, Then.WAIT)
    assert one.until == NOW + dt.timedelta(seconds=40)
    assert one.reason.endswith("is at its rate of 1 studies a minute")
    assert admit(replace(task("on"), expedited=True), full, load, NOW) == Open()


SHUT = Policy(
    False,
    {"on": RouteRule(enabled=False, windows=NOON, hold=Hold())},
    {"main": NodeRule(2, Rate(1), NOON, RULE)},
    {"room": NodeRule(2, Rate(1), NOON, RULE)},
    order=Budget(studies=1),
    patient_day=Budget(studies=1),
)
FULL = Load(
    Traffic(2, (Passed(NOW),), BROKEN),
    Traffic(2, (Passed(NOW),), BROKEN),
    Usage(2, Spent(1), Spent(1)),
)


def openings() -> list[tuple[Gate, Policy, RetrieveTask, Load]]:
    """All gates shut, then one after the other opened: the gate that must be named at each step."""
    shut, one, load = SHUT, task("on"), FULL
    steps = [(Gate.SWITCH, shut, one, load)]
    shut = replace(shut, switch_on=True)
    steps.append((Gate.LISTS, shut, one, load))
    shut = replace(shut, routes={"on": replace(shut.routes["on"], enabled=True)})
    steps.append((Gate.APPROVAL, shut, one, load))
    shut = replace(shut, routes={"on": replace(shut.routes["on"], hold=None)})
    steps.append((Gate.BUDGET, shut, one, load))
    load = replace(load, usage=Usage())
    steps.append((Gate.WINDOW, shut, one, load))
    shut = replace(shut, routes={"on": RouteRule()}, archives={"main": NodeRule(2, Rate(1), None, RULE)})
    shut = replace(shut, destinations={"room": NodeRule(2, Rate(1), None, RULE)})
    steps.append((Gate.BREAKER, shut, one, load))
    load = replace(load, archive=Traffic(2, (Passed(NOW),)), destination=Traffic(2, (Passed(NOW),)))
    steps.append((Gate.CONCURRENCY, shut, one, load))
    load = replace(load, archive=Traffic(0, (Passed(NOW),)), destination=Traffic(0, (Passed(NOW),)))
    steps.append((Gate.RATE, shut, one, load))
    return steps


def test_the_gates_are_tried_in_their_order() -> None:
    steps = openings()
    assert [gate for gate, *_ in steps] == list(Gate)
    for gate, shut, one, load in steps:
        assert closed(admit(one, shut, load, NOW)).gate is gate


def test_a_question_passes_switch_lists_and_what_protects_the_archive_only() -> None:
    asked = task("on")
    asked = replace(asked, request=replace(asked.request, selector=QUESTION))
    gates = [admit(asked, shut, load, NOW) for _, shut, _, load in openings()]
    named = [one.gate if isinstance(one, Closed) else None for one in gates]
    breaker = [Gate.BREAKER] * 4
    assert named == [Gate.SWITCH, Gate.LISTS, *breaker, Gate.CONCURRENCY, None]


@pytest.mark.parametrize("whole", [True, False])
def test_a_dry_run_needs_no_switch_and_waits_for_the_archive_only(whole: bool) -> None:
    named = []
    for _, shut, one, load in openings():
        routes = {"on": replace(shut.routes["on"], dry_run=not whole)}
        verdict = admit(one, replace(shut, dry_run=whole, routes=routes), load, NOW)
        named.append(verdict.gate if isinstance(verdict, Closed) else verdict)
    # a route that is not enabled has no terms, so it is no dry run either: the switch is asked first
    first = Gate.LISTS if whole else Gate.SWITCH
    assert named == [first, Gate.LISTS, *[Gate.BREAKER] * 4, Gate.CONCURRENCY, Open(dry_run=True)]


def test_a_question_of_a_dry_run_is_asked() -> None:
    asked = task("on")
    asked = replace(asked, request=replace(asked.request, selector=QUESTION))
    dry = replace(policy(), dry_run=True, switch_on=False)
    assert admit(asked, dry, Load(), NOW) == Open(dry_run=False)


def test_nothing_is_retrieved_by_hand_in_a_dry_run() -> None:
    told = refuse(replace(POLICY, dry_run=True), archive="main", destination="room")
    assert told is not None
    assert "gate.mode" in told
    assert refuse(replace(POLICY, dry_run=True), archive="main", destination="room", routes=("on",)) is None


def test_the_dry_destination_is_not_waited_for() -> None:
    dry = replace(policy(room=NodeRule(1, Rate(1), NOON, RULE)), dry_run=True)
    load = Load(destination=Traffic(1, (Passed(NOW),), BROKEN))
    assert admit(task("on"), dry, load, NOW) == Open(dry_run=True)


def test_the_documentation_has_the_gates_in_their_order() -> None:
    text = (Path(__file__).parents[2] / "docs" / "gates.md").read_text(encoding="utf-8")
    table = text.partition("| gate |")[2].partition("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| .+ \| ([\w, ]+) \| .+ \|$", table, re.MULTILINE)
    assert [name for name, _ in rows] == list(Gate)
    assert {then for _, several in rows for then in several.split(", ")} == set(Then)
