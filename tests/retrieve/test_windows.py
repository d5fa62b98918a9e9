"""Windows in wall time, across midnights and changes of the clocks."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.retrieve.windows import Window, Windows, day_of, instant

HELSINKI = ZoneInfo("Europe/Helsinki")  # 2026-03-29: 03:00 becomes 04:00; 2026-10-25: 04:00 becomes 03:00
ZONES = [
    "UTC",
    "Europe/Helsinki",
    "America/New_York",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "America/Havana",
]
MINUTE = dt.timedelta(minutes=1)

times = st.builds(dt.time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
spans = st.builds(Window, st.frozensets(st.integers(0, 6), min_size=1), times, times)
moments = st.integers(0, 10_000_000).map(
    lambda minutes: dt.datetime(2011, 1, 1, tzinfo=dt.UTC) + minutes * MINUTE
)
near_changes = st.builds(
    lambda base, minutes: base + minutes * MINUTE,
    st.sampled_from(
        [dt.datetime(2026, month, day, tzinfo=dt.UTC) for month, day in ((3, 29), (10, 25), (4, 5))]
    ),
    st.integers(-2000, 2000),
)


def windows(*texts: str, zone: dt.tzinfo = HELSINKI) -> Windows:
    return Windows(tuple(Window.parse(text) for text in texts), zone)


def at(text: str, zone: dt.tzinfo = HELSINKI, fold: int = 0) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


@pytest.mark.parametrize(
    ("text", "days", "start", "end"),
    [
        ("mon-fri 20:00-06:00", {0, 1, 2, 3, 4}, "20:00", "06:00"),
        ("sat,sun", {5, 6}, "00:00", "00:00"),
        ("fri-mon 1:00-2:30", {4, 5, 6, 0}, "01:00", "02:30"),
        ("Daily 12:00 - 13:00", set(range(7)), "12:00", "13:00"),
        ("20:00-06:00", set(range(7)), "20:00", "06:00"),
        ("wed 20:00-24:00", {2}, "20:00", "00:00"),
        ("mon,wed-thu , sun", {0, 2, 3, 6}, "00:00", "00:00"),
    ],
)
def test_a_window_is_read_from_text(text: str, days: set[int], start: str, end: str) -> None:
    expected = Window(frozenset(days), dt.time.fromisoformat(start), dt.time.fromisoformat(end))
    assert Window.parse(text) == expected
    assert Window.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "monday", "mon 20:00", "mon-fri 25:00-06:00", "24:00-06:00", "mon 1:60-2:00", "mon tue", "mon-"],
)
def test_anything_else_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match=r"a window such as|times from"):
        Window.parse(text)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-23T19:59:59", False),  # a Monday
        ("2026-11-23T20:00", True),
        ("2026-11-24T05:59:59", True),
        ("2026-11-24T06:00", False),
        ("2026-11-28T05:00", True),  # Saturday, still Friday's
        ("2026-11-28T20:00", False),
        ("2026-11-23T05:00", False),  # Monday morning would be Sunday's
    ],
)
def test_a_window_over_midnight_belongs_to_the_day_of_its_start(moment: str, is_open: bool) -> None:
    assert windows("mon-fri 20:00-06:00").is_open(at(moment)) is is_open


def test_whole_days_are_open_from_midnight_to_midnight() -> None:
    weekend = windows("sat,sun")
    assert weekend.opens(at("2026-11-23T12:00")) == at("2026-11-28T00:00")
    assert weekend.is_open(at("2026-11-28T00:00"))
    assert weekend.is_open(at("2026-11-29T23:59:59"))
    assert not weekend.is_open(at("2026-11-30T00:00"))


def test_an_open_window_opens_at_no_later_time_and_no_window_never_opens() -> None:
    assert windows("daily").opens(at("2026-11-24T12:00")) is None
    assert windows().opens(at("2026-11-24T12:00")) is None
    assert not windows().is_open(at("2026-11-24T12:00"))


@pytest.mark.parametrize(
    ("texts", "since"),
    [
        (("mon-fri 07:00-19:00",), "2026-11-27T07:00+02:00"),
        (("mon-fri 07:00-09:00", "mon-fri 09:00-12:30", "sat"), "2026-11-27T07:00+02:00"),
        (("mon-fri 07:00-19:00", "fri 08:00-09:00"), "2026-11-27T07:00+02:00"),
        (("thu 20:00-06:00", "fri 06:00-24:00"), "2026-11-26T20:00+02:00"),
        (("daily",), "2026-11-25T00:00+02:00"),
        (("mon-thu",), None),
    ],
)
def test_windows_that_meet_have_been_open_since_the_first_of_them(
    texts: tuple[str, ...], since: str | None
) -> None:
    now = dt.datetime(2026, 11, 27, 12, 0, tzinfo=HELSINKI)  # a Friday
    expected = None if since is None else dt.datetime.fromisoformat(since)
    assert windows(*texts).opened(now) == expected


def test_a_time_that_the_clocks_jump_over_opens_at_the_jump() -> None:
    night = windows("daily 03:30-05:00")
    jump = dt.datetime(2026, 3, 29, 1, 0, tzinfo=dt.UTC)
    assert night.opens(at("2026-03-29T00:00")) == jump
    assert night.is_open(jump)
    assert not night.is_open(jump - dt.timedelta(seconds=1))


def test_a_window_that_the_clocks_jump_over_whole_opens_on_the_next_day() -> None:
    assert windows("daily 03:10-03:50").opens(at("2026-03-29T00:00")) == at("2026-03-30T03:10")


def test_a_time_that_comes_twice_counts_once() -> None:
    window = windows("daily 03:15-03:45")
    assert window.opens(at("2026-10-25T00:00")) == dt.datetime(2026, 10, 25, 0, 15, tzinfo=dt.UTC)
    assert window.is_open(at("2026-10-25T03:30").astimezone(dt.UTC))
    second = at("2026-10-25T03:30", fold=1).astimezone(dt.UTC)
    assert not window.is_open(second)
    assert window.opens(second) == at("2026-10-26T03:15")


def test_a_window_without_a_zone_is_in_that_of_the_time() -> None:
    window = Windows((Window.parse("12:00-13:00"),))
    assert window.is_open(at("2026-11-24T12:30"))
    assert not window.is_open(at("2026-11-24T12:30").astimezone(dt.UTC))


def test_a_time_without_a_zone_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="aware"):
        windows("daily").is_open(dt.datetime(2026, 11, 24))  # noqa: DTZ001


@given(st.lists(spans, min_size=1, max_size=3), st.sampled_from(ZONES), moments | near_changes)
def test_it_is_open_at_the_time_it_opens_and_at_none_before(
    several: list[Window], zone: str, now: dt.datetime
) -> None:
    either = Windows(tuple(several), ZoneInfo(zone))
    opens = either.opens(now)
    assert (opens is None) is either.is_open(now)
    if opens is None:
        return
    assert opens > now
    assert either.is_open(opens)
    step = (opens - now) / 50
    assert not any(either.is_open(now + number * step) for number in range(50))
    assert not either.is_open(opens - dt.timedelta(seconds=1))


@given(spans, st.sampled_from(ZONES), moments)
def test_far_from_changes_of_the_clocks_the_wall_time_decides(
    span: Window, zone: str, now: dt.datetime
) -> None:
    local = now.astimezone(ZoneInfo(zone))
    offsets = {(local + dt.timedelta(days=days)).utcoffset() for days in range(-3, 4)}
    if len(offsets) > 1:
        return
    time, today, yesterday = (
        local.time(),
        local.weekday() in span.days,
        (local.weekday() - 1) % 7 in span.days,
    )
    wraps = span.end <= span.start
    before_end = time < span.end
    expected = (today and time >= span.start and (wraps or before_end)) or (
        wraps and yesterday and before_end
    )
    assert Windows((span,), ZoneInfo(zone)).is_open(now) is expected


@given(st.sampled_from(ZONES), moments | near_changes)
def test_every_moment_is_in_its_local_day(zone: str, now: dt.datetime) -> None:
    start, end = day_of(now, ZoneInfo(zone))
    assert start <= now < end
    assert start.astimezone(ZoneInfo(zone)).date() == now.astimezone(ZoneInfo(zone)).date()


def test_a_day_may_begin_after_midnight() -> None:
    havana = ZoneInfo("America/Havana")  # 2026-03-08: 00:00 becomes 01:00
    assert instant(dt.date(2026, 3, 8), dt.time(0), havana) == dt.datetime(2026, 3, 8, 5, tzinfo=dt.UTC)
