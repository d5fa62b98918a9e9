"""One server from its start to its end, whatever the transport."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from importlib.metadata import version

from engine.mcp.calls import ToolServer
from engine.mcp.desk import Desk
from engine.mcp.server import build
from engine.mcp.switches import Switches
from engine.signals import stop_event

_log = logging.getLogger("engine.mcp")

Transport = Callable[[ToolServer, asyncio.Event], Awaitable[None]]
"""Serves until the event is set (or its client has gone). What is under way has ended when it returns."""


async def serve(desk: Desk, transport: Transport) -> None:
    """Until SIGTERM or SIGINT, or until the transport ends. Retrieves of calls that are canceled by that have
    ended when this returns, on the wire too."""
    stop = stop_event()
    _log.info("MCP SDK %s; switched on: %s", version("mcp"), ", ".join(_on(desk.switches)) or "nothing")
    async with desk.by_hand:
        await transport(build(desk), stop)
    _log.info("stopped")


def _on(switches: Switches) -> list[str]:
    return [name for name, on in asdict(switches).items() if on]
