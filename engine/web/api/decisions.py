"""What was decided on a message, as `forefetch explain --json` tells it. What is empty may be left out."""

from __future__ import annotations

from pydantic import ConfigDict, Field, RootModel

from engine.telling.content import Content


class Check(Content):
    """One condition of a route on this message."""

    held: bool = Field(description="Whether it holds")
    asked: str = Field(description="What is asked")
    parts: list[Check] = Field([], description="The conditions that it consists of")
    found: dict[str, str] = Field({}, description="What stood in the field, by its place")


class Trace(Content):
    """Whether a route applies, and why."""

    route: str = Field(description="Its name")
    matched: bool = Field(description="Whether it applies")
    enabled: bool = Field(description="Whether it is switched on")
    checks: list[Check] = Field(description="Its conditions")


class Request(Content):
    """One thing that the message asks for."""

    model_config = ConfigDict(populate_by_name=True)

    studies: str = Field(description="Which, in words")
    kind: str = Field(description="study, series, accession or priors")
    archive: str = Field(alias="from", description="From which archive")
    destination: str = Field(alias="to", description="To which destination")
    routes: list[str] = Field(description="The routes that ask for it")
    due: str | None = Field(None, description="Not before this time; null: at once")
    ordered: str = Field("", description="What the order was understood to be")


class PlanProblem(Content):
    """What a route asks for and this message does not allow."""

    route: str = Field(description="The route; empty where it is the message itself")
    text: str = Field(description="A sentence")
    code: int = Field(description="HL7 error, table 0357")
    location: str = Field(description="The field")


class OtherValue(Content):
    """A field in which routes want another value."""

    field: str = Field(description="The field")
    found: dict[str, str] = Field(description="What stood there")
    routes: int = Field(description="How many routes that ruled out")


class RuledOut(Content):
    """Why the routes that were not tried do not apply, in numbers of routes."""

    other_types: int = Field(0, description="For other types of message")
    disabled: int = Field(0, description="Switched off")
    other_values: list[OtherValue] = Field([], description="By the field that says so")
    other_fields: int = Field(0, description="By more fields")


class Decision(Content):
    """What was decided on a message."""

    message: str = Field("", description="MSH-9")
    warnings: list[str] = Field([], description="What is odd in it, and read all the same")
    routes: list[str] = Field([], description="The routes that apply")
    requests: list[Request] = Field([], description="What is asked for")
    problems: list[PlanProblem] = Field([], description="What cannot be asked for, and why")
    meaning: list[str] = Field([], description="What it takes back or merges")
    trace: list[Trace] = Field([], description="The routes that were tried, with each of their conditions")
    ruled_out: RuledOut | None = Field(None, description="Why the others were not")


class Refusal(Content):
    """Why a message would be refused."""

    code: int = Field(description="HL7 error, table 0357")
    location: str = Field(description="The field; empty where it is the whole message")
    reject: bool = Field(description="Whether the answer would be AR; else it would be AE")
    text: str = Field(description="A sentence")


class Explained(Decision):
    """What one message would come to."""

    refused: Refusal | None = Field(None, description="There and alone where it would be refused")
    gate: list[str] = Field([], description="What is closed or may close; empty: it is open")


class Explanation(RootModel[list[Explained]]):
    """The messages in their order."""
