"""What `hl7_explain` tells of messages, as structured content."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from engine.telling.content import Answer, Content
from engine.telling.preview import checks_of


class Refusal(Content):
    """Why the engine would not take a message."""

    acknowledgment: str = Field(description="AE (error in the message) or AR (rejected)")
    code: int = Field(description="HL7 error, table 0357")
    location: str = Field(description="The field, such as MSH-10; empty where it is the whole message")
    text: str = Field(description="A sentence")


class FieldValue(Content):
    """What stands in a field."""

    location: str = Field(description="Where exactly, such as PID-3(2).1")
    text: str = Field(description="The value; masked where it is patient data")


class ConditionCheck(Content):
    """One condition of a route on this message."""

    depth: int = Field(description="0 for a whole condition, more for a part of the one before it")
    held: bool = Field(description="Whether it is met")
    asked: str = Field(description="The condition in words; 'all of', 'any of', 'not' have parts")
    found: list[FieldValue] = Field(description="What stood in the field; none where it is empty")


class RouteCheck(Content):
    """How one route of the routes file fared."""

    route: str = Field(description="Its name")
    matched: bool = Field(description="Whether it applies to the message")
    enabled: bool = Field(description="One that is not enabled never applies")
    checks: list[ConditionCheck] = Field(description="The message type first, then the conditions")


class StudyChoice(Content):
    """A study or series that the archive has, and whether it would be moved."""

    study: str = Field(description="Study Instance UID")
    series: str = Field(description="Series Instance UID; empty for the whole study")
    taken: bool = Field(description="Whether it would be moved")
    score: float | None = Field(description="How relevant a prior is, where the route asks for that")
    why: str = Field(description="The reason")


class SearchResult(Content):
    """What the archive answered."""

    outcome: str = Field(description="A sentence, with the cure where the archive could not be asked")
    choices: list[StudyChoice] = Field(description="Everything that was found")


class Request(Content):
    """One thing that the message asks for."""

    studies: str = Field(description="Which studies, in words")
    kind: str = Field(description="study and series are known by UID; accession and priors need a search")
    archive: str = Field(description="From which archive, by its name in the routes file")
    destination: str = Field(description="To where, by its name in the routes file")
    routes: list[str] = Field(description="The routes that ask for it")
    due: str | None = Field(description="Not before this time (ISO 8601); null is at once")
    ordered: str = Field(description="What the order was understood to be, where priors are scored by it")
    found: SearchResult | None = Field(description="With find: what the archive has; null without")


class Problem(Content):
    """Something that a route asks for and this message does not allow; it is answered with AE."""

    route: str = Field(description="The route; empty where it is the message itself")
    text: str = Field(description="A sentence")
    code: int = Field(description="HL7 error, table 0357")
    location: str = Field(description="The field")


class Explained(Content):
    """What one message would come to."""

    message_type: str = Field(description="MSH-9, such as ORM^O01; empty where it could not be read")
    refused: Refusal | None = Field(description="Why the engine would refuse it; null where it would not")
    warnings: list[str] = Field(description="What is odd in it, and read all the same")
    routes: list[str] = Field(description="The routes that apply")
    requests: list[Request] = Field(description="What is asked for")
    problems: list[Problem] = Field(description="What cannot be asked for, and why")
    meaning: list[str] = Field(description="What it takes back or merges, in sentences")
    trace: list[RouteCheck] = Field(description="Every route, with each of its conditions")
    gate: list[str] = Field(description="What is closed or may close, with the reason; empty: it is open")


class Explanation(Answer):
    """The messages in their order."""

    messages: list[Explained] = Field(description="One for each message")


def explained(told: dict[str, Any]) -> Explained:
    """From the plain values of a preview (`engine.telling.preview`)."""
    if "refused" in told:
        return Explained(
            message_type="",
            refused=_refusal(told["refused"]),
            warnings=[],
            routes=[],
            requests=[],
            problems=[],
            meaning=[],
            trace=[],
            gate=[],
        )
    return Explained(
        message_type=told["message"],
        refused=None,
        warnings=told["warnings"],
        routes=told["routes"],
        requests=list(_requests(told)),
        problems=[Problem(**problem) for problem in told["problems"]],
        meaning=told["meaning"],
        trace=[_route(trace) for trace in told["trace"]],
        gate=told["gate"],
    )


def _refusal(told: dict[str, Any]) -> Refusal:
    code = "AR" if told["reject"] else "AE"
    return Refusal(acknowledgment=code, code=told["code"], location=told["location"], text=told["text"])


def _requests(told: dict[str, Any]) -> Iterator[Request]:
    found = told.get("found")
    for number, request in enumerate(told["requests"]):
        yield Request(
            studies=request["studies"],
            kind=request["kind"],
            archive=request["from"],
            destination=request["to"],
            routes=request["routes"],
            due=request["due"],
            ordered=request.get("ordered", ""),
            found=None if found is None else _search_result(found[number]),
        )


def _search_result(told: dict[str, Any]) -> SearchResult:
    return SearchResult(outcome=told["outcome"], choices=[StudyChoice(**it) for it in told["choices"]])


def _route(trace: dict[str, Any]) -> RouteCheck:
    checks = [
        ConditionCheck(
            depth=depth,
            held=check["held"],
            asked=check["asked"],
            found=[FieldValue(location=at, text=text) for at, text in check.get("found", {}).items()],
        )
        for depth, check in checks_of(trace["checks"])
    ]
    return RouteCheck(route=trace["route"], matched=trace["matched"], enabled=trace["enabled"], checks=checks)
