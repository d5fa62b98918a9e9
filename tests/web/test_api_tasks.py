"""Tasks by the API: looked for, told, and acted upon beside a running engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.app import Engine
from engine.events import OperatorActed
from engine.sender import send
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE, Hospital, hospital, order
from tests.web.api import VIEWER, Api, api

HELD = """
routes:
  - name: held
    messages: ORM^O01
    studies: {study: ZDS-1.1}
    from: main
    to: reading
    acknowledge: accepted
    hold: true
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path, HELD) as running:
        yield running


async def until(asked: Api, number: int, status: str) -> Any:
    """The story of a task, once it has this status."""
    async with asyncio.timeout(30):
        while True:
            told = await asked.get(f"/tasks/{number}")
            if told["task"]["status"] == status:
                return told
            await asyncio.sleep(0.02)


async def ordered(engine: Engine, *studies: str) -> None:
    messages = [order(study=it, control_id=f"M{n}", accession=f"A{n}") for n, it in enumerate(studies, 1)]
    await send(*engine.address, messages)


async def test_a_held_task_is_approved_and_arrives(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, api(site.config) as asked:
        await ordered(engine, CHEST_CT)
        held = await until(asked, 1, "HELD")
        done = await asked.post("/tasks/1/approve")
        story = await until(asked, 1, "COMPLETED")
        problem = await asked.post("/tasks/1/approve", 409)
    assert held["task"]["gate"] == "approval"
    assert done["tasks"][0]["done"]
    assert done["engine_running"]
    assert [(it["event"], it["text"]) for it in story["events"]][-1] == ("approved", "by anna")
    assert story["outcome"]["counters"]["completed"] == 5
    assert story["messages"][0]["control_id"] == "M1"
    assert "task 1" in problem["detail"]
    assert site.reading.arrived(CHEST_CT) == 5
    assert asked.acted == [OperatorActed("anna", "127.0.0.9", "approve", (1,), permitted=True)]


async def test_a_viewer_may_not_act_and_that_is_told(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, api(site.config) as asked:
        await ordered(engine, CHEST_CT)
        await until(asked, 1, "HELD")
        one = await asked.post("/tasks/1/approve", 403, headers=VIEWER)
        await asked.post("/tasks/cancel", 403, headers=VIEWER, json={"tasks": [1]})
        await asked.post("/nodes/echo", 403, headers=VIEWER)
        assert (await asked.get("/tasks/1", headers=VIEWER))["task"]["status"] == "HELD"
    assert "operator" in one["detail"]
    assert [(it.verb, it.permitted) for it in asked.acted] == [
        ("approve", False),
        ("cancel", False),
        ("echo", False),
    ]


async def test_several_tasks_and_all_of_a_filter_are_acted_upon(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, api(site.config) as asked:
        await ordered(engine, CHEST_CT, OLD_KNEE)
        await until(asked, 1, "HELD")
        await until(asked, 2, "HELD")
        named = await asked.post("/tasks/cancel", json={"tasks": [1, 99]})
        filtered = await asked.post("/tasks/approve", json={"filter": {"status": "HELD", "route": "held"}})
        await until(asked, 2, "COMPLETED")
        nothing = await asked.post("/tasks/approve", json={"filter": {"study": "1.2"}})
    assert [(it["task_id"], it["done"]) for it in named["tasks"]] == [(1, True), (99, False)]
    assert [(it["task_id"], it["done"]) for it in filtered["tasks"]] == [(2, True)]
    assert nothing["tasks"] == []
    assert [(it.verb, it.tasks) for it in asked.acted] == [("cancel", (1,)), ("approve", (2,))]


async def test_a_task_is_found_by_what_an_interface_engine_knows(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED) as engine, api(site.config) as asked:
        await ordered(engine, CHEST_CT, OLD_KNEE)
        for wanted in (
            {"control_id": "M2"},
            {"accession": "A2"},
            {"study": OLD_KNEE},
            {"route": "held", "study": OLD_KNEE},
        ):
            page = await asked.get("/tasks", params=wanted)
            assert [it["task_id"] for it in page["tasks"]] == [2], wanted
        page = await asked.get("/tasks", params={"order": "P1", "limit": 1})
        assert [it["task_id"] for it in page["tasks"]] == [2]
        page = await asked.get(page["next"].removeprefix("/api/v1"))
        assert [it["task_id"] for it in page["tasks"]] == [1]


async def test_what_cannot_be_meant_is_a_problem(site: Hospital) -> None:
    async with Engine(site.config, ALLOWED), api(site.config) as asked:
        assert "no task 7" in (await asked.get("/tasks/7", 404))["detail"]
        assert "no task 7" in (await asked.post("/tasks/7/cancel", 404))["detail"]
        assert "retry, cancel" in (await asked.post("/tasks/1/burn", 404))["cure"]
        assert "retry, cancel" in (await asked.post("/tasks/burn", 404, json={"tasks": [1]}))["cure"]
        unclear: list[dict[str, Any]] = [
            {},
            {"filter": {}},
            {"filter": {"route": "", "status": []}},
            {"tasks": [1], "filter": {"route": "held"}},
            {"tasks": [1], "filter": {}},
        ]
        for body in unclear:
            problem = await asked.post("/tasks/cancel", 400, json=body)
            assert problem["faults"][0]["parameter"] == "tasks"
        problem = await asked.post("/tasks/cancel", 400, json={"filter": {"root": "held"}})
        assert problem["faults"][0]["parameter"] == "filter.root"
        problem = await asked.post("/tasks/cancel", 400, json={"filter": {"status": 5}})
        assert problem["faults"][0]["parameter"] == "filter.status"
        assert (await asked.post("/tasks/cancel", 400, content=b"{"))["faults"]
        for path in (f"/tasks/{2**63}", f"/messages/{2**63}"):
            assert str(2**63) in (await asked.get(path, 404))["detail"]
        assert "no message 7" in (await asked.get("/messages/7", 404))["detail"]
    assert asked.acted == []
