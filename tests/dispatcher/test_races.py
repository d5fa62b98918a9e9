"""What happens between two steps, and what goes on after something went wrong once."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.dicom.node import Destination
from engine.dispatcher import breakers
from engine.dispatcher.work import Place, Work
from engine.errors import AssociationAborted, StoreError
from engine.events import Events, GateClosed, GateOpened, TaskHeld, TransferBegan, TransferEnded
from engine.retrieve.breaker import BreakerRule
from engine.retrieve.outcome import Cause, MoveResponse, Outcome, TaskStatus
from engine.retrieve.policy import Hold, NodeRule, RouteRule
from engine.retrieve.rate import Rate
from engine.retrieve.selector import Study
from engine.retrieve.task import Verb, Verify
from engine.store import Store, operate
from tests.dispatcher import Scripted, keep, outcome_of, request, running, until
from tests.dispatcher.test_gates import Blocked, begun, closed_now, statuses

S = TaskStatus
CANCELED = Outcome(S.CANCELED, Cause.CANCELED, "nobody wants it")
MOVES = RouteRule()


def once(error: Exception) -> Callable[[], None]:
    """Fails at its first call."""
    calls = iter([error])

    def fail() -> None:
        for one in calls:
            raise one

    return fail


def before(monkeypatch: pytest.MonkeyPatch, name: str, happens: Callable[[], Any]) -> None:
    """Something that happens once, just before this operation of the store."""
    operation, left = getattr(Store, name), [happens]

    async def late(store: Store, *arguments: Any, **named: Any) -> Any:
        if left:
            result = left.pop()()
            if asyncio.iscoroutine(result):
                await result
        return await operation(store, *arguments, **named)

    monkeypatch.setattr(Store, name, late)


async def test_a_message_that_wants_a_real_move_is_not_served_by_a_dry_run_under_way(tmp_path: Path) -> None:
    looking, go = threading.Event(), threading.Event()

    class Slow(Scripted):
        def find_studies(self, **keys: Any) -> Any:
            looking.set()
            assert go.wait(30)
            return super().find_studies(**keys)

    client = Slow()
    policy = {"routes": {"dry": RouteRule(dry_run=True), "r": MOVES}}
    async with running(tmp_path, policy=policy, main=client) as (store, dispatcher):
        await keep(store, request(Study("1.2.1"), route="dry"))
        dispatcher.wake(["main"])
        assert await asyncio.to_thread(looking.wait, 20)
        kept = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        go.set()
        assert await dispatcher.settled(kept.message_id, 20)
        (task,) = await store.tasks_of(kept.message_id)
    assert (task.status, client.moved) == (S.COMPLETED, ["1.2.1"])


async def test_a_message_that_wants_verification_is_not_served_by_a_move_without(tmp_path: Path) -> None:
    """The destination has nothing and says so when it is asked."""
    client = Blocked("1.1")
    place = Place(Destination("ws", "WS"), Scripted())
    policy = {"routes": {"r": MOVES, "checked": RouteRule(verify=Verify.STUDY)}}
    async with running(
        tmp_path, policy=policy, place=lambda _: place, verify_within=0.0, patience=20, main=client
    ) as (store, dispatcher):
        await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        await begun(client)
        kept = await keep(store, request(Study("1.1"), route="checked"))
        client.go.set()
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
        (task,) = await store.tasks_of(kept.message_id)
    assert task.outcome is not None
    assert task.outcome.cause is Cause.UNVERIFIED
    assert not task.outcome.arrived


async def test_who_joins_between_the_gate_and_the_claim_is_not_served_by_a_dry_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Scripted()
    policy = {"routes": {"dry": RouteRule(dry_run=True), "r": MOVES}}
    async with running(tmp_path, policy=policy, main=client) as (store, dispatcher):
        before(monkeypatch, "claim", lambda: keep(store, request(Study("1.2.1"))))
        kept = await keep(store, request(Study("1.2.1"), route="dry"))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.2.1"]


async def test_what_is_expedited_while_a_window_turns_it_away_goes_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Scripted()
    async with running(tmp_path, route=RouteRule(windows=closed_now()), main=client) as (store, dispatcher):
        before(
            monkeypatch, "defer_tasks", lambda: operate(tmp_path / "journal.db", Verb.EXPEDITE, [1], "tester")
        )
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.1"]


async def test_what_is_approved_while_it_is_being_held_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Scripted()
    async with running(tmp_path, route=RouteRule(hold=Hold()), main=client) as (store, dispatcher):
        before(monkeypatch, "hold", lambda: operate(tmp_path / "journal.db", Verb.APPROVE, [1], "tester"))
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.1"]


async def test_who_joins_while_a_task_is_refused_is_served_where_its_route_is_enabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Scripted()
    async with running(tmp_path, main=client) as (store, dispatcher):
        before(monkeypatch, "finish", lambda: keep(store, request(Study("1.1"))))
        kept = await keep(store, request(Study("1.1"), route="off"))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.1"]


async def test_a_task_goes_on_after_a_store_that_was_out_of_order_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not be IN_PROGRESS with nobody working on it until the next start."""
    for name in ("identifiers", "release", "release"):
        before(monkeypatch, name, once(StoreError("disk full")))
    from engine.retrieve.selector import PriorCriteria, PriorsOfPatient
    from tests.dispatcher import NOW

    client = Scripted()
    async with running(tmp_path, main=client) as (store, dispatcher):
        kept = await keep(store, request(PriorsOfPatient("P", PriorCriteria(), NOW.date())))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert sorted(client.moved) == ["1.2.1", "1.2.2"]


