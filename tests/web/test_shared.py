"""An engine whose journal is shared: its page, its API, its metrics, and what the command lists."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, update
from typer.testing import CliRunner

from engine.app import Engine
from engine.cli import app
from engine.config import Config, WebSettings, parse
from engine.sender import send
from engine.store.members import register
from engine.store.reader import opened
from engine.store.schema import members
from tests.hospital import ALLOWED, field, hospital, order


def sharing(text: str, where: str) -> Config:
    config = parse(text)
    return replace(config, engine=replace(config.engine, store=where), web=WebSettings("127.0.0.1", 0))


def lose_one(where: str) -> None:
    """Another engine, which was lost."""
    with opened(where, read_only=False) as connection, connection.begin():
        number = register(connection, stand_in=False)
        this = update(members).where(members.c.id == number)
        connection.execute(this.values(name="<b>other</b>:1", lost_at=func.now()))


async def test_engines_of_a_shared_journal_are_on_the_page_in_the_api_and_in_metrics(
    tmp_path: Path, shared: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with hospital(tmp_path) as site:
        async with Engine(sharing(site.text, shared), ALLOWED) as engine:
            (line,) = [it.message for it in caplog.records if it.name == "engine.web.server"]
            lose_one(shared)
            (ack,) = await send(*engine.address, [order()])
            assert field(ack, "MSA-1") == "AA"
            url = line.removeprefix("the operator's page is at ")
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
                assert (await client.get("/health/ready")).json() == {"ready": True, "troubles": []}
                page, front = (await client.get("/nodes")).text, (await client.get("/")).text
                told = (await client.get("/api/v1/engines")).json()
                metrics = (await client.get("/metrics")).text
            listening = f"127.0.0.1:{engine.address[1]}"
    assert [(it["state"], it["address"]) for it in told["engines"]] == [("alive", listening), ("lost", "")]
    assert (told["shared"], told["engine_running"]) == (True, True)
    assert "Engine nodes" in page
    assert "&lt;b&gt;other" in page
    assert listening in page
    assert "was lost; what it had under way goes on elsewhere" in front
    assert 'forefetch_engines{state="alive"} 1.0' in metrics
    assert "only-for-tests" not in page + front + metrics + caplog.text


def listed(routes: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["nodes", "-c", str(routes), *options], env={"COLUMNS": "300"})
    return done.exit_code, done.output


async def test_the_command_lists_them_for_people_and_programs(tmp_path: Path, shared: str) -> None:
    with hospital(tmp_path) as site:
        routes = tmp_path / "routes.yaml"
        routes.write_text(site.text.replace(str(tmp_path / "forefetch.db"), shared))
        async with Engine(parse(routes.read_text()), ALLOWED) as engine:
            lose_one(shared)
            code, text = await asyncio.to_thread(listed, routes)
            assert code == 0
            assert f"127.0.0.1:{engine.address[1]}" in text
            assert "alive" in text
            assert "lost, 20" in text
            code, text = await asyncio.to_thread(listed, routes, "--json")
            assert [it["state"] for it in json.loads(text)["engines"]] == ["alive", "lost"]
        code, text = await asyncio.to_thread(listed, routes)
        assert code == 1
        assert "no engine serves this journal" in text
        assert "only-for-tests" not in text


async def test_on_a_file_the_command_says_whether_an_engine_runs(tmp_path: Path) -> None:
    with hospital(tmp_path) as site:
        routes = tmp_path / "routes.yaml"
        routes.write_text(site.text)
        assert listed(routes) == (1, "no engine serves this journal\n")
        async with Engine(site.config, ALLOWED):
            code, text = await asyncio.to_thread(listed, routes)
            assert (code, text) == (0, "an engine serves this journal, and no other can: it is a file\n")
            told: dict[str, Any] = json.loads((await asyncio.to_thread(listed, routes, "--json"))[1])
    assert told == {"shared": False, "engine_running": True, "engines": []}
