"""Windows: when moves may run, in the wall time of a zone and across its changes of the clocks."""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EXPECTED = "a window such as mon-fri 20:00-06:00, sat,sun or daily 12:00-13:00"
_SPAN = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)")
_AHEAD = 16  # days in which a weekly window opens, even where a change of the clocks swallows it once
_SECOND = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Window:
    """From ``start`` to before ``end`` on some days of the week (0 is Monday).

    An ``end`` that is not after ``start`` is on the next day; the day is that of the start. Both at 00:00 is
    the whole day.
    """

    days: frozenset[int]
    start: dt.time = dt.time(0)
    end: dt.time = dt.time(0)

    @classmethod
    def parse(cls, text: str) -> Window:
        """``mon-fri 20:00-06:00``, ``sat,sun``, ``daily 12:00-13:00``, ``20:00-06:00``. ValueError says what
        is expected."""
        words = re.sub(r"\s*([,-])\s*", r"\1", text.strip().lower()).split()
        times = words.pop() if words and ":" in words[-1] else "00:00-24:00"
        if len(words) > 1 or not (words or ":" in text):
            raise ValueError(_EXPECTED)
        return cls(_days(words[0] if words else "daily"), *_times(times))

    def __str__(self) -> str:
        days = "daily" if len(self.days) == 7 else ",".join(_DAYS[day] for day in sorted(self.days))
        return f"{days} {self.start:%H:%M}-{'24:00' if self.end == dt.time(0) else f'{self.end:%H:%M}'}"


def _days(text: str) -> frozenset[int]:
    if text == "daily":
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in _DAYS or (dash and last not in _DAYS):
            raise ValueError(_EXPECTED)
        start = _DAYS.index(first)
        length = (_DAYS.index(last) - start) % 7 if dash else 0
        days.update((start + step) % 7 for step in range(length + 1))
    return frozenset(days)


def _times(text: str) -> tuple[dt.time, dt.time]:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(_EXPECTED)
    first_hour, first_minute, last_hour, last_minute = map(int, match.groups())
    if (last_hour, last_minute) == (24, 0):
        last_hour = 0  # the midnight that ends the day
    if max(first_hour, last_hour) > 23 or max(first_minute, last_minute) > 59:
        raise ValueError("times from 00:00 to 23:59 (24:00 as an end)")
    return dt.time(first_hour, first_minute), dt.time(last_hour, last_minute)


@dataclass(frozen=True, slots=True)
class Windows:
    """Several windows: open where one of them is. ``zone`` None: the zone of the time that is asked about."""

    spans: tuple[Window, ...]
    zone: dt.tzinfo | None = None

    def is_open(self, now: dt.datetime) -> bool:
        """Whether moves may run at this (aware) time."""
        return any(start <= now < end for _, start, end in self._around(now, 2))

    def opens(self, now: dt.datetime) -> dt.datetime | None:
        """When the next window opens, in UTC; None where one is open, or there is none at all."""
        if self.is_open(now):
            return None
        coming = ((day, start) for day, start, _ in self._around(now, _AHEAD) if start > now)
        of_one_day = next(itertools.groupby(coming, key=lambda one: one[0]), None)  # days come in their order
        return None if of_one_day is None else min(start for _, start in of_one_day[1])

    def opened(self, now: dt.datetime) -> dt.datetime | None:
        """Since when one or another has been open, in UTC (of more than a day, as much as is certain); None
        where none is."""
        spans = [(start, end) for _, start, end in self._around(now, 2)]
        since = now.astimezone(dt.UTC)
        if not self.is_open(now):
            return None
        while earlier := [start for start, end in spans if start < since <= end]:
            since = min(earlier)
        return since

    def __str__(self) -> str:
        return " and ".join(map(str, self.spans))

    def _around(self, now: dt.datetime, ahead: int) -> Iterator[tuple[dt.date, dt.datetime, dt.datetime]]:
        """The windows that begin from two days ago to before ``ahead`` days from today, by their day, as UTC
        instants; those that the clocks jump over are left out."""
        now = _aware(now)
        zone = self.zone or now.tzinfo
        assert zone is not None  # of an aware time
        today = now.astimezone(zone).date()
        for day in (today + dt.timedelta(days=step) for step in range(-2, ahead)):
            for span in self.spans:
                if day.weekday() in span.days:
                    last = day if span.end > span.start else day + dt.timedelta(days=1)
                    start, end = instant(day, span.start, zone), instant(last, span.end, zone)
                    if start < end:
                        yield day, start, end


def instant(day: dt.date, time: dt.time, zone: dt.tzinfo) -> dt.datetime:
    """When a wall time comes, in UTC. Of two times (clocks set back) it is the first; one that does not exist
    (clocks set forward) comes when the clock has jumped past it."""
    wall = dt.datetime.combine(day, time)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if second >= first:
        return first
    # PEP 495: in a gap fold=1 is before the jump and fold=0 after it
    before, after = second, first
    while after - before > _SECOND:
        middle = before + (after - before) // (2 * _SECOND) * _SECOND
        if middle.astimezone(zone).replace(tzinfo=None) >= wall:
            after = middle
        else:
            before = middle
    return after


def day_of(now: dt.datetime, zone: dt.tzinfo) -> tuple[dt.datetime, dt.datetime]:
    """The local day as UTC instants: its midnight, and the next."""
    today = _aware(now).astimezone(zone).date()
    return instant(today, dt.time(0), zone), instant(today + dt.timedelta(days=1), dt.time(0), zone)


def _aware(now: dt.datetime) -> dt.datetime:
    if now.utcoffset() is None:
        raise ValueError("an aware time is needed")
    return now
