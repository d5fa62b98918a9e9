"""How a request is refused: problem details for programs, a sentence for browsers."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from engine.web.problem import problem_response

API = "/api/"


def wants_page(request: Request) -> bool:
    """Whether a person looks at what comes back."""
    return not request.scope["path"].startswith(API) and "text/html" in request.headers.get("accept", "")


def refuse(
    request: Request, status: int, sentence: str, headers: Mapping[str, str] | None = None
) -> Response:
    """With this status, and a sentence that has the cure."""
    if wants_page(request):
        return PlainTextResponse(sentence + "\n", status, headers)
    return problem_response(status, sentence, headers=headers)


async def refuse_as(request: Request, error: Exception) -> Response:
    """The answer to an HTTPException of a page or a call."""
    assert isinstance(error, HTTPException)
    return refuse(request, error.status_code, error.detail, error.headers)
