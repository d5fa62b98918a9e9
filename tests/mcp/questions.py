"""What the tests of the tools that only ask have in common: routes files, calls, and their schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
from mcp import Client
from mcp.types import CallToolResult

PATIENT = ("FF-1001", "Aalto", "Mira", "1961-03-14", "19610314")
"""What must not be seen of the demo's first patient where it is masked."""


def routes_of(folder: Path, port: int, more: str = "") -> Path:
    """A routes file for one archive; ``more`` destinations."""
    path = folder / "routes.yaml"
    path.write_text(f"""
engine: {{listen: "127.0.0.1:0", store: {folder / "forefetch.db"}}}
archives:
  main:
    {{ae_title: ARCHIVE, host: 127.0.0.1, port: {port}, timeouts: {{dimse: 20s, total: 60s, acse: 2s}}}}
destinations:
  reading: {{ae_title: READING}}
{more}
routes:
  - {{name: study, messages: ORM^O01, studies: {{study: ZDS-1.1}}, from: main, to: reading}}
""")
    return path


async def ask(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    """A call; structured content, where there is some, is as the tool's schema says."""
    result = await client.call_tool(tool, arguments)
    (described,) = [it for it in (await client.list_tools()).tools if it.name == tool]
    if result.structured_content is not None:
        jsonschema.validate(result.structured_content, described.output_schema or {})
    return result


async def query(client: Client, **arguments: Any) -> CallToolResult:
    return await ask(client, "pacs_query", **arguments)
