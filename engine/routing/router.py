"""Decide what a message means: the routes that match it, and the plan they lead to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from engine.errors import ErrorCode, MessageError
from engine.hl7.message import Located, Message
from engine.retrieve.plan import PlanProblem, RetrievePlan
from engine.routing.conditions import Check, check
from engine.routing.meaning import Meaning, meaning_of
from engine.routing.planning import plan
from engine.routing.rules import Acknowledge, MessagePattern, Route
from engine.routing.table import RouteTable, RuledOut

_NONE = RuledOut()


class RouteTrace(NamedTuple):
    """How one route fared: the check of the message type, and of the conditions where the type was right."""

    route: str
    matched: bool
    enabled: bool
    type_check: Check
    condition: Check | None = None


class Matched(NamedTuple):
    """At least one route applies. ``acknowledge`` and ``deadline`` are the strictest of the routes'.
    ``trace``: of the routes that were tried; ``ruled_out``: of the others, together."""

    routes: tuple[str, ...]
    plan: RetrievePlan
    trace: tuple[RouteTrace, ...]
    acknowledge: Acknowledge
    deadline: float
    validate: bool
    profiles: tuple[str, ...]
    response: str
    meaning: Meaning
    ruled_out: RuledOut = _NONE


class Unmatched(NamedTuple):
    """No route applies; nothing is asked."""

    trace: tuple[RouteTrace, ...]
    meaning: Meaning
    ruled_out: RuledOut = _NONE


Decision = Matched | Unmatched
_NOTHING = RetrievePlan()


def plan_of(decision: Decision) -> RetrievePlan:
    """The plan of a decision; that of no route is empty."""
    return decision.plan if isinstance(decision, Matched) else _NOTHING


def routes_of(decision: Decision) -> tuple[str, ...]:
    """The names of the routes that matched."""
    return decision.routes if isinstance(decision, Matched) else ()


def decide(message: Message, table: RouteTable, now: dt.datetime) -> Decision:
    """Try the routes that could match. Pure: the same message, routes and time give the same decision."""
    routes, ruled_out = table.candidates(message)
    traces = tuple(_trace(route, True, message, now) for route in routes)
    hits = [route for route, trace in zip(routes, traces, strict=True) if trace.matched]
    meaning = meaning_of(message, asks=bool(hits))
    if not hits and not meaning.fault:
        return Unmatched(traces, meaning, ruled_out)
    waits = [route.deadline for route in hits if route.acknowledge is Acknowledge.OUTCOME]
    return Matched(
        routes=tuple(route.name for route in hits),
        plan=_plan(message, hits, meaning, now),
        trace=traces,
        acknowledge=Acknowledge.OUTCOME if waits else Acknowledge.ACCEPTED,
        deadline=min(waits, default=0.0),
        validate=any(route.validate for route in hits),
        profiles=tuple(dict.fromkeys(route.profile for route in hits if route.profile)),
        response=next((route.response for route in hits if route.response), ""),
        meaning=meaning,
        ruled_out=ruled_out,
    )


def explain(message: Message, table: RouteTable, now: dt.datetime) -> Decision:
    """The same decision with the trace of every route, also of those that `decide` need not try."""
    decision = decide(message, table, now)
    return decision._replace(trace=tuple(_fared(it, message, now) for it in table.routes), ruled_out=_NONE)


def _fared(route: Route, message: Message, now: dt.datetime) -> RouteTrace:
    """The trace of a route that may ask for what is not read: more values than are looked at."""
    try:
        return _trace(route, any(it.matches(message.header) for it in route.messages), message, now)
    except MessageError as error:
        return RouteTrace(route.name, False, route.enabled, Check(False, error.text))


def _plan(message: Message, hits: Sequence[Route], meaning: Meaning, now: dt.datetime) -> RetrievePlan:
    """A cancel asks for nothing. Beside new orders it cannot be told which of the fields are theirs."""
    if meaning.fault:
        return RetrievePlan(problems=(PlanProblem("", meaning.fault, ErrorCode.DATA_TYPE, "MRG-1"),))
    if not meaning.cancels:
        return plan(message, hits, now)
    if not meaning.occasions:
        return RetrievePlan()
    text = "the message cancels one order and asks for another; send them apart"
    return RetrievePlan(problems=(PlanProblem(hits[0].name, text, ErrorCode.SEGMENT_SEQUENCE, "ORC-1"),))


def _trace(route: Route, of_type: bool, message: Message, now: dt.datetime) -> RouteTrace:
    """``of_type``: whether the route is for messages of this type."""
    found = (Located(message.header.message_type, "MSH-9"),)
    type_check = Check(of_type, _asked(route.messages), found)
    condition = None
    if of_type and route.condition is not None:
        condition = check(route.condition, message, now)
    matched = route.enabled and of_type and (condition is None or condition.held)
    return RouteTrace(route.name, matched, route.enabled, type_check, condition)


@lru_cache(maxsize=1024)
def _asked(patterns: tuple[MessagePattern, ...]) -> str:
    return f"message is {' or '.join(map(str, patterns))}"
