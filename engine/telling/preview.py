"""What a message would come to: its decision, what the archives have of it, and how the gate stands."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.config import Config
from engine.errors import MessageError, NodeError
from engine.explanation import as_dict
from engine.hl7.message import Message
from engine.resolve import Finder, Resolution, resolve
from engine.retrieve.outcome import failure
from engine.routing.router import Decision, explain, plan_of
from engine.scu import ArchiveClient
from engine.telling.line import Line
from engine.waiting import foresee

_MARK = {True: "✓", False: "✗"}


@dataclass(frozen=True, slots=True)
class Preview:
    """``gate``: how it stands for the requests as things are, empty where it is open. ``found``: what the
    archives answer, for each request of the plan; None where they were not asked."""

    message: Message
    decision: Decision
    gate: tuple[str, ...] = ()
    found: tuple[Resolution, ...] | None = None


def preview(
    config: Config,
    payload: bytes,
    now: dt.datetime,
    *,
    switched_on: bool,
    finders: Mapping[str, Finder] | None = None,
) -> Preview:
    """Nothing is moved. Where there are ``finders``, by the names of the archives, they are asked, which
    blocks. MessageError for a message that would be refused as it is."""
    message = Message(payload, config.engine.default_charset)
    decision = explain(message, config.table, now)
    found = tuple(_found(decision, finders)) if finders is not None else None
    moves = None if found is None else sum(len(answer.studies) for answer in found)
    return Preview(message, decision, _gate(config, decision, now, moves, switched_on), found)


def _gate(
    config: Config, decision: Decision, now: dt.datetime, moves: int | None, switched_on: bool
) -> tuple[str, ...]:
    policy = config.policy(switch_on=switched_on)
    requests = plan_of(decision).requests
    told = [sentence for request in requests for sentence in foresee(request, policy, now, moves)]
    return tuple(dict.fromkeys(told))


def _found(decision: Decision, finders: Mapping[str, Finder]) -> Iterator[Resolution]:
    for request in plan_of(decision).requests:
        try:
            yield resolve(finders[request.archive], request.selector)
        except NodeError as error:
            yield Resolution(failure(error))


@contextmanager
def clients_of(config: Config) -> Iterator[dict[str, ArchiveClient]]:
    """Of every archive, to ask it; they are closed in the end."""
    clients = {name: ArchiveClient(archive) for name, archive in config.archives.items()}
    try:
        yield clients
    finally:
        for client in clients.values():
            client.close()


def preview_dict(told: Preview) -> dict[str, Any]:
    """The whole of it as plain values (JSON)."""
    values = as_dict(told.message, told.decision)
    if told.found is not None:
        values["found"] = [_found_dict(answer) for answer in told.found]
    values["gate"] = list(told.gate)
    return values


def refusal_dict(error: MessageError) -> dict[str, Any]:
    """The same of a message that is refused."""
    refused = {"code": error.code, "location": error.location, "reject": error.reject, "text": error.text}
    return {"refused": refused}


def _found_dict(answer: Resolution) -> dict[str, Any]:
    choices = [
        {
            "study": choice.study_uid,
            "series": choice.series_uid,
            "taken": choice.taken,
            "score": choice.score,
            "why": choice.reason,
        }
        for choice in answer.choices
    ]
    moves = [{"study": study.study_uid, "series": study.series_uid} for study in answer.studies]
    return {"outcome": answer.outcome.sentence, "choices": choices, "moves": moves}


def preview_lines(told: dict[str, Any]) -> Iterator[Line]:
    """One message, from its plain values: its routes with every check, the plan, what was found, the gate."""
    if "refused" in told:
        refused = told["refused"]
        code = "AR" if refused["reject"] else "AE"
        yield Line(f"refused with {code}, HL7 error {refused['code']}: {refused['text']}", "red")
        return
    yield Line(told["message"], "bold")
    for warning in told["warnings"]:
        yield Line(f"  note: {warning}", "yellow")
    for trace in told["trace"]:
        yield from _trace_lines(trace)
    for problem in told["problems"]:
        where = f"HL7 error {problem['code']} at {problem['location']}"
        yield Line(f"  problem, {where}: {problem['text']}", "red")
    for number, request in enumerate(told["requests"]):
        yield from _request_lines(request)
        if "found" in told:
            yield from _found_lines(told["found"][number])
    for sentence in told["meaning"]:
        yield Line(f"  {sentence}", "magenta")
    if not told["requests"] and not told["problems"]:
        yield Line("  nothing is asked: AA")
    for sentence in told["gate"]:
        yield Line(f"  gate {sentence}", "yellow")


def _trace_lines(trace: dict[str, Any]) -> Iterator[Line]:
    state = "matches" if trace["matched"] else "does not match"
    state += "" if trace["enabled"] else " (disabled)"
    yield Line(f"  {_MARK[trace['matched']]} route {trace['route']} {state}", _style(trace["matched"]))
    for depth, check in checks_of(trace["checks"]):
        yield Line(f"    {'  ' * depth}{_MARK[check['held']]} {_sentence(check)}", "dim")


def _request_lines(request: dict[str, Any]) -> Iterator[Line]:
    due = f", not before {request['due']}" if request["due"] else ""
    yield Line(f"  → {request['studies']}, from {request['from']} to {request['to']}{due}", "cyan")
    if "ordered" in request:
        yield Line(f"      {request['ordered']}")


def _found_lines(found: dict[str, Any]) -> Iterator[Line]:
    yield Line(f"      {found['outcome']}")
    for choice in found["choices"]:
        uid = choice["series"] or choice["study"]
        yield Line(f"      {_MARK[choice['taken']]} {uid} {choice['why']}", _style(choice["taken"]))


def checks_of(checks: list[dict[str, Any]], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each check with those that it consists of, and how deep they are nested."""
    for check in checks:
        yield depth, check
        yield from checks_of(check.get("parts", []), depth + 1)


def _sentence(check: dict[str, Any]) -> str:
    if "parts" in check:
        return str(check["asked"])
    found = ", ".join(f"{place} {value!r}" for place, value in check["found"].items())
    return f"{check['asked']}: {found or 'empty'}"


def _style(good: bool) -> str:
    return "green" if good else "dim"
