"""The audit trail of a real engine: what is asked, moved and ended reaches the file and the collector."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from engine.app import Engine
from engine.audit.fault import AuditUnwritable
from engine.by_hand import ByHand
from engine.config import load, parse
from engine.sender import send
from tests.audit.collector import udp_collector
from tests.audit.test_messages import identified, schema, subjects
from tests.hospital import ALLOWED, CHEST_CT, hospital, order
from tests.mcp.clinic import clinic
from tests.running import running
from tests.standing_in import by_hand_request, silent


def trail(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def test_a_retrieve_is_audited_from_the_start_of_the_engine_to_its_stop(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with hospital(tmp_path) as site, udp_collector() as (collector, inbox):
        section = f"{{host: 127.0.0.1, port: {collector.port}, transport: udp}}"
        config = parse(f"{site.text}\naudit: {{file: {path}, collector: {section}}}")
        async with Engine(config, ALLOWED) as engine:
            await send(*engine.address, [order("RE", accession="A1001-2", study=CHEST_CT)])
        messages = await asyncio.to_thread(inbox.wait_until, b'"110121"')
    entries = trail(path)
    assert [entry["event"] for entry in (entries[0], entries[-1])] == ["started", "stopping"]
    ended = next(it for it in entries if it["event"] == "transfer ended" and it["study"] == CHEST_CT)
    assert (ended["result"], ended["objects"]["completed"]) == ("success", 5)
    assert (ended["patient"], ended["archive"]) == ("FF-1001^^^FOREST", "main")
    roots = [etree.fromstring(message.partition(b"\xef\xbb\xbf")[2]) for message in messages]
    for root in roots:
        schema().assertValid(root)
    kinds = [identified(root)[0] for root in roots]
    assert (kinds[0], kinds[-1]) == ("110100", "110100")
    assert {"110102", "110104", "110112"} <= set(kinds)
    began = next(root for root in roots if identified(root)[0] == "110102")
    assert subjects(began)[0][3] == CHEST_CT


async def test_an_engine_whose_trail_cannot_be_written_does_not_start(tmp_path: Path) -> None:
    with hospital(tmp_path) as site:
        config = parse(f"{site.text}\naudit: {{file: {tmp_path}}}")
        with pytest.raises(AuditUnwritable, match=r"audit\.file"):
            await Engine(config, ALLOWED).__aenter__()


def audited(routes: str | Path, section: str) -> None:
    path = Path(routes)
    path.write_text(f"{path.read_text(encoding='utf-8')}\naudit: {section}\n", encoding="utf-8")


async def test_what_is_moved_by_hand_without_an_engine_is_audited_too(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        audited(nodes.routes, "{file: audit.jsonl}")
        async with ByHand(load(nodes.routes), switch_on=True) as by_hand:
            ended = await by_hand.retrieve(by_hand_request(CHEST_CT), "test", silent)
    assert ended.outcome.arrived
    entries = trail(Path(nodes.routes).with_name("audit.jsonl"))
    assert [it["event"] for it in entries] == ["transfer began", "transfer ended"]


async def test_nothing_is_moved_by_hand_where_the_trail_cannot_be_written(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        audited(nodes.routes, "{file: no/audit.jsonl}")
        async with ByHand(load(nodes.routes), switch_on=True) as by_hand:
            with pytest.raises(AuditUnwritable, match=r"audit\.file"):
                await by_hand.retrieve(by_hand_request(CHEST_CT), "test", silent)
        assert nodes.archive.moves == ()


async def test_serve_says_at_once_why_it_does_not_start(tmp_path: Path) -> None:
    with hospital(tmp_path) as site:
        (tmp_path / "routes.yaml").write_text(f"{site.text}\naudit: {{file: no/audit.jsonl}}")
        command = ("serve", "--config", str(tmp_path / "routes.yaml"))
        with running(*command, environment=ALLOWED) as process:
            await asyncio.to_thread(process.wait_for, r"no/audit.jsonl cannot be written .*audit\.file")
            await asyncio.to_thread(process.process.wait, 30)
            assert process.end(signal.SIGTERM) == 2


async def test_the_stop_of_serve_is_in_the_trail(tmp_path: Path) -> None:
    with hospital(tmp_path) as site:
        (tmp_path / "routes.yaml").write_text(f"{site.text}\naudit: {{file: audit.jsonl}}")
        with running("serve", "--config", str(tmp_path / "routes.yaml"), environment=ALLOWED) as process:
            assert process.address
            assert await asyncio.to_thread(process.end, signal.SIGTERM) == 0
    assert [it["event"] for it in trail(tmp_path / "audit.jsonl")] == ["started", "stopping"]


def test_an_engine_without_an_audit_trail_does_not_load_it() -> None:
    code = (
        "import sys, engine.app, engine.cli.operate; from engine.config import load\n"
        "assert load('routes.yaml').audit is None\n"
        "print([name for name in sys.modules if name.startswith(('engine.audit', 'xml.etree'))])"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "engine.audit" not in found.stdout
