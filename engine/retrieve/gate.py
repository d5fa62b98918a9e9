"""The gate: may this task go to its archive now? Deny by default; a closed gate gives its reason.

Each gate is a function of its own; a task passes them in a fixed order, and the first that is closed counts.
docs/gates.md has them as a table.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.retrieve.breaker import State
from engine.retrieve.breaker import reason as breaker_reason
from engine.retrieve.budget import Spent, over
from engine.retrieve.load import Load, Traffic
from engine.retrieve.policy import EXPIRES, NodeRule, Policy, RouteRule, terms
from engine.retrieve.rate import earliest
from engine.retrieve.task import RetrieveTask
from engine.retrieve.windows import day_of

SWITCH = "DICOM_HL7_PACS_ALLOW_RETRIEVE"
SWITCH_REASON = (
    f"retrieval is switched off; set the environment variable {SWITCH} to exactly 'true' "
    "and start forefetch again to allow it"
)


class Gate(StrEnum):
    """The gates, in the order in which they are tried. LISTS: enabled routes, listed archives and
    destinations."""

    SWITCH = "switch"
    LISTS = "lists"
    APPROVAL = "approval"
    BUDGET = "budget"
    WINDOW = "window"
    BREAKER = "breaker"
    CONCURRENCY = "concurrency"
    RATE = "rate"


class Scope(StrEnum):
    """What else the same closure holds: nothing, every move to this destination, or every move from this
    archive (from BREAKER and CONCURRENCY questions too). WINDOW and RATE let expedited ones through."""

    TASK = "task"
    DESTINATION = "destination"
    ARCHIVE = "archive"


class Then(StrEnum):
    """What becomes of the task: it stays scheduled, a person must act, or it fails."""

    WAIT = "wait"
    HOLD = "hold"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Open:
    """The task may start. ``dry_run``: this move must only be told, not made (never set for a question)."""

    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """The task may not start. ``until``: when it may be open again (UTC), and for HOLD when the approval
    expires; None: nobody knows. A BREAKER's may be past: its probe is due."""

    gate: Gate
    reason: str
    scope: Scope
    then: Then
    until: dt.datetime | None = None

    @property
    def final(self) -> bool:
        """It never will as configured."""
        return self.then is Then.REFUSE


def switch_on(environment: Mapping[str, str]) -> bool:
    """Whether retrieval is allowed at all: exactly the word ``true``, nothing like it."""
    return environment.get(SWITCH) == "true"


def admit(task: RetrieveTask, policy: Policy, load: Load, now: dt.datetime) -> Open | Closed:
    """Decide on one task at one (aware) time."""
    rule = terms(policy, task.request.routes)
    case = _Case(task, policy, load, now, rule)
    dry_run = policy.dry_run or rule.dry_run
    gates = _DRY_RUN if dry_run else _MOVE if task.is_move else _QUESTION
    closed = (gate(case) for gate in gates)
    return next((one for one in closed if one is not None), Open(dry_run and task.is_move))


def refuse(policy: Policy, *, archive: str, destination: str, routes: tuple[str, ...] = ()) -> str | None:
    """The reason why such a retrieve is never allowed, or None. No routes: a person asks by hand."""
    if not policy.switch_on:
        return SWITCH_REASON
    if policy.dry_run and not routes:
        return "nothing is moved in a dry run; set gate.mode to open in routes.yaml"
    return _not_listed(policy, archive, destination, routes)


def _not_listed(policy: Policy, archive: str, destination: str, routes: tuple[str, ...]) -> str | None:
    if not terms(policy, routes).enabled:
        return f"route {', '.join(routes)} is not enabled in routes.yaml"
    if archive not in policy.archives:
        return f"archive {archive} is not listed under archives in routes.yaml"
    if destination not in policy.destinations:
        return f"destination {destination} is not listed under destinations in routes.yaml"
    return None


@dataclass(frozen=True, slots=True)
class _Case:
    """One task with all that its gates look at."""

    task: RetrieveTask
    policy: Policy
    load: Load
    now: dt.datetime
    terms: RouteRule

    @property
    def archive(self) -> _Node:
        name = self.task.request.archive
        return _Node(f"archive {name}", Scope.ARCHIVE, self.policy.archives[name], self.load.archive)

    @property
    def destination(self) -> _Node:
        name = self.task.request.destination
        rule = self.policy.destinations[name]
        return _Node(f"destination {name}", Scope.DESTINATION, rule, self.load.destination)

    @property
    def asked(self) -> Spent:
        return Spent(1, self.task.request.instances or 0)


@dataclass(frozen=True, slots=True)
class _Node:
    """An archive or a destination: its rule and what goes on there. ``name`` says what it is too."""

    name: str
    scope: Scope
    rule: NodeRule
    traffic: Traffic


