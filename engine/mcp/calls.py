"""A server that can end its calls: each is answered then, with an error that says why."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import anyio
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import CallToolResult, InputRequiredResult

from engine.mcp.result import refused

_STOPPED = "forefetch mcp is stopping, and {} with it: it has not done what was asked; call it again later"


class ToolServer(MCPServer[Any]):
    """The SDK's, with ``end_calls``. For one event loop."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._calls: set[anyio.CancelScope] = set()
        self._ending = False
        self._idle = asyncio.Event()
        self._idle.set()

    def add_tool(self, fn: Callable[..., Any], *args: Any, **named: Any) -> None:
        """Its description is its docstring, without the indentation that the SDK would leave in it."""
        named["description"] = named.get("description") or inspect.getdoc(fn)
        super().add_tool(fn, *args, **named)

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """The result of a tool, or that it was stopped."""
        if self._ending:
            return refused(_STOPPED.format(name))
        with anyio.CancelScope() as call:
            self._calls.add(call)
            self._idle.clear()
            try:
                return await super().call_tool(name, arguments, context)
            finally:
                self._calls.remove(call)
                if not self._calls:
                    self._idle.set()
        return refused(_STOPPED.format(name))

    async def end_calls(self) -> None:
        """Cancel those under way, and wait until they have ended: of those in threads, by themselves."""
        self._ending = True
        for call in self._calls:
            call.cancel()
        await self._idle.wait()
