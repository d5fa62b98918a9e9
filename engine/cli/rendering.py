"""How explanations and acknowledgments look on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

_MARK = {True: "✓", False: "✗"}


def print_explanation(out: Console, told: dict[str, Any]) -> None:
    """One message: its routes with every check, the plan, the gate, and what was found."""
    if "refused" in told:
        refused = told["refused"]
        code = "AR" if refused["reject"] else "AE"
        out.print(f"refused with {code}, HL7 error {refused['code']}: {refused['text']}", style="red")
        return
    out.print(told["message"], style="bold")
    for warning in told["warnings"]:
        out.print(f"  note: {warning}", style="yellow")
    for trace in told["trace"]:
        state = "matches" if trace["matched"] else "does not match"
        state += "" if trace["enabled"] else " (disabled)"
        out.print(
            f"  {_MARK[trace['matched']]} route {trace['route']} {state}", style=_style(trace["matched"])
        )
        for depth, check in _checks(trace["checks"]):
            out.print(f"    {'  ' * depth}{_MARK[check['held']]} {_sentence(check)}", style="dim")
    for problem in told["problems"]:
        out.print(
            f"  problem, HL7 error {problem['code']} at {problem['location']}: {problem['text']}", style="red"
        )
    for number, request in enumerate(told["requests"]):
        due = f", not before {request['due']}" if request["due"] else ""
        out.print(f"  → {request['studies']}, from {request['from']} to {request['to']}{due}", style="cyan")
        if "ordered" in request:
            out.print(f"      {request['ordered']}")
        if "found" in told:
            _print_found(out, told["found"][number])
    for sentence in told["meaning"]:
        out.print(f"  {sentence}", style="magenta")
    if not told["requests"] and not told["problems"]:
        out.print("  nothing is asked: AA")
    for sentence in told["gate"]:
        out.print(f"  gate {sentence}", style="yellow")


def _print_found(out: Console, found: dict[str, Any]) -> None:
    out.print(f"      {found['outcome']}")
    for choice in found["choices"]:
        uid = choice["series"] or choice["study"]
        out.print(f"      {_MARK[choice['taken']]} {uid} {choice['why']}", style=_style(choice["taken"]))


def _checks(checks: list[dict[str, Any]], depth: int = 0) -> Iterator[tuple[int, dict[str, Any]]]:
    for check in checks:
        yield depth, check
        yield from _checks(check.get("parts", []), depth + 1)


def _sentence(check: dict[str, Any]) -> str:
    if "parts" in check:
        return str(check["asked"])
    found = ", ".join(f"{place} {value!r}" for place, value in check["found"].items())
    return f"{check['asked']}: {found or 'empty'}"


def _style(good: bool) -> str:
    return "green" if good else "dim"


def print_ack(out: Console, name: str, ack: bytes) -> bool:
    """An acknowledgment; whether it is positive."""
    from engine.hl7.message import Message
    from engine.hl7.path import FieldPath

    message = Message(ack)

    def value(path: str) -> str:
        return message.first(FieldPath.parse(path))

    code = value("MSA-1")
    good = code in {"AA", "CA"}
    out.print(f"{name}: {code} {value('MSA-3')}".rstrip(), style="green" if good else "red")
    for number in range(1, len(message.values(FieldPath.parse("ERR-4"))) + 1):
        severity, text, status = (value(f"ERR({number})-{field}") for field in ("4", "8", "5.1"))
        counts = value(f"ERR({number})-7")
        out.print(f"  {severity} {' '.join(part for part in (status, text, counts) if part)}")
    return good
