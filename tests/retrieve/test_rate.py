"""Rates: never more than allowed in any minute, and never stuck."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from engine.retrieve.rate import MINUTE, Passed, Rate, earliest

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.UTC)


def ago(seconds: float, instances: int = 0) -> Passed:
    return Passed(NOW - dt.timedelta(seconds=seconds), instances)


def test_without_a_limit_all_may_start_now() -> None:
    assert earliest(Rate(), [ago(1, 10_000)] * 100, NOW, 10_000) is None


def test_a_further_study_starts_when_the_oldest_that_fills_the_rate_is_a_minute_old() -> None:
    assert earliest(Rate(studies=2), [ago(10)], NOW) is None
    assert earliest(Rate(studies=2), [ago(10), ago(40), ago(50)], NOW) == NOW + dt.timedelta(seconds=20)
    assert earliest(Rate(studies=2), [ago(10), ago(60)], NOW) is None


def test_instances_are_counted_with_those_that_are_asked_for() -> None:
    passed = [ago(50, 300), ago(20, 600)]
    assert earliest(Rate(instances=1000), passed, NOW, 100) is None
    assert earliest(Rate(instances=1000), passed, NOW, 101) == NOW + dt.timedelta(seconds=10)
    assert earliest(Rate(instances=1000), passed, NOW, 500) == NOW + dt.timedelta(seconds=40)


def test_a_study_that_is_larger_than_the_rate_starts_when_nothing_else_has() -> None:
    assert earliest(Rate(instances=1000), [], NOW, 5000) is None
    assert earliest(Rate(instances=1000), [ago(60, 900)], NOW, 5000) is None
    assert earliest(Rate(instances=1000), [ago(30, 1)], NOW, 5000) == NOW + dt.timedelta(seconds=30)
    assert earliest(Rate(instances=1000), [ago(30, 5000)], NOW, 1) == NOW + dt.timedelta(seconds=30)


def test_the_later_of_both_limits_counts() -> None:
    passed = [ago(50, 10), ago(20, 990)]
    assert earliest(Rate(1, 999), passed, NOW, 10) == NOW + dt.timedelta(seconds=40)
    assert earliest(Rate(2, 1000), passed, NOW, 1) == NOW + dt.timedelta(seconds=10)


def test_times_far_ahead_are_left_out_since_the_clock_was_set_back() -> None:
    assert earliest(Rate(studies=1), [ago(-3600)], NOW) is None


@given(
    st.integers(1, 5),
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0, 40), st.integers(0, 150)), max_size=40),
)
def test_in_no_minute_starts_more_than_the_rate_allows(
    studies: int, instances: int, asked: list[tuple[float, int]]
) -> None:
    rate, passed, now = Rate(studies, instances), list[Passed](), NOW
    for wait, size in asked:
        now += dt.timedelta(seconds=wait)
        until = earliest(rate, passed, now, size)
        if until is not None:
            assert now < until <= now + MINUTE
            assert earliest(rate, passed, until - dt.timedelta(microseconds=1), size) is not None
            now = until
            assert earliest(rate, passed, now, size) is None
        passed.append(Passed(now, size))
    for first in passed:
        minute = [move for move in passed if first.at <= move.at < first.at + MINUTE]
        sizes = [move.instances for move in minute if move.instances]
        assert len(minute) <= studies
        assert sum(sizes) <= instances or len(sizes) == 1
