"""Why a call is not carried out."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from engine.errors import ForefetchError, StoreError
from engine.web.problem import Fault, problem_response


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


def response_to(error: HTTPException | ForefetchError) -> Response:
    """The answer to a call that ended so."""
    if isinstance(error, HTTPException):
        return problem_response(error.status_code, error.detail, headers=error.headers)
    if isinstance(error, Refused):
        return problem_response(error.status, str(error), error.cure, error.faults)
    return problem_response(503 if isinstance(error, StoreError) else 400, str(error))
