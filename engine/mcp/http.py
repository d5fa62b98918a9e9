"""MCP over streamable HTTP, by uvicorn."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from starlette.types import ASGIApp

from engine.mcp.calls import ToolServer
from engine.mcp.connection import PromptConnection
from engine.mcp.door import Door
from engine.mcp.endpoint import PATH, Endpoint
from engine.mcp.token import Token
from engine.tls import server_context

_log = logging.getLogger("engine.mcp")

_MOST_CONNECTIONS = 500
_PATIENCE = 1.0  # seconds, for the last answers to be written
_LEAVING = 5  # seconds, for those who do not read them
_BOUNDS = {"max_sessions": 100, "session_idle_timeout": 30 * 60.0}  # seconds


async def serve_http(server: ToolServer, stop: asyncio.Event, endpoint: Endpoint, token: Token) -> None:
    """Serve until ``stop``. Calls that are under way are canceled then, and have ended when this returns.
    ListenError where the address cannot be had."""
    with endpoint.listen() as listening:
        port: int = listening.getsockname()[1]
        app = server.streamable_http_app(
            streamable_http_path=PATH, transport_security=endpoint.security(port), **_bounds()
        )
        door = Door(app, token)
        http = _uvicorn(door, endpoint)
        serving = asyncio.create_task(http.serve([listening]))
        serving.add_done_callback(lambda _: stop.set())  # not before, but for an error
        async with server.session_manager.run():
            _log.info("listening on %s", endpoint.url(port))
            await stop.wait()
            _log.info("stopping")
            door.shut()
            await server.end_calls()
            await door.answered(_PATIENCE)
        door.clear()
        http.should_exit = True
        await serving


def _bounds() -> dict[str, Any]:
    """As far as the SDK can bound sessions. Its version 2.0 cannot limit their number, and its idle time runs
    during a call, so that it would end a long retrieve: there, a session lasts until its client ends it."""
    known = inspect.signature(MCPServer.streamable_http_app).parameters
    return {name: bound for name, bound in _BOUNDS.items() if name in known}


class _Uvicorn(uvicorn.Server):
    """Leaves the signals alone: its own way of handling them waits for every stream to end, and then ends the
    process by the same signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn(app: ASGIApp, endpoint: Endpoint) -> uvicorn.Server:
    config = uvicorn.Config(
        app,
        http=PromptConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_LEAVING,
    )
    config.load()
    if endpoint.tls is not None:
        config.ssl = server_context(endpoint.tls)  # as every other TLS of ours
    return _Uvicorn(config)
