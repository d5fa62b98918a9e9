"""What the operator allows, as the gate needs it: switch, routes, archives, destinations, budgets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from engine.retrieve.breaker import BreakerRule
from engine.retrieve.budget import Budget
from engine.retrieve.rate import Rate
from engine.retrieve.retry import Schedule
from engine.retrieve.task import Verify
from engine.retrieve.windows import Windows

EXPIRES = dt.timedelta(hours=24)  # of what waits for a person, where no route says otherwise
BY_HAND = "pacs_retrieve"
REHEARSAL = "pacs_retrieve (dry run)"
"""In the place of routes: what somebody asks for by hand while waiting for it, and only to be told of it."""


@dataclass(frozen=True, slots=True)
class NodeRule:
    """How an archive may be asked, or a destination be sent to. None is without limit, without windows
    and without a breaker."""

    concurrency: int | None = None
    rate: Rate = field(default_factory=Rate)
    windows: Windows | None = None
    breaker: BreakerRule | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A person must approve messages that move more than ``over`` studies (0: all), before it ``expires``."""

    over: int = 0
    expires: dt.timedelta = EXPIRES


@dataclass(frozen=True, slots=True)
class RouteRule:
    """On what terms a route moves. ``skip_present``: not what the destination has already."""

    enabled: bool = True
    windows: Windows | None = None
    hold: Hold | None = None
    dry_run: bool = False
    retry: Schedule | None = None
    verify: Verify = Verify.OFF
    skip_present: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """All that is allowed, by the names of routes.yaml. ``order`` is the budget of one message,
    ``patient_day`` of one patient in a day of ``zone``. ``dry_run``: nothing is moved at all, only told."""

    switch_on: bool
    routes: Mapping[str, RouteRule]
    archives: Mapping[str, NodeRule]
    destinations: Mapping[str, NodeRule]
    order: Budget = field(default_factory=Budget)
    patient_day: Budget = field(default_factory=Budget)
    dry_run: bool = False
    zone: dt.tzinfo = dt.UTC


def by_hand(routes: Collection[str]) -> bool:
    """Whether somebody asks for it by hand."""
    return BY_HAND in routes or REHEARSAL in routes


_ALWAYS = {BY_HAND: RouteRule(), REHEARSAL: RouteRule(dry_run=True)}


def terms(policy: Policy, routes: Sequence[str]) -> RouteRule:
    """The terms of a task. Of several enabled routes that ask for it the most favourable to moving count, and
    the strictest verification. One that moves nothing itself, for it is a dry run, makes none of them more
    favourable. No routes: a person asks by hand, on the plain terms."""
    if not routes:
        return RouteRule()
    known = (_ALWAYS.get(name) or policy.routes.get(name) for name in routes)
    rules = [rule for rule in known if rule is not None and rule.enabled]
    rules = [rule for rule in rules if not rule.dry_run] or rules
    if len(rules) < 2:
        return rules[0] if rules else RouteRule(enabled=False)
    return RouteRule(
        windows=_windows([rule.windows for rule in rules]),
        hold=_hold([rule.hold for rule in rules]),
        dry_run=all(rule.dry_run for rule in rules),
        retry=_longest([rule.retry for rule in rules]),
        verify=max((rule.verify for rule in rules), key=list(Verify).index),
        skip_present=all(rule.skip_present for rule in rules),
    )


def _windows(several: Sequence[Windows | None]) -> Windows | None:
    """Open where any is: a route without windows always is."""
    given = [windows for windows in several if windows is not None]
    if len(given) < len(several):
        return None
    return Windows(tuple(dict.fromkeys(span for windows in given for span in windows.spans)), given[0].zone)


def _hold(several: Sequence[Hold | None]) -> Hold | None:
    """Held only where all hold, at the largest number and for the longest time."""
    given = [hold for hold in several if hold is not None]
    if len(given) < len(several):
        return None
    return Hold(max(hold.over for hold in given), max(hold.expires for hold in given))


def _longest(several: Sequence[Schedule | None]) -> Schedule | None:
    given = [schedule for schedule in several if schedule is not None]
    return max(given, key=lambda schedule: (schedule.length, schedule.retries), default=None)