async def test_a_task_that_we_cannot_conclude_is_moved_again_later_and_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fault(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Store, "finish", fault)
    client = Scripted()
    async with running(tmp_path, main=client) as (store, dispatcher):
        await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        await until(lambda: client.moved == ["1.1"] * 2 and statuses(tmp_path) == [S.SCHEDULED])
        (task,) = await outcome_of(tmp_path)
    assert task.not_before is not None
    assert task.not_before - task.updated > dt.timedelta(seconds=1.5)


async def test_cancels_are_noticed_though_something_went_wrong_in_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, begun = asyncio.Event(), threading.Event()

    def fail() -> None:
        looked.set()
        raise RuntimeError("can't start new thread")

    def endless(canceled: threading.Event) -> MoveResponse:
        begun.set()
        assert canceled.wait(30)
        return MoveResponse(0xFE00)

    before(monkeypatch, "expire", fail)
    async with running(tmp_path, main=Scripted({"1.1": endless})) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        await looked.wait()
        assert await asyncio.to_thread(begun.wait, 20)
        operate(tmp_path / "journal.db", Verb.CANCEL, [1], "tester")
        assert await dispatcher.settled(kept.message_id, 20)


async def test_cancels_are_noticed_while_a_destination_takes_its_time_for_a_release(tmp_path: Path) -> None:
    calls, go = threading.Event(), threading.Event()

    class Slow(Scripted):
        def close_idle(self) -> None:
            calls.set()
            assert go.wait(30)

    client = Scripted()
    place = Place(Destination("ws", "WS"), Slow())
    try:
        async with running(tmp_path, route=RouteRule(hold=Hold()), place=lambda _: place, main=client) as (
            store,
            dispatcher,
        ):
            assert await asyncio.to_thread(calls.wait, 20)
            kept = await keep(store, request(Study("1.1")))
            dispatcher.wake(["main"])
            assert not await dispatcher.settled(kept.message_id, 20)
            operate(tmp_path / "journal.db", Verb.APPROVE, [1], "tester")
            assert await dispatcher.settled(kept.message_id, 10)
            go.set()
    finally:
        go.set()
    assert client.moved == ["1.1"]


async def test_a_breaker_is_watched_on_though_its_probe_failed_by_a_fault_of_ours(tmp_path: Path) -> None:
    class Sick(Scripted):
        fail = staticmethod(once(RuntimeError("can't start new thread")))

        def echo(self) -> None:
            self.fail()

    def aborts(_: threading.Event) -> MoveResponse:
        raise AssociationAborted("main", "gone")

    client = Sick({"1.1": aborts})
    rule = BreakerRule(1, dt.timedelta(milliseconds=10), dt.timedelta(milliseconds=10))
    async with running(tmp_path, archive=NodeRule(2, breaker=rule), main=client) as (store, dispatcher):
        await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        await until(lambda: client.moved == ["1.1"])
        kept = await keep(store, request(Study("1.2")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)


async def test_a_transfer_that_no_thread_can_carry_out_has_ended_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    submit, fail = ThreadPoolExecutor.submit, once(RuntimeError("can't start new thread"))

    def submit_later(pool: ThreadPoolExecutor, work: Any, *arguments: Any) -> Any:
        if isinstance(work, Work):
            fail()
        return submit(pool, work, *arguments)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit_later)
    events, told = Events(), list[Any]()
    for kind in (TransferBegan, TransferEnded):
        events.listen(kind, told.append)
    async with running(tmp_path, events=events, main=Scripted()) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert [type(event) for event in told] == [TransferBegan, TransferEnded] * 2
    assert [event.outcome.cause for event in told[1::2]] == [Cause.INTERNAL, Cause.ARRIVED]


