"""The routes of routes.yaml in words, and how often each has matched."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from engine.store.hits import route_hits
from engine.web.pages.filters import is_number
from engine.web.pages.front import Front
from engine.web.reading import read
from engine.web.rules import tell

_PAGE = 100  # routes; there may be thousands


async def show(front: Front, request: Request) -> Response:
    """GET /routes: those with ``q`` in their names, from number ``start``."""
    config = front.office.config
    sought = request.query_params.get("q", "").strip()
    text = request.query_params.get("start", "0")
    start = int(text) if is_number(text) else 0
    found = [route for route in config.routes if sought.lower() in route.name.lower()]
    hits = await read(route_hits, front.office.journal)
    return front.press.page(
        request,
        "routes.html",
        told=[tell(route, config) for route in found[start : start + _PAGE]],
        total=len(found),
        start=start,
        following=start + _PAGE if start + _PAGE < len(found) else None,
        sought=sought,
        hits=hits,
        routes_file=front.office.routes_file,
    )
