"""What was done minute by minute, for the charts of the operator's page."""

from __future__ import annotations

import datetime as dt
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

_KEPT = 24 * 60  # minutes
_LATELY = 15  # minutes
_MOST_LATENCIES = 1000


class Minute(NamedTuple):
    """One minute that began ``at``: messages that got an answer, those of them that were refused (AE, AR, CE,
    CR), studies that arrived, moves that failed, and objects that were sent."""

    at: dt.datetime
    messages: int = 0
    refused: int = 0
    arrived: int = 0
    failed: int = 0
    instances: int = 0


class Latency(NamedTuple):
    """Seconds from a message to its first answer, of late: for half of them, and for 99 in 100."""

    median: float
    p99: float


@dataclass(slots=True)
class Tally:
    """What happened in one minute, counted from 1970."""

    number: int
    messages: int = 0
    refused: int = 0
    arrived: int = 0
    failed: int = 0
    instances: int = 0


class Recent:
    """The last 24 hours. ``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._latencies: deque[tuple[int, float]] = deque(maxlen=_MOST_LATENCIES)
        self._tallies: deque[Tally] = deque(maxlen=_KEPT)
        self._tallies.append(Tally(self._now()))

    def tally(self) -> Tally:
        """That of the minute that runs."""
        number, last = self._now(), self._tallies[-1]
        if number > last.number:
            last = Tally(number)
            self._tallies.append(last)
        return last

    def answered(self, seconds: float, *, refused: bool) -> None:
        """A message has got its answer."""
        tally = self.tally()
        tally.messages += 1
        tally.refused += refused
        self._latencies.append((tally.number, seconds))

    def minutes(self, count: int) -> list[Minute]:
        """So many, the one that runs last."""
        last = self._now()
        known = {it.number: it for it in self._tallies}
        return [_minute(known.get(number) or Tally(number)) for number in range(last - count + 1, last + 1)]

    def latency(self) -> Latency | None:
        """Of the last messages, unless there was none lately."""
        first = self._now() - _LATELY
        ordered = sorted(seconds for number, seconds in self._latencies if number > first)
        if not ordered:
            return None
        return Latency(ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100])

    def _now(self) -> int:
        """The minute that runs. Where the clock was put back, what has been counted goes back with it: a
        minute of tomorrow would last until then."""
        number = int(self._clock()) // 60
        ahead = self._tallies[-1].number - number if self._tallies else 0
        if ahead > 0:
            for tally in self._tallies:
                tally.number -= ahead
            moved = [(it - ahead, seconds) for it, seconds in self._latencies]
            self._latencies = deque(moved, _MOST_LATENCIES)
        return number


def _minute(tally: Tally) -> Minute:
    at = dt.datetime.fromtimestamp(tally.number * 60, dt.UTC)
    return Minute(at, tally.messages, tally.refused, tally.arrived, tally.failed, tally.instances)
