"""An assistant: the SDK's client, on a `forefetch mcp` that it starts itself, over stdio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult, Implementation, TextContent

from engine.config import load
from engine.mcp.desk import Desk
from engine.mcp.server import build
from tests.nursery import forked

ALLOW_ALL = {f"DICOM_HL7_PACS_ALLOW_{what}": "true" for what in ("RETRIEVE", "TASKS", "SEND", "PATIENT_DATA")}


@asynccontextmanager
async def assistant(
    routes: Path,
    environment: Mapping[str, str] = ALLOW_ALL,
    *options: str,
    legacy: bool = True,
    name: str = "mcp",
) -> AsyncIterator[Client]:
    """``environment`` are the switches. ``legacy``: the handshake of the protocol up to 2025-11-25, which has
    ping; otherwise the newest that both know. ``name``: what the client says that it is."""
    program, *words = forked()
    parameters = StdioServerParameters(
        command=program, args=[*words, "mcp", "--config", str(routes), *options], env=dict(environment)
    )
    with (routes.parent / "mcp.log").open("a") as log:
        transport = stdio_client(parameters, errlog=log)
        itself = Implementation(name=name, version="1")
        async with Client(transport, mode="legacy" if legacy else "auto", client_info=itself) as client:
            yield client


@asynccontextmanager
async def at_desk(
    routes: Path, environment: Mapping[str, str] = ALLOW_ALL, *, legacy: bool = True, name: str = "mcp"
) -> AsyncIterator[Client]:
    """The same without a process in between, for what is asked in many ways."""
    desk = Desk.of(load(routes), str(routes), environment)
    itself = Implementation(name=name, version="1")
    mode = "legacy" if legacy else "auto"
    async with desk.by_hand, Client(build(desk), mode=mode, client_info=itself) as client:
        yield client


def text(result: CallToolResult) -> str:
    """What a person would read."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def content(result: CallToolResult) -> dict[str, Any]:
    """What a program would read."""
    assert isinstance(result.structured_content, dict), text(result)
    return result.structured_content
