"""A call at the moments at which it could be told what is not so, or be forgotten."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine import by_hand
from engine.by_hand import ByHand
from engine.config import load
from engine.errors import StoreError
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import Store
from engine.store.calls import take_back
from tests.dicom_peers import eventually
from tests.mcp.clinic import SLOW, SLOWER, Clinic, clinic
from tests.standing_in import by_hand_request, silent, when_arrived


class Clock:
    """Of the calls alone."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        patch.setattr(by_hand, "time", SimpleNamespace(monotonic=lambda: self.now))


class Pause:
    """A function that a thread waits in before it begins."""

    def __init__(self, patch: pytest.MonkeyPatch, name: str) -> None:
        self.entered, self._go_on = threading.Event(), threading.Event()
        self._does = getattr(by_hand, name)
        patch.setattr(by_hand, name, self)

    def __call__(self, *given: Any) -> Any:
        self.entered.set()
        assert self._go_on.wait(30)
        return self._does(*given)

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 30)

    def go_on(self) -> None:
        self._go_on.set()


@asynccontextmanager
async def calls(nodes: Clinic) -> AsyncIterator[ByHand]:
    async with ByHand(load(nodes.routes), switch_on=True) as hand:
        yield hand


async def _canceled(call: asyncio.Task[Any]) -> None:
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_call_that_is_canceled_while_it_is_being_kept_moves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Pause(monkeypatch, "ask")
    with clinic(tmp_path, SLOW) as nodes:
        async with calls(nodes) as hand:
            call = asyncio.create_task(hand.retrieve(by_hand_request(), "test", silent))
            await asking.reached()
            await _canceled(call)
            asking.go_on()
            assert await asyncio.to_thread(
                eventually, lambda: bool(nodes.tasks) and nodes.tasks[0].status.final
            )
        assert [task.status for task in nodes.tasks] == [TaskStatus.CANCELED]
        assert nodes.reading.arrived() < 5


async def test_a_call_is_taken_back_also_where_the_journal_is_held_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def taking_back(*given: Any) -> Any:
        try:
            return take_back(*given)
        except StoreError:
            failed.set()
            raise

    monkeypatch.setattr(by_hand, "take_back", taking_back)
    monkeypatch.setattr(
        "engine.store.dialect.open_engine.__kwdefaults__", {"read_only": False, "busy_timeout": 0.1}
    )
    with clinic(tmp_path, SLOW.replace("200ms", "1500ms")) as nodes:
        async with calls(nodes) as hand:
            call = asyncio.create_task(hand.retrieve(by_hand_request(), "test", silent))
            await when_arrived(nodes, 1)
            with closing(sqlite3.connect(nodes.journal, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                await _canceled(call)
                assert await asyncio.to_thread(failed.wait, 30)
                other.execute("ROLLBACK")
            assert await asyncio.to_thread(eventually, lambda: nodes.tasks[0].status.final)
        assert nodes.tasks[0].status is TaskStatus.CANCELED
        assert nodes.reading.arrived() < 5


async def test_what_arrives_while_it_is_given_up_is_told_as_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look: Callable[..., RetrieveTask] = vars(by_hand)["standing_of"]

    def just_kept(*given: Any) -> RetrieveTask:
        monkeypatch.setattr(by_hand, "standing_of", look)
        kept: RetrieveTask = look(*given)
        return replace(kept, status=TaskStatus.SCHEDULED, outcome=None)

    monkeypatch.setattr(by_hand, "standing_of", just_kept)
    monkeypatch.setattr(by_hand, "_in_vain", lambda hold, waited: True)
    giving_up = Pause(monkeypatch, "take_back")
    with clinic(tmp_path) as nodes:
        async with calls(nodes) as hand:
            call = asyncio.create_task(hand.retrieve(by_hand_request(), "test", silent))
            await giving_up.reached()
            assert await asyncio.to_thread(eventually, lambda: nodes.tasks[0].status.final)
            giving_up.go_on()
            ended = await call
    assert (ended.outcome.arrived, ended.task.status) == (True, TaskStatus.COMPLETED)


async def test_a_long_move_that_is_interrupted_has_its_time_to_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with clinic(tmp_path, SLOW.replace("200ms", "700ms")) as nodes:
        async with calls(nodes) as hand:
            call = asyncio.create_task(hand.retrieve(by_hand_request(), "test", silent))
            await when_arrived(nodes, 1)
            clock.now += 3600
            await asyncio.sleep(2 * by_hand._LOOK)
            engine = await asyncio.to_thread(Store.open, nodes.journal)
            await asyncio.sleep(2 * by_hand._LOOK)
            await engine.close()
            ended = await call
    assert ended.outcome.arrived


async def test_what_is_given_up_after_an_interruption_is_not_said_to_have_moved_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    with clinic(tmp_path, SLOW.replace("200ms", "700ms")) as nodes:
        async with calls(nodes) as hand:
            call = asyncio.create_task(hand.retrieve(by_hand_request(), "test", silent))
            await when_arrived(nodes, 1)
            engine = await asyncio.to_thread(Store.open, nodes.journal)
            clock.now += 3600
            ended = await call
            await engine.close()
    assert nodes.reading.arrived() > 0
    assert (ended.outcome.cause, ended.task.status) == (Cause.GATE_CLOSED, TaskStatus.CANCELED)
    assert ended.outcome.text.startswith("it was interrupted, and some objects may have arrived: no engine")


async def test_a_journal_that_goes_away_is_not_told_as_if_nothing_had_been_asked(tmp_path: Path) -> None:
    with clinic(tmp_path, SLOWER) as nodes:
        async with calls(nodes) as hand:
            call = asyncio.create_task(hand.retrieve(by_hand_request(), "test", silent))
            await when_arrived(nodes, 1)
            nodes.journal.unlink()
            with pytest.raises(StoreError, match=r"there is no journal.*: some may arrive"):
                await call
