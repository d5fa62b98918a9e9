"""What is asked for by hand, with and without an engine on the journal: the same gate and dispatcher."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.app import Engine
from engine.by_hand import ByHand, Ended
from engine.config import load
from engine.dispatcher import Dispatcher
from engine.events import TaskEnded
from engine.retrieve.gate import SWITCH_REASON
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.policy import REHEARSAL
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest
from engine.simulator import demo_studies
from engine.store import NewMessage, Store, is_running, is_taken
from tests.dicom_peers import eventually
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE
from tests.mcp.clinic import SLOW, SLOWER, Clinic, clinic
from tests.peers.relay import Relay
from tests.standing_in import by_hand_request, silent, when_arrived
from tests.store import message
from tests.test_serve import serving


def _order(study: str) -> NewMessage:
    return message(study, RetrieveRequest(Study(study), "main", "reading", ("study",)))


async def _by_hand(nodes: Clinic, study: str = CHEST_CT) -> Ended:
    async with ByHand(load(nodes.routes), switch_on=True) as by_hand:
        return await by_hand.retrieve(by_hand_request(study), "test", silent)


async def test_a_stand_in_leaves_to_the_engine_what_a_feed_has_asked_for(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        store = Store.open(nodes.journal)
        await store.journal(_order(OLD_KNEE))
        await store.close()
        assert (await _by_hand(nodes)).outcome.arrived
        statuses = {str(task.request.selector): task.status for task in nodes.tasks}
    assert statuses == {
        f"study {OLD_KNEE}": TaskStatus.SCHEDULED,
        f"study {CHEST_CT}": TaskStatus.COMPLETED,
    }
    assert nodes.reading.arrived(OLD_KNEE) == 0


async def test_what_nobody_approves_in_time_is_left_to_an_engine_which_tells_of_it(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        store = Store.open(nodes.journal)
        kept = await store.journal(_order(OLD_KNEE))
        await store.hold(kept.task_ids[0], "approval", "", dt.datetime.now(dt.UTC), None)
        await store.close()
        assert (await _by_hand(nodes)).outcome.arrived
        assert [task.status for task in nodes.tasks if task.id == kept.task_ids[0]] == [TaskStatus.HELD]
        engine, told = Engine(load(nodes.routes), ALLOWED), asyncio.Event()
        engine.events.listen(
            TaskEnded, lambda ended: told.set() if ended.outcome.cause is Cause.EXPIRED else None
        )
        async with engine, asyncio.timeout(20):
            await told.wait()


async def test_where_an_engine_serves_it_is_the_engine_that_moves(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with Engine(load(nodes.routes), ALLOWED):
            ended = await _by_hand(nodes)
            assert is_running(nodes.journal)
        assert ended.outcome.arrived
        assert len(nodes.archive.moves) == 1


async def test_the_engines_gate_counts_whatever_ours_says(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with Engine(load(nodes.routes), {}):
            ended = await _by_hand(nodes)
        assert (ended.task.status, ended.outcome.cause) == (TaskStatus.FAILED, Cause.GATE_CLOSED)
        assert ended.outcome.text == SWITCH_REASON
        assert nodes.archive.moves == ()


async def test_a_stand_in_without_the_switch_leaves_moves_to_one_that_has_it(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        config = load(nodes.routes)
        async with ByHand(config, switch_on=False) as without, ByHand(config, switch_on=True) as allowed:
            rehearsal = replace(by_hand_request(), routes=(REHEARSAL,))
            assert (await without.retrieve(rehearsal, "test", silent)).outcome.cause is Cause.DRY_RUN
            assert is_taken(nodes.journal)
            assert (await allowed.retrieve(by_hand_request(), "test", silent)).outcome.arrived


async def test_a_dry_run_does_not_move_what_a_message_wants_tomorrow(tmp_path: Path) -> None:
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    planned = RetrieveRequest(Study(CHEST_CT), "main", "reading", ("study",), due=tomorrow)
    with clinic(tmp_path) as nodes:
        store = Store.open(nodes.journal)
        await store.journal(message(CHEST_CT, planned))
        await store.close()
        async with (
            Engine(load(nodes.routes), ALLOWED),
            ByHand(load(nodes.routes), switch_on=False) as by_hand,
        ):
            ended = await by_hand.retrieve(replace(by_hand_request(), routes=(REHEARSAL,)), "test", silent)
        assert (ended.outcome.cause, nodes.archive.moves) == (Cause.DRY_RUN, ())


async def test_an_engine_that_starts_takes_a_move_over_from_the_stand_in(tmp_path: Path) -> None:
    with clinic(tmp_path, SLOW.replace("200ms", "700ms")) as nodes:
        call = asyncio.create_task(_by_hand(nodes))
        await when_arrived(nodes, 1)
        with serving(nodes.routes) as engine:
            assert await asyncio.to_thread(lambda: engine.address)
            assert is_running(nodes.journal)
            ended = await call
            assert await asyncio.to_thread(engine.end, signal.SIGTERM) == 0
        assert ended.outcome.arrived
        assert ended.task.attempts == 2
        assert [move.study_uid for move in nodes.archive.moves] == [CHEST_CT, CHEST_CT]


async def test_an_archive_that_hangs_does_not_keep_an_engine_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.store.lock._YIELDS_WITHIN", 6.0)  # four releases in turn would take 8 s
    studies = sorted({study.study_uid for study in demo_studies()})[:4]
    with clinic(tmp_path, SLOW, archive=", concurrency: 4") as nodes:
        port = nodes.archive.address[1]
        with closing(Relay(port)) as relay:
            text = nodes.routes.read_text().replace("idle: 1s", "idle: 60s")
            nodes.routes.write_text(text.replace(f"port: {port}", f"port: {relay.port}"))
            async with ByHand(load(nodes.routes), switch_on=True) as by_hand:
                calls = (by_hand.retrieve(by_hand_request(study), "test", silent) for study in studies)
                await asyncio.gather(*calls)
                relay.flowing.clear()
                engine = await asyncio.to_thread(Store.open, nodes.journal)
                assert is_running(nodes.journal)
                await engine.close()


async def test_an_engine_that_stops_leaves_a_move_to_the_stand_in(tmp_path: Path) -> None:
    with clinic(tmp_path, SLOWER) as nodes:
        with serving(nodes.routes) as engine:
            assert await asyncio.to_thread(lambda: engine.address)
            call = asyncio.create_task(_by_hand(nodes))
            await when_arrived(nodes, 1)
            await asyncio.to_thread(engine.end, signal.SIGKILL)
        ended = await call
        assert ended.outcome.arrived
        assert ended.task.attempts == 2
    assert not is_taken(nodes.journal)


async def test_of_several_that_ask_one_stands_in_for_all(tmp_path: Path) -> None:
    with clinic(tmp_path, SLOW, archive=", concurrency: 1") as nodes:
        first = asyncio.create_task(_by_hand(nodes))
        await when_arrived(nodes, 1)
        second = asyncio.create_task(_by_hand(nodes, OLD_KNEE))
        ended = await asyncio.gather(first, second)
        assert [it.outcome.arrived for it in ended] == [True, True]


async def test_a_stand_in_goes_away_when_nobody_has_asked_for_a_while(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with ByHand(load(nodes.routes), switch_on=True, idle=0.1) as by_hand:
            for _ in range(2):
                assert (await by_hand.retrieve(by_hand_request(), "test", silent)).outcome.arrived
                assert await asyncio.to_thread(eventually, lambda: not is_taken(nodes.journal))


def _journals() -> int:
    """That are open in this process, each with a thread of its own."""
    return sum(thread.name == "journal" for thread in threading.enumerate())


async def test_a_journal_that_a_canceled_call_was_opening_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go_on, really = threading.Event(), threading.Event(), Store.open

    def slowly(*given: Any, **named: Any) -> Store:
        opening.set()
        assert go_on.wait(30)
        return really(*given, **named)

    monkeypatch.setattr(Store, "open", slowly)
    with clinic(tmp_path) as nodes:
        async with ByHand(load(nodes.routes), switch_on=True) as by_hand:
            call = asyncio.create_task(by_hand.retrieve(by_hand_request(), "test", silent))
            assert await asyncio.to_thread(opening.wait, 30)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
            go_on.set()
            assert (await by_hand.retrieve(by_hand_request(), "test", silent)).outcome.arrived
            assert _journals() == 1
    assert (_journals(), is_taken(nodes.journal)) == (0, False)


async def test_a_stand_in_that_is_letting_go_does_so_to_the_end_when_its_process_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping, go_on, really = asyncio.Event(), asyncio.Event(), Dispatcher.stop

    async def slowly(dispatcher: Dispatcher, timeout: float) -> None:
        stopping.set()
        await go_on.wait()
        await really(dispatcher, timeout)

    monkeypatch.setattr(Dispatcher, "stop", slowly)
    with clinic(tmp_path) as nodes:
        by_hand = ByHand(load(nodes.routes), switch_on=True, idle=0.1)
        assert (await by_hand.retrieve(by_hand_request(), "test", silent)).outcome.arrived
        await stopping.wait()
        leaving = asyncio.create_task(by_hand.__aexit__(None, None, None))
        await asyncio.sleep(0)
        go_on.set()
        await leaving
    assert (_journals(), is_taken(nodes.journal)) == (0, False)
