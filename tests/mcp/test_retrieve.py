"""pacs_retrieve through the SDK's client over stdio, against simulated nodes."""

from __future__ import annotations

from pathlib import Path

from tests.hospital import CHEST_CT, hospital
from tests.mcp.assistant import assistant, content, text


async def test_a_study_arrives_and_the_report_says_so(tmp_path: Path) -> None:
    with hospital(tmp_path) as nodes:
        routes = tmp_path / "routes.yaml"
        routes.write_text(nodes.text)
        async with assistant(routes) as client:
            asked = {"study_instance_uid": CHEST_CT, "destination_ae_title": "READING", "archive": "main"}
            result = await client.call_tool("pacs_retrieve", asked)
            print(text(result), content(result))
            assert not result.is_error
