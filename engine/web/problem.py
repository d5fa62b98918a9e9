"""Errors as problem details (RFC 9457): a sentence, the cure, and which parameter it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import Field
from starlette.responses import Response

from engine.telling.content import Content

MEDIA_TYPE = "application/problem+json"


class Fault(Content):
    """What is wrong with one parameter, or with one field of the body."""

    parameter: str = Field(description="Its name, such as since, or filter.status")
    detail: str = Field(description="What it may be")


class Problem(Content):
    """Why a call has done nothing (RFC 9457)."""

    type: str = Field(default="about:blank", description="The status says all there is of its kind")
    title: str = Field(description="The status in words")
    status: int = Field(description="The status")
    detail: str = Field(description="A sentence")
    cure: str = Field("", description="What to do about it; empty where the sentence says it")
    faults: list[Fault] = Field([], description="One for each parameter that is wrong")


def problem_response(
    status: int,
    detail: str,
    cure: str = "",
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to what is refused."""
    title = HTTPStatus(status).phrase
    problem = Problem(title=title, status=status, detail=detail, cure=cure, faults=list(faults))
    return Response(problem.model_dump_json(), status, headers, MEDIA_TYPE)
