"""How a request is refused: JSON for programs, a sentence for browsers."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

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
    return JSONResponse({"error": _word(status), "error_description": sentence}, status, headers)


async def refuse_as(request: Request, error: Exception) -> Response:
    """The answer to an HTTPException of a page or a call."""
    assert isinstance(error, HTTPException)
    return refuse(request, error.status_code, error.detail, error.headers)


def _word(status: int) -> str:
    return HTTPStatus(status).phrase.lower().replace(" ", "_")
