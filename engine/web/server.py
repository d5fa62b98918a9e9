"""The operator's page as a part of the engine: it starts and stops with it, in its event loop."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

import uvicorn
from starlette.responses import Response
from starlette.routing import BaseRoute

from engine.address import in_url
from engine.config import Config, WebSettings
from engine.errors import ListenError
from engine.events import Events
from engine.http import Requests, http_server, listen
from engine.metrics import Metrics
from engine.retrieve.gate import Scope
from engine.web.access.accounts import AccountsFile
from engine.web.app import pages_and_calls, web_app
from engine.web.health import Health
from engine.web.office import Office
from engine.web.problem import problem_response

_PATIENCE = 1.0  # seconds, for what has been posted
_log = logging.getLogger(__name__)


class Web:
    """``routes_file``: the path of routes.yaml, for sentences. ``inside``: the pages and the API. ``clock``:
    seconds, of any beginning."""

    def __init__(
        self,
        settings: WebSettings,
        config: Config,
        routes_file: str,
        events: Events,
        *,
        inside: Callable[[Office], Iterable[BaseRoute]] = pages_and_calls,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._accounts = AccountsFile(settings.users) if settings.users else None
        archives = [(Scope.ARCHIVE.value, name) for name in config.archives]
        destinations = [(Scope.DESTINATION.value, name) for name in config.destinations]
        metrics = Metrics(events, config.engine.store, nodes=archives + destinations)
        self._office = Office(config, routes_file, events, metrics)
        self._health = Health(events, config.engine.store)
        self._inside = inside
        self._clock = clock
        self._requests: Requests | None = None
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._port = 0

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as bound. RuntimeError unless it listens."""
        if self._serving is None:
            raise RuntimeError("the operator's page is not listening")
        return self._settings.host, self._port

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = self.address
        return f"{'https' if self._settings.tls is not None else 'http'}://{in_url(host)}:{port}/"

    async def start(self) -> None:
        """Listen. ListenError where it cannot, AccountsUnusable or ConfigError where nobody could log in."""
        settings = self._settings
        if self._accounts is not None:
            self._accounts.check()
        elif not settings.local:
            raise ListenError("web: whoever reaches it could act: set users, or listen on 127.0.0.1")
        inside = [*self._health.routes(), *self._inside(self._office)]
        app = web_app(self._office, settings, self._accounts, inside, self._clock)
        self._requests = Requests(app, _stopping)
        try:
            self._server = http_server(self._requests, settings.tls)
        except OSError as error:
            raise ListenError(
                f"the TLS files of the operator's page cannot be used: {error}; check web.tls"
            ) from error
        listening = listen(settings.host, settings.port, "change listen in the section web")
        self._port = listening.getsockname()[1]
        self._health.start()
        self._serving = asyncio.create_task(self._server.serve([listening]))
        _log.info("the operator's page is at %s", self.url)

    async def stop(self) -> None:
        """End streams, and what else is asked for."""
        if self._serving is None or self._server is None or self._requests is None:
            return
        serving, self._serving = self._serving, None
        self._requests.shut()
        await self._requests.answered(_PATIENCE)
        self._requests.clear()
        self._server.should_exit = True
        await asyncio.wait([serving])
        await self._health.stop()
        if error := serving.exception():
            _log.error("the operator's page ended with a fault", exc_info=error)


def _stopping() -> Response:
    return problem_response(503, "forefetch is stopping", "try again when it has started anew")
