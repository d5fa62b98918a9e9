"""Alerts of an engine that works: what goes wrong there is told."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from engine.app import Engine
from engine.config import parse
from engine.sender import send
from tests.alerts.receivers import WebServer
from tests.hospital import ALLOWED, CHEST_CT, field, hospital, order
from tests.running import running

ROUTE = """
routes:
  - {name: dark, messages: ORM^O01, studies: {study: ZDS-1.1}, from: dark, to: reading}
"""


async def test_an_archive_that_is_away_is_told_with_the_retrieve_that_has_failed(tmp_path: Path) -> None:
    async with WebServer().serving() as web:
        with hospital(tmp_path, ROUTE) as site:
            text = site.text.replace("{ae_title: DARK", "{breaker: {failures: 1}, ae_title: DARK")
            hook = f"{{url: 'http://127.0.0.1:{web.port}/'}}"
            alerts = f"alerts: {{webhook: {hook}, disk: off, dead_letters: {{gather: 0.1s}}}}\n"
            async with Engine(parse(text + alerts), ALLOWED) as engine:
                (ack,) = await send(*engine.address, [order(study=CHEST_CT)])
                told = {one["key"]: one for one in (await web.taken.get(), await web.taken.get())}
    assert field(ack, "MSA-1") == "AE"
    assert told.keys() == {"breaker:archive:dark", "dead_letters"}
    assert told["dead_letters"]["sentence"] == "1 retrieve has failed: 1 unreachable (task 1)"
    for secret in ("FF-1001", "Aalto", "Mira", "19610314", CHEST_CT):
        assert secret not in str(web.requests)


async def test_at_the_end_serve_tells_what_it_knows(tmp_path: Path) -> None:
    async with WebServer().serving() as web:
        with hospital(tmp_path, ROUTE) as site:
            hook = f"{{url: 'http://127.0.0.1:{web.port}/', only: dead_letters}}"
            path = tmp_path / "routes.yaml"
            path.write_text(f"{site.text}alerts: {{webhook: {hook}, dead_letters: {{gather: 1h}}}}\n")
            with running("serve", "--config", str(path), environment=ALLOWED) as engine:
                address = await asyncio.to_thread(lambda: engine.address)
                await send(*address, [order(study=CHEST_CT)])
                assert await asyncio.to_thread(engine.end, signal.SIGTERM) == 0
        assert (await web.taken.get())["tasks"] == [1]
    assert len(web.requests) == 1
    assert any("alert raised (warning): 1 retrieve has failed" in line for line in engine.lines)
