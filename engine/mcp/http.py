"""MCP over streamable HTTP, by uvicorn."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import Any

from mcp.server.mcpserver import MCPServer

from engine.http import http_server
from engine.mcp.calls import ToolServer
from engine.mcp.door import Door
from engine.mcp.endpoint import PATH, Endpoint
from engine.mcp.token import Token

_log = logging.getLogger("engine.mcp")

_PATIENCE = 1.0  # seconds, for the last answers to be written
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
        http = http_server(door, endpoint.tls)
        serving = asyncio.create_task(http.serve([listening]))
        serving.add_done_callback(lambda _: stop.set())  # not before, but for an error
        async with server.session_manager.run():
            _log.info("listening on %s", endpoint.url(port))
            await stop.wait()
            _log.info("stopping")
            door.requests.shut()
            await server.end_calls()
            await door.requests.answered(_PATIENCE)
        door.requests.clear()
        http.should_exit = True
        await serving


def _bounds() -> dict[str, Any]:
    """As far as the SDK can bound sessions. Its version 2.0 cannot limit their number, and its idle time runs
    during a call, so that it would end a long retrieve: there, a session lasts until its client ends it."""
    known = inspect.signature(MCPServer.streamable_http_app).parameters
    return {name: bound for name, bound in _BOUNDS.items() if name in known}
