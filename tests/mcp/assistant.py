"""An assistant: the SDK's client, on a `forefetch mcp` that it starts itself, over stdio."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent

COMMAND = [sys.executable, "-c", "from engine.cli import main; main()"]
ROOT = Path(__file__).resolve().parents[2]
ALLOW_ALL = {f"DICOM_HL7_PACS_ALLOW_{what}": "true" for what in ("RETRIEVE", "TASKS", "SEND", "PATIENT_DATA")}


@asynccontextmanager
async def assistant(
    routes: Path, environment: Mapping[str, str] = ALLOW_ALL, *options: str, legacy: bool = True
) -> AsyncIterator[Client]:
    """``environment`` are the switches. ``legacy``: the handshake of the protocol up to 2025-11-25, which has
    ping; otherwise the newest that both know."""
    parameters = StdioServerParameters(
        command=COMMAND[0],
        args=[*COMMAND[1:], "mcp", "--config", str(routes), *options],
        env={**environment, "PYTHONPATH": f"{ROOT}:{':'.join(path for path in sys.path if path)}"},
    )
    with (routes.parent / "mcp.log").open("a") as log:
        transport = stdio_client(parameters, errlog=log)
        async with Client(transport, mode="legacy" if legacy else "auto") as client:
            yield client


def text(result: CallToolResult) -> str:
    """What a person would read."""
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def content(result: CallToolResult) -> dict[str, Any]:
    """What a program would read."""
    assert isinstance(result.structured_content, dict), text(result)
    return result.structured_content
