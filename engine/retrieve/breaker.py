"""Circuit breakers: an archive or destination that fails again and again is left alone for a while.

::

    CLOSED  --failures in a row-->  OPEN until  --probe passed-->  HALF_OPEN  --the trial succeeds-->  CLOSED
                                     ^  | probe failed: twice the pause  | the trial fails: twice the pause
                                     +--+--------------------------------+

A probe (C-ECHO) is due when the pause is over; where a node cannot be probed, the time alone counts as one
that passed. HALF_OPEN lets one move through at a time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from engine.retrieve.outcome import Cause


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class BreakerRule:
    """Open after so many ``failures`` in a row, for ``pause``, which doubles up to ``longest``."""

    failures: int = 5
    pause: dt.timedelta = dt.timedelta(seconds=30)
    longest: dt.timedelta = dt.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Breaker:
    """How an archive or destination has been doing. ``failures`` in a row, ``last`` what the last one said;
    ``pause`` and ``until`` are set while it is not CLOSED."""

    state: State = State.CLOSED
    failures: int = 0
    last: str = ""
    pause: dt.timedelta | None = None
    until: dt.datetime | None = None


def failed(breaker: Breaker, rule: BreakerRule, now: dt.datetime, text: str) -> Breaker:
    """After a failure that counts. One that comes while it is OPEN was under way before: the pause stays."""
    counted = replace(breaker, failures=breaker.failures + 1, last=text)
    if breaker.state is State.HALF_OPEN:
        return _opened(counted, rule, now)
    if breaker.state is State.CLOSED and counted.failures >= rule.failures:
        return _opened(counted, rule, now)
    return counted


def succeeded(breaker: Breaker) -> Breaker:
    """After a success: CLOSED, whatever it was."""
    return Breaker()


def probe_due(breaker: Breaker, now: dt.datetime) -> bool:
    """Whether it is time to ask the node if it is there again."""
    return breaker.state is State.OPEN and (breaker.until is None or now >= breaker.until)


def probe_passed(breaker: Breaker) -> Breaker:
    """It answered: one trial at a time."""
    return replace(breaker, state=State.HALF_OPEN, until=None) if breaker.state is State.OPEN else breaker


def probe_failed(breaker: Breaker, rule: BreakerRule, now: dt.datetime, text: str) -> Breaker:
    """It did not answer: twice the pause, up to the longest."""
    if breaker.state is not State.OPEN:
        return breaker
    return _opened(replace(breaker, last=text), rule, now)


def _opened(breaker: Breaker, rule: BreakerRule, now: dt.datetime) -> Breaker:
    pause = rule.pause if breaker.pause is None else min(2 * breaker.pause, max(rule.longest, rule.pause))
    return replace(breaker, state=State.OPEN, pause=pause, until=now + pause)


def reason(breaker: Breaker, node: str) -> str | None:
    """Why moves wait, such as "archive main failed 5 times in a row, last: no TCP connection"; None: CLOSED.
    ``node`` is what and which, such as ``archive main``."""
    if breaker.state is State.CLOSED:
        return None
    times = "once" if breaker.failures == 1 else f"{breaker.failures} times in a row"
    text = f"{node} failed {times}, last: {breaker.last or 'no reason known'}"
    return f"{text}; one trial at a time" if breaker.state is State.HALF_OPEN else text


class Mark(StrEnum):
    """What an outcome says of a node."""

    FOR = "works"
    AGAINST = "fails"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Bearing:
    """What a cause says of the archive and of the destination, and why."""

    archive: Mark
    destination: Mark
    reason: str


def _bearings() -> dict[Cause, Bearing]:
    good, bad, none = Mark.FOR, Mark.AGAINST, Mark.NOTHING
    table = (
        (Cause.ARRIVED, good, good, "the archive sent it and the destination took it"),
        (Cause.RESOLVED, good, none, "the archive answered a query"),
        (Cause.UNCOUNTED, good, none, "the archive ended the move with success; what arrived is not known"),
        (Cause.NOTHING_MOVED, good, none, "the archive answered; nothing was sent"),
        (Cause.STORED_WITH_WARNINGS, good, good, "every object was taken"),
        (Cause.SOME_FAILED, good, none, "some objects were taken and others not: it depends on the object"),
        (Cause.ALL_FAILED, good, bad, "the archive worked; the destination took none of its objects"),
        (Cause.CANNOT_COUNT, bad, none, "the archive is out of resources before it has begun to send"),
        (
            Cause.CANNOT_PERFORM,
            none,
            bad,
            "the archive could not send, most often to a destination that is down",
        ),
        (Cause.DESTINATION_UNKNOWN, none, none, "an entry is missing in the archive; waiting does not help"),
        (Cause.IDENTIFIER_MISMATCH, none, none, "it lies in the request"),
        (Cause.UNABLE_TO_PROCESS, none, none, "it may be the study, the archive or the destination"),
        (Cause.NOT_AUTHORIZED, none, none, "a permission is missing in the archive; waiting does not help"),
        (Cause.OTHER_STATUS, none, none, "what the status means is not known"),
        (Cause.CANCELED, none, none, "it was canceled"),
        (Cause.UNREACHABLE, bad, none, "there is no TCP connection to the archive"),
        (Cause.TLS_FAILED, bad, none, "no encrypted connection to the archive comes about"),
        (Cause.REJECTED, bad, none, "the archive rejects associations"),
        (Cause.ABORTED, bad, none, "the archive aborted the association"),
        (Cause.TIMED_OUT, bad, none, "the archive was silent"),
        (Cause.QUERY_FAILED, none, none, "it may be the query or the archive"),
        (Cause.NOT_FOUND, good, none, "the archive answered a query"),
        (Cause.INVALID, none, none, "it lies in the message"),
        (Cause.GATE_CLOSED, none, none, "nothing was asked of either"),
        (Cause.DRY_RUN, none, none, "nothing was moved"),
        (Cause.EXPIRED, none, none, "nothing was asked of either"),
        (Cause.ALREADY_THERE, none, none, "nothing was moved"),
        (
            Cause.MISSING,
            good,
            none,
            "the archive ended the move with success; objects are missing all the same",
        ),
        (Cause.UNVERIFIED, good, none, "the archive ended the move with success; nobody could be asked"),
        (Cause.BUSY, none, none, "we were at our own limit"),
        (Cause.INTERNAL, none, none, "it lies in Forefetch"),
    )
    return {cause: Bearing(archive, destination, text) for cause, archive, destination, text in table}


BEARINGS: Mapping[Cause, Bearing] = _bearings()
