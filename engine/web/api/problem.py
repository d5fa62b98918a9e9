"""Errors as problem details (RFC 9457): a sentence, the cure, and which parameter it is."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from pydantic import Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from engine.errors import ForefetchError, StoreError
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


class Refused(ForefetchError):
    """A call that is not carried out."""

    def __init__(self, status: int, detail: str, cure: str = "", faults: tuple[Fault, ...] = ()) -> None:
        self.status = status
        self.cure = cure
        self.faults = faults
        super().__init__(detail)


def invalid(error: ValidationError, where: str) -> Refused:
    """Of what was given in ``where``, such as "the query". What was in it is not repeated."""
    faults = tuple(_faults(error))
    names = ", ".join(dict.fromkeys(fault.parameter for fault in faults))
    return Refused(400, f"{where} has parameters that cannot be meant: {names}", faults=faults)


def _faults(error: ValidationError) -> Iterator[Fault]:
    for it in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in it["loc"]) or "body"
        unknown = it["type"] == "extra_forbidden"
        text = "there is no such parameter; see /api/v1/docs" if unknown else it["msg"]
        yield Fault(parameter=name, detail=text.removeprefix("Value error, "))


def response_to(error: Refused | HTTPException | ForefetchError) -> Response:
    """The answer to a call that ended so."""
    problem = _problem(error)
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return Response(problem.model_dump_json(), problem.status, headers, MEDIA_TYPE)


def _problem(error: Refused | HTTPException | ForefetchError) -> Problem:
    if isinstance(error, HTTPException):
        return _told(error.status_code, error.detail)
    if isinstance(error, Refused):
        return _told(error.status, str(error), error.cure, list(error.faults))
    return _told(503 if isinstance(error, StoreError) else 400, str(error))


def _told(status: int, detail: str, cure: str = "", faults: list[Fault] | None = None) -> Problem:
    return Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, cure=cure, faults=faults or []
    )
