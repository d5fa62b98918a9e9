"""Who calls a tool, and how it is told of progress."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context

Ctx = Context[Any, Any]

_LONGEST_NAME = 40
_A_STEP = 0.001  # of progress, where nothing has been counted meanwhile


def who(ctx: Ctx) -> str:
    """``mcp`` and the name that the client gives itself, for the journal; whoever it may be."""
    params = ctx.session.client_params
    name = params.client_info.name if params is not None else ""
    shown = "".join(character for character in name if character.isprintable())[:_LONGEST_NAME].strip()
    return f"mcp ({shown})" if shown else "mcp"


class Progress:
    """Progress notifications of one call, each higher than the one before, as the protocol wants them (MCP
    2025-11-25, progress: the value must increase, the total may stay unknown)."""

    def __init__(self, ctx: Ctx) -> None:
        self._ctx = ctx
        self._last = 0.0

    async def tell(self, done: int, total: int | None, text: str) -> None:
        """Nothing is sent to a client that has not asked for it."""
        self._last = max(float(done), self._last + _A_STEP)
        await self._ctx.report_progress(self._last, None if total is None else float(total), text)
