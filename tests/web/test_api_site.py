"""Routes, nodes and numbers by the API, and how it describes itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.app import Engine
from engine.events import MessageAnswered
from engine.sender import send
from engine.web.api.operations import OPERATIONS
from engine.web.api.paths import openapi
from tests.hospital import ALLOWED, CHEST_CT, Hospital, hospital, order
from tests.web.api import api


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as running:
        yield running


async def test_routes_are_told_in_words(site: Hospital) -> None:
    async with api(site.config) as asked:
        told = (await asked.get("/routes"))["routes"]
        async with Engine(site.config, ALLOWED) as engine:
            await send(*engine.address, [order("RE", study=CHEST_CT)])
            after = await asked.get("/routes")
    assert [it["hits"] for it in told] == [None] * 5
    assert ([it["hits"] for it in after["routes"]], after["looked_at"]) == ([0, 1, 0, 0, 0], 1)
    assert [it["name"] for it in told] == ["priors", "study", "later", "off", "dark"]
    assert told[0]["conditions"] == ["ORC-1 is 'NW'"]
    assert told[1]["destinations"][-1] == "reading otherwise"
    assert [it["enabled"] for it in told] == [True, True, True, False, True]


async def test_nodes_are_asked_by_c_echo_and_told_with_their_gates(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED), api(site.config) as asked:
        nodes = {it["name"]: it for it in (await asked.get("/nodes"))["nodes"]}
        told = await asked.post("/nodes/echo")
        one = await asked.post("/nodes/echo", json={"node": "main"})
        problem = await asked.post("/nodes/echo", 400, json={"node": "mane"})
    assert (nodes["main"]["kind"], nodes["main"]["closures"]) == ("archive", [])
    assert nodes["unknown"]["host"] is None
    assert {it["name"]: it["answered"] for it in told["nodes"]} == {
        "main": True,
        "dark": False,
        "reading": True,
    }
    assert told["not_asked"] == ["unknown", "down"]
    assert [it["name"] for it in one["nodes"]] == ["main"]
    assert "main, dark, reading" in problem["detail"]
    assert [it.verb for it in asked.acted] == ["echo", "echo"]


async def test_the_status_counts_what_the_journal_and_the_events_tell(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, api(site.config) as asked:
        await send(*engine.address, [order("RE", study=CHEST_CT), order("UA", study="1.2", control_id="M2")])
        asked.office.events.tell(MessageAnswered("AA", "ORM^O01", 0.25, "127.0.0.1:1"))
        told = await asked.get("/status?minutes=5")
        nodes = {it["name"]: it for it in (await asked.get("/nodes"))["nodes"]}
    assert told["engine_running"]
    assert told["counts"]["COMPLETED"] == 1
    assert len(told["rates"]) == 5
    assert sum(it["messages"] for it in told["rates"]) == 1
    assert told["latency"]["median"] == pytest.approx(250, rel=0.2)
    assert nodes["dark"]["kind"] == "archive"


async def test_what_is_no_call_is_a_problem_that_says_what_is(site: Hospital) -> None:
    async with api(site.config) as asked:
        missing = await asked.get("/nothing", 404)
        wrong = await asked.client.delete("/api/v1/messages/1")
        posted = await asked.post("/status", 405)
    assert "/api/v1/docs" in missing["cure"]
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "GET, HEAD")
    assert wrong.headers["content-type"] == "application/problem+json"
    assert "GET" in posted["cure"]


async def test_the_docs_page_names_every_call_and_needs_nobody_else(site: Hospital) -> None:
    async with api(site.config) as asked:
        page = await asked.get("/docs")
        told = await asked.get("/openapi.json")
    assert told == openapi()
    for operation in OPERATIONS:
        assert f'id="{operation.name}"' in page
    assert "<script" not in page
    assert "style" not in page
    assert "://" not in page
    targets = set(re.findall(r'href="#([^"]+)"', page))
    assert targets <= set(re.findall(r'id="([^"]+)"', page))


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_openapi_document_is_whole() -> None:
    told = openapi()
    assert told["openapi"].startswith("3.1.")
    for schema in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for reference in references(told):
        assert reference.removeprefix("#/components/schemas/") in told["components"]["schemas"], reference
    calls = [(path, it) for path, verbs in told["paths"].items() for it in verbs.values()]
    assert len({it["operationId"] for _, it in calls}) == len(calls) == len(OPERATIONS)
    for path, call in calls:
        named = {it["name"] for it in call["parameters"] if it["in"] == "path"}
        assert named == set(re.findall(r"{(\w+)}", path))
        assert call["responses"]["200"]["content"]