def _switch(case: _Case) -> Closed | None:
    if case.policy.switch_on:
        return None
    return Closed(Gate.SWITCH, SWITCH_REASON, Scope.TASK, Then.REFUSE)


def _lists(case: _Case) -> Closed | None:
    request = case.task.request
    reason = _not_listed(case.policy, request.archive, request.destination, request.routes)
    return Closed(Gate.LISTS, reason, Scope.TASK, Then.REFUSE) if reason is not None else None


def _approval(case: _Case) -> Closed | None:
    hold, siblings = case.terms.hold, case.load.usage.siblings
    if hold is None or case.task.approved or (hold.over and siblings <= hold.over):
        return None
    many = f"it is one of {siblings} studies, more than {hold.over}" if hold.over else "its route says so"
    return _held(case, Gate.APPROVAL, f"a person must approve it: {many}")


def _held(case: _Case, gate: Gate, reason: str) -> Closed:
    """The time for approval begins now, since a closed gate or a retry may have kept it from being asked
    until long after it was made; or when it is due."""
    expires = case.terms.hold.expires if case.terms.hold is not None else EXPIRES
    begins = max(case.now, case.task.request.due or case.now)
    return Closed(gate, reason, Scope.TASK, Then.HOLD, begins + expires)


def _order_budget(case: _Case) -> Closed | None:
    reason = over(case.policy.order, case.load.usage.order, case.asked)
    if reason is None or case.task.approved:
        return None
    return _held(case, Gate.BUDGET, f"budget of its order: {reason}; approve it or raise the budget")


def _patient_budget(case: _Case) -> Closed | None:
    """What alone is more than a day's budget would wait for ever: a person must approve it."""
    budget = case.policy.patient_day
    reason = over(budget, case.load.usage.patient, case.asked)
    if reason is None:
        return None
    if over(budget, Spent(), case.asked) is None:
        _, midnight = day_of(case.now, case.policy.zone)
        text = f"budget of its patient for today: {reason}"
        return Closed(Gate.BUDGET, text, Scope.TASK, Then.WAIT, midnight)
    if case.task.approved:
        return None
    return _held(
        case, Gate.BUDGET, f"budget of a patient for a day: {reason}; approve it or raise the budget"
    )


def _windows(case: _Case) -> Closed | None:
    if case.task.expedited:
        return None
    owners = [("its route", Scope.TASK, case.terms.windows)]
    owners += [(node.name, node.scope, node.rule.windows) for node in (case.archive, case.destination)]
    for owner, scope, windows in owners:
        if windows is not None and not windows.is_open(case.now):
            reason = f"{owner} moves only {windows}"
            return Closed(Gate.WINDOW, reason, scope, Then.WAIT, windows.opens(case.now))
    return None


def _breaker(node: _Node) -> Closed | None:
    breaker = node.traffic.breaker
    reason = breaker_reason(breaker, node.name)
    trial = breaker.state is State.HALF_OPEN and not node.traffic.running
    if node.rule.breaker is None or reason is None or trial:
        return None
    return Closed(Gate.BREAKER, reason, node.scope, Then.WAIT, breaker.until)


def _concurrency(node: _Node) -> Closed | None:
    limit = node.rule.concurrency
    if limit is None or node.traffic.running < limit:
        return None
    reason = f"{node.name} is at its limit of {limit} at a time"
    return Closed(Gate.CONCURRENCY, reason, node.scope, Then.WAIT)


def _rates(case: _Case) -> Closed | None:
    if case.task.expedited:
        return None
    for node in (case.archive, case.destination):
        until = earliest(node.rule.rate, node.traffic.passed, case.now, case.asked.instances)
        if until is not None:
            reason = f"{node.name} is at its rate of {node.rule.rate}"
            return Closed(Gate.RATE, reason, node.scope, Then.WAIT, until)
    return None


def _archive(case: _Case) -> Closed | None:
    return _breaker(case.archive) or _concurrency(case.archive)


def _breakers(case: _Case) -> Closed | None:
    return _breaker(case.archive) or _breaker(case.destination)


def _limits(case: _Case) -> Closed | None:
    return _concurrency(case.archive) or _concurrency(case.destination)


# What passes which gates, in their order
_Check = Callable[[_Case], Closed | None]
_DRY_RUN: tuple[_Check, ...] = (_lists, _archive)
_QUESTION: tuple[_Check, ...] = (_switch, *_DRY_RUN)
_MOVE: tuple[_Check, ...] = (
    _switch,
    _lists,
    _approval,
    _order_budget,
    _patient_budget,
    _windows,
    _breakers,
    _limits,
    _rates,
)
