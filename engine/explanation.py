"""A decision in words: for the journal, for ``forefetch explain`` and for tests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_core import to_json

from engine.hl7.message import Located, Message
from engine.retrieve.plan import PlanProblem
from engine.retrieve.selector import PriorsOfPatient
from engine.retrieve.task import RetrieveRequest
from engine.routing.conditions import Check
from engine.routing.meaning import Meaning
from engine.routing.relevance import in_words
from engine.routing.router import Decision, RouteTrace, plan_of, routes_of
from engine.routing.table import OtherValue, RuledOut

_MOST_TOLD = 20  # values of one check, and fields that ruled routes out


def as_dict(message: Message, decision: Decision) -> dict[str, Any]:
    """The decision as plain values (JSON): routes, requests, problems, the checks of each route that was
    tried, and together what ruled the others out, where there are others."""
    plan = plan_of(decision)
    told = {
        "message": message.header.message_type,
        "warnings": list(message.warnings),
        "routes": list(routes_of(decision)),
        "requests": [request_dict(request) for request in plan.requests],
        "problems": [
            {
                "route": problem.route,
                "text": problem.text,
                "code": int(problem.code),
                "location": problem.location,
            }
            for problem in plan.problems
        ],
        "meaning": list(_meaning(decision.meaning)),
        "trace": [_trace(trace) for trace in decision.trace],
    }
    others = _ruled_out(decision.ruled_out)
    return told | ({"ruled_out": others} if others else {})


def as_json(message: Message, decision: Decision) -> str:
    """The same as text, without what is empty, for the store."""
    told = {name: value for name, value in as_dict(message, decision).items() if value}
    return to_json(told).decode()


def _meaning(meaning: Meaning) -> Iterator[str]:
    """What a message means beyond its routes, in sentences."""
    for occasion in meaning.withdrawn:
        then = "and asks anew" if meaning.replaced else "and asks for nothing instead"
        yield f"takes back what was asked for {occasion}, {then}"
    for merge in meaning.merges:
        authority = f" ({merge.old.authority})" if merge.old.authority else ""
        yield f"patient {merge.old.id} is {merge.new.id} from now on{authority}: searches ask for both"


def problems_of(told: str) -> tuple[PlanProblem, ...]:
    """The problems in a decision that was written with ``as_json``."""
    return tuple(PlanProblem(**problem) for problem in json.loads(told).get("problems", []))


def request_dict(request: RetrieveRequest) -> dict[str, Any]:
    """One request in plain values."""
    selector = request.selector
    ordered = in_words(selector) if isinstance(selector, PriorsOfPatient) else ""
    told = {
        "studies": str(selector),
        "kind": selector.kind,
        "from": request.archive,
        "to": request.destination,
        "routes": list(request.routes),
        "due": request.due.isoformat() if request.due is not None else None,
    }
    return told | ({"ordered": ordered} if ordered else {})


def _trace(trace: RouteTrace) -> dict[str, Any]:
    checks = [trace.type_check] + ([trace.condition] if trace.condition is not None else [])
    return {
        "route": trace.route,
        "matched": trace.matched,
        "enabled": trace.enabled,
        "checks": [_check(check) for check in checks],
    }


def _check(check: Check) -> dict[str, Any]:
    told: dict[str, Any] = {"held": check.held, "asked": check.text}
    if check.parts:
        told["parts"] = [_check(part) for part in check.parts]
    else:
        told["found"] = _values(check.found)
    return told


def _values(found: Sequence[Located]) -> dict[str, str]:
    told = {value.location: value.text for value in found[:_MOST_TOLD]}
    if len(found) > _MOST_TOLD:
        told["…"] = f"and {len(found) - _MOST_TOLD} more"
    return told


def _ruled_out(others: RuledOut) -> dict[str, Any]:
    """Numbers of routes. Its size grows with the fields that are looked up, and not with the routes."""
    told: dict[str, Any] = {}
    if others.other_types:
        told["other_types"] = others.other_types
    if others.disabled:
        told["disabled"] = others.disabled
    if others.fields:
        told["other_values"] = [_other_value(field) for field in others.fields[:_MOST_TOLD]]
    if len(others.fields) > _MOST_TOLD:
        told["other_fields"] = sum(field.routes for field in others.fields[_MOST_TOLD:])
    return told


def _other_value(field: OtherValue) -> dict[str, Any]:
    return {"field": str(field.path), "found": _values(field.found), "routes": field.routes}


def lines(check: Check, depth: int = 0) -> Iterator[tuple[int, bool, str]]:
    """A check as indented lines: depth, whether it held, and a sentence with what stood in the field."""
    yield depth, check.held, check.text if check.parts else f"{check.text}: {_found(check)}"
    for part in check.parts:
        yield from lines(part, depth + 1)


def _found(check: Check) -> str:
    return ", ".join(f"{value.location} {value.text!r}" for value in check.found) or "empty"
