"""Retries: which failures may pass by themselves, and when to try again."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.retrieve.duration import duration_text, parse_duration
from engine.retrieve.outcome import Cause, Outcome

OFF = "off"
MOST = 1000  # retries of one schedule: more is a mistake in writing
_STEP = re.compile(r"(?:(\d+)\s*x\s*)?(\S.*)")
_EXPECTED = "retries such as 5x1m, 12x5m, 12x1h (five times after a minute, then …), or off"


@dataclass(frozen=True, slots=True)
class Schedule:
    """So many retries after such a pause each, step by step; no steps: none at all.

    ``jitter`` spreads each pause by this share of it, up and down, so that what failed together does not
    come back together.
    """

    steps: tuple[tuple[int, dt.timedelta], ...]
    jitter: float = 0.1

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """``5x1m, 12x5m, 12x1h``; ``1m, 5m, 1h`` is once each; ``off``. ValueError says what is expected."""
        if text.strip() == OFF:
            return cls(())
        schedule = cls(tuple(_step(part.strip()) for part in text.split(",")))
        if schedule.retries > MOST:
            raise ValueError(f"at most {MOST} retries in all")
        return schedule

    @property
    def retries(self) -> int:
        return sum(count for count, _ in self.steps)

    @property
    def length(self) -> dt.timedelta:
        """From the first failure to the last retry, were each to fail at once."""
        return sum((count * pause for count, pause in self.steps), dt.timedelta())

    def pause(self, failures: int) -> dt.timedelta | None:
        """The pause after this many failures (from 1); None: there is no further retry."""
        for count, pause in self.steps:
            if failures <= count:
                return pause
            failures -= count
        return None

    def __str__(self) -> str:
        steps = ((f"{count}x" if count > 1 else "") + duration_text(pause) for count, pause in self.steps)
        return ", ".join(steps) or OFF


def _step(text: str) -> tuple[int, dt.timedelta]:
    match = _STEP.fullmatch(text)
    if match is None:
        raise ValueError(_EXPECTED)
    try:
        count, pause = int(match[1] or 1), parse_duration(match[2])
    except ValueError:
        raise ValueError(_EXPECTED) from None
    if not count or not pause:
        raise ValueError("a count of at least 1 and a pause longer than zero")
    return count, pause


@dataclass(frozen=True, slots=True)
class Again:
    """Try again at this time. ``text`` says what failed and which retry it will be."""

    at: dt.datetime
    text: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It stays as it is; ``text`` says why it is not tried again."""

    text: str


def decide(
    outcome: Outcome, failures: int, schedule: Schedule | None, now: dt.datetime, chance: float
) -> Again | GiveUp:
    """Whether a task that ended so is tried again. ``failures`` counts the attempts that failed, this one
    included. ``chance`` in [0, 1) places the retry within the jitter."""
    transient, reason = RETRIES[outcome.cause]
    if not transient:
        return GiveUp(f"not tried again: {reason}")
    if schedule is None or not schedule.retries:
        return GiveUp("not tried again: its route has no retries (retry: in routes.yaml)")
    pause = schedule.pause(max(failures, 1))
    if pause is None:
        return GiveUp(f"given up after {failures} attempts")
    spread = 1 + schedule.jitter * (2 * chance - 1)
    which = f"retry {max(failures, 1)} of {schedule.retries}"
    return Again(now + pause * spread, f"{outcome.text}; {which} after about {duration_text(pause)}")


RETRIES: Mapping[Cause, tuple[bool, str]] = {
    Cause.ARRIVED: (False, "it arrived"),
    Cause.RESOLVED: (False, "the question was answered"),
    Cause.UNCOUNTED: (False, "the archive would not count the second time either"),
    Cause.NOTHING_MOVED: (False, "the archive has nothing of it to send"),
    Cause.STORED_WITH_WARNINGS: (False, "it arrived"),
    Cause.SOME_FAILED: (True, "partly done; the destination may take the rest later"),
    Cause.ALL_FAILED: (True, "the destination may be down or full"),
    Cause.CANNOT_COUNT: (True, "the archive is out of resources"),
    Cause.CANNOT_PERFORM: (True, "the destination may be down, or the archive out of resources"),
    Cause.DESTINATION_UNKNOWN: (False, "the destination must first be entered in the archive"),
    Cause.IDENTIFIER_MISMATCH: (False, "the archive would refuse the same request again"),
    Cause.UNABLE_TO_PROCESS: (True, "some archives say so when the destination does not answer"),
    Cause.NOT_AUTHORIZED: (False, "the archive must first allow it"),
    Cause.OTHER_STATUS: (True, "what the status means is not known; it may pass"),
    Cause.CANCELED: (False, "it was canceled: nobody wants it any more"),
    Cause.UNREACHABLE: (True, "the archive may be down or restarting"),
    Cause.TLS_FAILED: (True, "the archive may be restarting, or its certificate be renewed meanwhile"),
    Cause.REJECTED: (True, "the archive may be at its limit of associations"),
    Cause.ABORTED: (True, "the archive may be restarting"),
    Cause.TIMED_OUT: (True, "the archive may be overloaded"),
    Cause.QUERY_FAILED: (True, "the archive may be out of resources"),
    Cause.NOT_FOUND: (False, "the archive answered that it does not have it"),
    Cause.INVALID: (False, "what the message says would be no better the second time"),
    Cause.GATE_CLOSED: (False, "the configuration does not allow it"),
    Cause.DRY_RUN: (False, "a dry run moves nothing"),
    Cause.EXPIRED: (False, "nobody approved it in time"),
    Cause.ALREADY_THERE: (False, "the destination has it"),
    Cause.MISSING: (True, "partly done; what is missing may arrive the second time"),
    Cause.UNVERIFIED: (False, "the archive says that it arrived; moving it again would tell no more"),
    Cause.BUSY: (True, "the node is at its limit; a place will be free"),
    Cause.INTERNAL: (False, "the same fault of Forefetch would come again"),
}


def backoff(attempts: int, first: float, longest: float) -> float:
    """Seconds to wait after a failure that ``attempts`` others came before."""
    return min(first * 2.0 ** min(attempts, 64), longest)
