"""Retries: the table of causes, schedules, and what follows from both."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieve.duration import duration_text, parse_duration
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.retry import RETRIES, Again, GiveUp, Schedule, decide

NOW = dt.datetime(2026, 11, 24, 8, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
DOWN = Outcome(TaskStatus.FAILED, Cause.UNREACHABLE, "no TCP connection")

pauses = st.integers(1, 10**7).map(lambda seconds: dt.timedelta(seconds=seconds))
steps = st.lists(st.tuples(st.integers(1, 100), pauses), max_size=6).map(tuple)


def outcome(cause: Cause) -> Outcome:
    return Outcome(TaskStatus.FAILED, cause, "text")


def test_every_cause_is_in_the_table_with_a_reason() -> None:
    assert RETRIES.keys() == set(Cause)
    assert all(reason for _, reason in RETRIES.values())


@pytest.mark.parametrize("cause", [Cause.CANCELED, Cause.ARRIVED, Cause.DESTINATION_UNKNOWN, Cause.INVALID])
def test_what_cannot_pass_by_itself_is_never_tried_again(cause: Cause) -> None:
    verdict = decide(outcome(cause), 1, Schedule.parse("5x1m"), NOW, 0.5)
    assert verdict == GiveUp(f"not tried again: {RETRIES[cause][1]}")


@pytest.mark.parametrize("cause", [Cause.SOME_FAILED, Cause.MISSING, Cause.UNREACHABLE, Cause.BUSY])
def test_what_may_pass_is_tried_again_partly_done_or_not(cause: Cause) -> None:
    verdict = decide(outcome(cause), 1, Schedule.parse("5x1m"), NOW, 0.5)
    assert verdict == Again(NOW + MINUTE, "text; retry 1 of 5 after about 1m")


@pytest.mark.parametrize("schedule", [None, Schedule(())])
def test_without_retries_it_says_so(schedule: Schedule | None) -> None:
    assert decide(DOWN, 1, schedule, NOW, 0.5) == GiveUp(
        "not tried again: its route has no retries (retry: in routes.yaml)"
    )


def test_the_steps_follow_each_other_until_they_are_exhausted() -> None:
    schedule = Schedule.parse("2x1m, 5m, 1h")
    verdicts = [decide(DOWN, failures, schedule, NOW, 0.5) for failures in range(1, 6)]
    assert [one.at - NOW for one in verdicts if isinstance(one, Again)] == [
        MINUTE,
        MINUTE,
        5 * MINUTE,
        60 * MINUTE,
    ]
    assert verdicts[-1] == GiveUp("given up after 5 attempts")


@given(st.floats(0, 1, exclude_max=True))
def test_chance_places_a_retry_within_the_jitter(chance: float) -> None:
    verdict = decide(DOWN, 1, Schedule.parse("100s"), NOW, chance)
    assert isinstance(verdict, Again)
    assert dt.timedelta(seconds=90) <= verdict.at - NOW <= dt.timedelta(seconds=110)


def test_the_ends_of_chance_are_the_ends_of_the_jitter() -> None:
    schedule = Schedule(((1, 100 * dt.timedelta(seconds=1)),), jitter=0.5)
    earliest, latest = (decide(DOWN, 1, schedule, NOW, chance) for chance in (0.0, 1.0))
    assert isinstance(earliest, Again)
    assert isinstance(latest, Again)
    assert (earliest.at, latest.at) == (NOW + dt.timedelta(seconds=50), NOW + dt.timedelta(seconds=150))


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("5x1m, 12x5m, 12x1h", "5x1m, 12x5m, 12x1h"),
        ("1m,5m ,1h", "1m, 5m, 1h"),
        ("1x90s", "90s"),
        ("3 x 120s", "3x2m"),
        ("off", "off"),
    ],
)
def test_a_schedule_says_itself(text: str, again: str) -> None:
    assert str(Schedule.parse(text)) == again


@given(steps)
def test_a_schedule_survives_its_text(several: tuple[tuple[int, dt.timedelta], ...]) -> None:
    assert Schedule.parse(str(Schedule(several))) == Schedule(several)


@pytest.mark.parametrize(
    "text", ["", "5", "5x", "x5m", "0x1m", "5x0s", "1m,", "5x1m 5m", "-1x5m", "2000x1m", "5*1m"]
)
def test_anything_else_is_no_schedule(text: str) -> None:
    with pytest.raises(ValueError, match=r"retries|at least 1"):
        Schedule.parse(text)


@given(st.integers(1, 10**9).map(lambda tenths: dt.timedelta(milliseconds=100 * tenths)))
def test_a_duration_survives_its_text(size: dt.timedelta) -> None:
    assert parse_duration(duration_text(size)) == size


def test_the_documentation_has_the_table_that_the_code_has() -> None:
    text = (Path(__file__).parents[2] / "docs" / "gates.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(.+)` \| (yes|no) \| (.+) \|$", text, re.MULTILINE)
    assert rows == [(cause, "yes" if again else "no", reason) for cause, (again, reason) in RETRIES.items()]
