"""All that is served, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from engine.config import WebSettings
from engine.metrics import Metrics
from engine.web import api, pages
from engine.web.access.accounts import AccountsFile
from engine.web.access.door import Door
from engine.web.access.identity import Identities
from engine.web.access.login import Login, Throttles
from engine.web.access.sessions import Sessions
from engine.web.access.throttle import Throttle
from engine.web.headers import STATIC, Headers
from engine.web.office import Office
from engine.web.refusal import refuse_as

_STATIC_FILES = Path(__file__).parent / "static"


def web_app(
    office: Office,
    settings: WebSettings,
    accounts: AccountsFile | None,
    inside: Iterable[BaseRoute],
    clock: Callable[[], float],
) -> ASGIApp:
    """Routes behind the door, beside /login, /logout, /metrics and static files. ``accounts`` None: for this
    machine only, without a login. ``clock``: seconds, of any beginning."""
    sessions = Sessions(settings.idle_timeout, settings.session_timeout, clock)
    identities = Identities(settings, accounts, sessions)
    routes = [_metrics(office.metrics), _static(), *inside]
    if accounts is not None:
        throttles = Throttles(Throttle(5, 900.0, clock), Throttle(5, 30.0, clock))
        routes = [*Login(settings, office.events, accounts, identities, throttles).routes(), *routes]
    largest = 3 * office.config.engine.max_message_bytes + 65_536  # a message in a form: 3 bytes for each
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Door, settings, office.events, identities, Throttle(5, 900.0, clock), largest)
        ],
        exception_handlers={HTTPException: refuse_as},
    )
    return Headers(app, encrypted=settings.tls is not None)


def _metrics(metrics: Metrics) -> Route:
    """What Prometheus scrapes."""

    async def scrape(request: Request) -> Response:
        text = await asyncio.to_thread(metrics.exposition)
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Route("/metrics", scrape)


def _static() -> Mount:
    return Mount(STATIC.rstrip("/"), StaticFiles(directory=_STATIC_FILES))


def pages_and_calls(office: Office) -> list[BaseRoute]:
    """What there is to see and to ask for."""
    return [*api.routes(office), *pages.routes(office)]
