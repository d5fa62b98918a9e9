"""The server as a client sees it before any tool is called."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine import __version__
from tests.hospital import hospital
from tests.mcp.assistant import assistant


@pytest.mark.parametrize("legacy", [True, False])
async def test_a_client_of_either_protocol_is_told_who_it_speaks_to(tmp_path: Path, legacy: bool) -> None:
    with hospital(tmp_path) as nodes:
        routes = tmp_path / "routes.yaml"
        routes.write_text(nodes.text)
        async with assistant(routes, legacy=legacy) as client:
            assert client.server_info is not None
            assert (client.server_info.name, client.server_info.version) == ("forefetch", __version__)
            tools = (await client.list_tools()).tools
            assert "pacs_retrieve" in [tool.name for tool in tools]
            for tool in tools:
                assert tool.description
                assert not re.search(r"^\s|\n ", tool.description), tool.name
