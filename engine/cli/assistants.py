"""The verb that serves assistants: mcp."""

from __future__ import annotations

import logging

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, load


def mcp(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Offer Forefetch to an assistant as MCP tools, over standard input and output."""
    import asyncio
    import os

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    try:
        from engine.mcp.server import build
    except ImportError as error:
        raise typer.BadParameter("needs the MCP SDK: pip install 'forefetch[mcp]'") from error
    from engine.mcp.desk import Desk

    desk = Desk.of(load(config), str(config), os.environ)

    async def serve() -> None:
        async with desk.by_hand:
            await build(desk).run_stdio_async()

    asyncio.run(serve())
