"""Rates: how many studies and instances may start in any minute."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MINUTE = dt.timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """At most so many a minute; None is without limit."""

    studies: int | None = None
    instances: int | None = None

    def __str__(self) -> str:
        limits = ((self.studies, "studies"), (self.instances, "instances"))
        return " and ".join(f"{limit} {name}" for limit, name in limits if limit is not None) + " a minute"


@dataclass(frozen=True, slots=True)
class Passed:
    """A move that went through the gate, with the number of its instances (0 where it is not known)."""

    at: dt.datetime
    instances: int = 0


def earliest(rate: Rate, passed: Iterable[Passed], now: dt.datetime, asked: int = 0) -> dt.datetime | None:
    """When a move of ``asked`` instances (0: not known) may start; None: now.

    A study with more instances than the rate allows starts when nothing else has for a minute. Times more
    than a minute ahead are left out: the clock has been set back since.
    """
    recent = [move for move in passed if now - MINUTE < move.at < now + MINUTE]
    recent.sort(key=lambda move: move.at, reverse=True)
    return max(_reopenings(rate, recent, max(asked, 1)), default=None)


def _reopenings(rate: Rate, recent: list[Passed], asked: int) -> Iterator[dt.datetime]:
    """For each limit that closes now: when the move that fills it up is a minute old. Newest first."""
    if rate.studies is not None and len(recent) >= rate.studies:
        yield recent[rate.studies - 1].at + MINUTE
    if rate.instances is None:
        return
    total = asked
    for move in recent:
        total += move.instances
        if move.instances and total > rate.instances:
            yield move.at + MINUTE
            return
