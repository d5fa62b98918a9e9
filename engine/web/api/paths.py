"""Where the calls of the API are reached, and what describes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route

from engine.telling.masking import Masking
from engine.web.api import docs
from engine.web.api.openapi import document
from engine.web.api.operation import PREFIX
from engine.web.api.operations import OPERATIONS
from engine.web.api.problem import Refused, response_to
from engine.web.office import Office

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def routes(office: Office, veiled: Masking | None = None) -> list[BaseRoute]:
    """With their whole paths, which begin with ``/api/v1``. ``veiled``: the pseudonyms of those who may not
    see patients, where the pages have the same."""
    veiled = veiled or Masking(shown=False)
    known = [operation.route(office, veiled) for operation in OPERATIONS]
    known += [Route(f"{PREFIX}/openapi.json", _openapi), Route(f"{PREFIX}/docs", _docs)]

    async def otherwise(request: Request) -> Response:
        """Of what is no call: 404, or 405 where there is one by another method."""
        allowed = sorted({it for route in known for it in _methods(route, request)})
        if not allowed:
            cure = f"{PREFIX}/docs has the calls that there are"
            return response_to(Refused(404, f"there is nothing at {request.url.path}", cure))
        refused = Refused(405, f"{request.method} is not for {request.url.path}", f"use {', '.join(allowed)}")
        response = response_to(refused)
        response.headers["Allow"] = ", ".join(allowed)
        return response

    return [*known, Route(f"{PREFIX}/{{path:path}}", otherwise, methods=_METHODS)]


def _methods(route: Route, request: Request) -> set[str]:
    match, _ = route.matches(request.scope)
    return set() if match is Match.NONE else set(route.methods or ())


@lru_cache(maxsize=1)
def openapi() -> dict[str, Any]:
    """The document of all calls."""
    return document(OPERATIONS)


async def _openapi(request: Request) -> Response:
    return JSONResponse(openapi())


async def _docs(request: Request) -> Response:
    return docs.page(openapi())