async def test_that_a_breaker_has_closed_is_told_though_the_journal_could_not_be_written_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def aborts(_: threading.Event) -> MoveResponse:
        raise AssociationAborted("main", "gone")

    def fail() -> None:
        raise StoreError("the disk is full")

    monkeypatch.setattr(breakers, "STORE_RETRY", 0.01)
    before(monkeypatch, "open_gate", fail)
    rule = BreakerRule(1, dt.timedelta(milliseconds=10), dt.timedelta(milliseconds=10))
    client, events, opened, on_trial = Scripted({"1.1": aborts}), Events(), asyncio.Event(), asyncio.Event()
    events.listen(GateOpened, lambda _: opened.set())
    events.listen(GateClosed, lambda gate: on_trial.set() if "one trial" in gate.reason else None)
    archive = NodeRule(2, breaker=rule)
    async with running(tmp_path, archive=archive, events=events, main=client) as (store, dispatcher):
        async with asyncio.timeout(20):
            await keep(store, request(Study("1.1")))
            dispatcher.wake(["main"])
            await on_trial.wait()
            await keep(store, request(Study("1.2")))
            dispatcher.wake(["main"])
            await opened.wait()


async def test_a_node_that_does_not_answer_does_not_take_the_threads_of_everybody(tmp_path: Path) -> None:
    """Intake has messages validated by threads of the loop's own pool."""
    go, asked = threading.Event(), threading.Semaphore(0)

    class Silent(Scripted):
        def close_idle(self) -> None:
            asked.release()
            assert go.wait(30)

    clients: Any = {f"archive{number}": Silent() for number in range(40)}
    try:
        async with running(tmp_path, **clients) as (_, dispatcher):
            dispatcher.wake(clients)
            async with asyncio.timeout(20):
                while asked._value < 6:  # noqa: ASYNC110  threads cannot be awaited without one more
                    await asyncio.sleep(0.02)
            async with asyncio.timeout(5):
                await asyncio.to_thread(int)
            go.set()
    finally:
        go.set()


async def test_what_lost_its_claim_has_not_used_up_the_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Scripted()
    async with running(tmp_path, archive=NodeRule(2, rate=Rate(studies=1)), main=client) as (
        store,
        dispatcher,
    ):
        before(monkeypatch, "claim", lambda: store.finish(1, CANCELED))
        kept = await keep(store, request(Study("1.1")), request(Study("1.2")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.2"]


async def test_a_dry_run_uses_up_no_rate(tmp_path: Path) -> None:
    client = Scripted()
    policy = {"routes": {"dry": RouteRule(dry_run=True), "r": MOVES}}
    archive = NodeRule(2, rate=Rate(studies=1))
    async with running(tmp_path, archive=archive, policy=policy, main=client) as (store, dispatcher):
        dry = await keep(store, *(request(Study("1.2.1"), route="dry", to="ws") for _ in range(1)))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(dry.message_id, 20)
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 5)
    assert client.moved == ["1.1"]


async def test_tasks_of_an_archive_that_is_gone_are_held_whenever_they_turn_up(tmp_path: Path) -> None:
    """Due later, or brought back by a person: nobody serves that archive, and they must not lie there."""
    path = tmp_path / "journal.db"
    store = Store.open(path)
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    kept = await keep(store, replace(request(Study("1.1"), "gone"), due=later), request(Study("1.2"), "gone"))
    await store.finish(kept.task_ids[1], CANCELED)
    await store.close()
    async with running(tmp_path, main=Scripted()) as (_, _):
        operate(path, Verb.RETRY, [kept.task_ids[1]], "tester")
        await until(lambda: statuses(tmp_path) == [S.HELD] * 2)


async def test_that_a_task_is_held_is_told_by_who_has_held_it(tmp_path: Path, monkeypatch: Any) -> None:
    told: list[TaskHeld] = []
    events = Events()
    events.listen(TaskHeld, told.append)
    before(monkeypatch, "hold", lambda: operate(tmp_path / "journal.db", Verb.CANCEL, [1], "somebody"))
    async with running(tmp_path, route=RouteRule(hold=Hold()), events=events, main=Scripted()) as (
        store,
        dispatcher,
    ):
        kept = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
        kept = await keep(store, request(Study("1.2.2")))
        dispatcher.wake(["main"])
        await until(lambda: bool(told))
    assert [it.task.id for it in told] == [2]
