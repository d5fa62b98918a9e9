"""The circuit breaker: its transitions, and what counts against whom."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieve.breaker import (
    BEARINGS,
    Breaker,
    BreakerRule,
    Mark,
    State,
    failed,
    probe_due,
    probe_failed,
    probe_passed,
    reason,
    succeeded,
)
from engine.retrieve.outcome import Cause

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)
RULE = BreakerRule(3, 30 * SECOND, 100 * SECOND)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(RULE.failures):
        breaker = failed(breaker, RULE, NOW, "no TCP connection")
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = failed(failed(Breaker(), RULE, NOW, "x"), RULE, NOW, "x")
    assert breaker.state is State.CLOSED
    assert failed(succeeded(breaker), RULE, NOW, "x").state is State.CLOSED
    assert failed(breaker, RULE, NOW, "x").state is State.OPEN


def test_a_probe_is_due_when_the_pause_is_over() -> None:
    breaker = opened()
    assert breaker.until == NOW + RULE.pause
    assert not probe_due(breaker, NOW + RULE.pause - SECOND)
    assert probe_due(breaker, NOW + RULE.pause)
    assert not probe_due(Breaker(), NOW)
    assert not probe_due(probe_passed(breaker), NOW + RULE.pause)


def test_each_failed_probe_doubles_the_pause_up_to_the_longest() -> None:
    breaker, pauses = opened(), []
    for _ in range(4):
        assert breaker.until is not None
        breaker = probe_failed(breaker, RULE, breaker.until, "still down")
        pauses.append(breaker.pause)
    assert pauses == [60 * SECOND, 100 * SECOND, 100 * SECOND, 100 * SECOND]
    assert breaker.last == "still down"


def test_a_trial_that_fails_opens_it_again_for_longer_and_one_that_succeeds_closes_it() -> None:
    trial = probe_passed(opened())
    assert trial.state is State.HALF_OPEN
    again = failed(trial, RULE, NOW, "aborted")
    assert (again.state, again.until) == (State.OPEN, NOW + 60 * SECOND)
    assert succeeded(trial) == Breaker()


def test_a_failure_of_a_move_that_was_under_way_does_not_lengthen_the_pause() -> None:
    late = failed(opened(), RULE, NOW + 10 * SECOND, "timed out")
    assert (late.state, late.until, late.failures) == (State.OPEN, NOW + RULE.pause, 4)


def test_probes_of_a_breaker_that_is_not_open_change_nothing() -> None:
    assert probe_passed(Breaker()) == Breaker()
    assert probe_failed(Breaker(), RULE, NOW, "x") == Breaker()


def test_its_reason_names_the_node_the_count_and_the_last_failure() -> None:
    assert reason(Breaker(), "archive main") is None
    told = "archive main failed 3 times in a row, last: no TCP connection"
    assert reason(opened(), "archive main") == told
    assert reason(probe_passed(opened()), "archive main") == f"{told}; one trial at a time"
    once = failed(Breaker(), BreakerRule(1), NOW, "no TCP connection")
    assert reason(once, "archive main") == "archive main failed once, last: no TCP connection"


@given(st.lists(st.sampled_from(["fail", "succeed", "pass", "fail probe"]), max_size=60))
def test_whatever_happens_it_is_in_a_state_that_makes_sense(events: list[str]) -> None:
    breaker, now, row = Breaker(), NOW, 0
    for event in events:
        now += SECOND
        before = breaker.state
        if event == "fail":
            breaker, row = failed(breaker, RULE, now, "x"), row + 1
            assert before is not State.HALF_OPEN or breaker.state is State.OPEN
        elif event == "succeed":
            breaker, row = succeeded(breaker), 0
        elif event == "pass":
            breaker = probe_passed(breaker)
            assert (breaker.state is State.HALF_OPEN) is (before is not State.CLOSED)
        else:
            breaker = probe_failed(breaker, RULE, now, "y")
            assert breaker.state is before
        assert breaker.failures == row
        assert (breaker.state is State.CLOSED) is (row < RULE.failures)
        assert (breaker.until is not None) is (breaker.state is State.OPEN)
        if breaker.state is not State.CLOSED:
            assert breaker.pause is not None
            assert RULE.pause <= breaker.pause <= RULE.longest


def test_every_cause_says_what_it_bears_on_and_why() -> None:
    assert BEARINGS.keys() == set(Cause)
    assert all(bearing.reason for bearing in BEARINGS.values())


@pytest.mark.parametrize(
    ("archive", "destination", "causes"),
    [
        (
            Mark.AGAINST,
            Mark.NOTHING,
            {
                Cause.UNREACHABLE,
                Cause.TLS_FAILED,
                Cause.REJECTED,
                Cause.ABORTED,
                Cause.TIMED_OUT,
                Cause.CANNOT_COUNT,
            },
        ),
        (Mark.FOR, Mark.AGAINST, {Cause.ALL_FAILED}),
        (Mark.NOTHING, Mark.AGAINST, {Cause.CANNOT_PERFORM}),
        (Mark.FOR, Mark.FOR, {Cause.ARRIVED, Cause.STORED_WITH_WARNINGS}),
    ],
)
def test_what_counts_against_whom(archive: Mark, destination: Mark, causes: set[Cause]) -> None:
    found = {
        cause for cause, one in BEARINGS.items() if (one.archive, one.destination) == (archive, destination)
    }
    assert found == causes


def test_the_documentation_has_the_table_that_the_code_has() -> None:
    text = (Path(__file__).parents[2] / "docs" / "gates.md").read_text(encoding="utf-8")
    marks = "|".join(Mark)
    rows = re.findall(rf"^\| `(.+)` \| ({marks}) \| ({marks}) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(cause, one.archive, one.destination, one.reason) for cause, one in BEARINGS.items()]
