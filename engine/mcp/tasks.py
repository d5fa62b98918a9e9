"""Tools: tasks."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

from engine.mcp.desk import Desk


def register(server: MCPServer, desk: Desk) -> None:
    """Add them."""
