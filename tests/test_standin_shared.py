"""What is asked for by hand where the journal is in a database: stand-ins live beside engines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from engine.app import Engine
from engine.by_hand import ByHand
from engine.config import Config, load
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest
from engine.store import Store, list_tasks
from engine.store.members import members_of
from tests.hospital import ALLOWED, OLD_KNEE
from tests.mcp.clinic import Clinic, clinic
from tests.standing_in import by_hand_request, silent
from tests.store import message


def _sharing(nodes: Clinic, where: str) -> Config:
    config = load(nodes.routes)
    return replace(config, engine=replace(config.engine, store=where))


def _alive(where: str) -> list[bool]:
    """Of those that are alive, whether it is a stand-in."""
    return [member.stand_in for member in members_of(where) if member.alive]


async def test_without_an_engine_a_stand_in_does_what_was_asked_by_hand_and_nothing_else(
    tmp_path: Path, shared: str
) -> None:
    with clinic(tmp_path) as nodes:
        store = Store.open(shared)
        wanted = RetrieveRequest(Study(OLD_KNEE), "main", "reading", ("study",))
        await store.journal(message(OLD_KNEE, wanted))
        await store.close()
        async with ByHand(_sharing(nodes, shared), switch_on=True) as by_hand:
            assert (await by_hand.retrieve(by_hand_request(), "test", silent)).outcome.arrived
            assert _alive(shared) == [True]
    assert [task.status for task in list_tasks(shared)] == [TaskStatus.COMPLETED, TaskStatus.SCHEDULED]
    assert nodes.reading.arrived(OLD_KNEE) == 0
    assert _alive(shared) == []


async def test_beside_an_engine_nobody_stands_in(tmp_path: Path, shared: str) -> None:
    with clinic(tmp_path) as nodes:
        config = _sharing(nodes, shared)
        async with Engine(config, ALLOWED), ByHand(config, switch_on=True) as by_hand:
            assert (await by_hand.retrieve(by_hand_request(), "test", silent)).outcome.arrived
            assert _alive(shared) == [False]
