"""What an engine tells of what happens, to those who count, audit and alert."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine import events
from engine.app import Engine
from engine.events import (
    Committed,
    Events,
    GateClosed,
    MessageAnswered,
    Queried,
    Started,
    Stopping,
    TaskEnded,
    TaskHeld,
    TransferBegan,
    TransferEnded,
)
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.selector import Study
from engine.sender import send
from tests.hospital import ALLOWED, CHEST_CT, ROUTES, Hospital, hospital, order

KINDS = [
    kind
    for kind in vars(events).values()
    if isinstance(kind, type) and issubclass(kind, tuple) and kind.__module__ == events.__name__
]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as running:
        yield running


def overhear(engine: Engine) -> list[Any]:
    """Every event that is told from now on."""
    told: list[Any] = []
    for kind in KINDS:
        engine.events.listen(kind, told.append)
    return told


def of(told: list[Any], *kinds: type) -> list[Any]:
    return [event for event in told if isinstance(event, kinds)]


async def test_an_order_for_a_study_is_told_from_its_transfer_to_its_answer(site: Hospital) -> None:
    engine = Engine(site.config, ALLOWED)
    told = overhear(engine)
    async with engine:
        await send(*engine.address, [order("RE", study=CHEST_CT)])
        host, port = engine.address
    began, ended, final, answered = of(told, TransferBegan, TransferEnded, TaskEnded, MessageAnswered)
    assert isinstance(began, TransferBegan)
    assert began.task.request.selector == Study(CHEST_CT)
    assert (ended.task, ended.outcome.cause, ended.seconds > 0) == (began.task, Cause.ARRIVED, True)
    assert (final.task.id, final.outcome) == (began.task.id, ended.outcome)
    assert answered[:2] == ("AA", "ORM^O01")
    assert answered.seconds >= ended.seconds
    assert of(told, Started) == [Started(f"{host}:{port}")]
    assert of(told, Stopping) == [Stopping()]
    assert all(
        not commit.failed and commit.operations and commit.seconds > 0 for commit in of(told, Committed)
    )


async def test_a_search_is_told_as_a_query_and_ends_as_a_task(site: Hospital) -> None:
    engine = Engine(site.config, ALLOWED)
    told = overhear(engine)
    async with engine:
        await send(*engine.address, [order()])
    (query,) = of(told, Queried)
    assert (query.task.is_move, query.outcome.cause) == (False, Cause.RESOLVED)
    ended = of(told, TaskEnded)
    assert [it.outcome.cause for it in ended] == [Cause.RESOLVED, *[Cause.ARRIVED] * 3]
    assert len(of(told, TransferBegan)) == len(of(told, TransferEnded)) == 3


async def test_a_dry_run_is_no_transfer(tmp_path: Path) -> None:
    routes = ROUTES.replace("acknowledge: accepted", "gate: dry-run")
    with hospital(tmp_path, routes) as site:
        engine = Engine(site.config, ALLOWED)
        told = overhear(engine)
        async with engine:
            await send(*engine.address, [order("SC", study=CHEST_CT)])
    assert of(told, TransferBegan, TransferEnded) == []
    assert [it.outcome.cause for it in of(told, TaskEnded)] == [Cause.DRY_RUN]


async def test_every_refusal_is_told_with_its_code(site: Hospital) -> None:
    engine = Engine(site.config, ALLOWED)
    told = overhear(engine)
    async with engine:
        await send(*engine.address, [order("RE", study="no-uid"), b"no message", order("RE", study=CHEST_CT)])
        await send(*engine.address, [b"FHS|^~\\&|HIS\rBHS|^~\\&|HIS\rBTS|0\rFTS|1"])
        with socket.create_connection(engine.address) as broken:
            broken.sendall(b"\x0bMSH|^~\\&|HIS")
            broken.shutdown(socket.SHUT_WR)
            assert await asyncio.to_thread(broken.recv, 4096)
    assert [it[:2] for it in of(told, MessageAnswered)] == [
        ("AE", "ORM^O01"),
        ("AR", ""),
        ("AA", "ORM^O01"),
        ("AR", ""),
        ("AR", ""),
    ]


async def test_what_is_held_or_refused_is_told(tmp_path: Path) -> None:
    routes = ROUTES.replace("acknowledge: accepted", "acknowledge: accepted\n    hold: true")
    with hospital(tmp_path, routes) as site:
        engine = Engine(site.config, ALLOWED)
        told = overhear(engine)
        async with engine:
            await send(*engine.address, [order("SC", study=CHEST_CT)])
            await send(*engine.address, [order("RE", study=CHEST_CT, location="NOWHERE", control_id="M2")])
    (held,) = of(told, TaskHeld)
    assert (held.task.request.selector, held.gate) == (Study(CHEST_CT), "approval")
    (failed,) = of(told, TaskEnded)
    assert failed.outcome.status is TaskStatus.FAILED


async def test_an_archive_that_is_down_closes_its_gate(site: Hospital) -> None:
    engine = Engine(site.config, ALLOWED)
    told = overhear(engine)
    async with engine:
        for number in range(5):
            await send(*engine.address, [order("UA", study=f"1.2.{number}", control_id=f"M{number}")])
    assert {it[:3] for it in of(told, GateClosed)} == {("archive", "dark", "breaker")}


def test_a_listener_that_fails_is_logged_and_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    hub, heard = Events(), list[Any]()

    def fail(_: Stopping) -> None:
        raise RuntimeError("listener")

    hub.listen(Stopping, fail)
    hub.listen(Stopping, heard.append)
    with caplog.at_level(logging.ERROR):
        hub.tell(Stopping())
        hub.tell(Started("nobody listens"))
    assert heard == [Stopping()]
    assert "Stopping could not be taken note of" in caplog.text
