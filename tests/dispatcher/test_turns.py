"""When a lane goes round, and when not: a turn reads the journal, and messages come by the thousand."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.dispatcher import Dispatcher
from engine.retrieve.policy import NodeRule, RouteRule
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, Study
from engine.retrieve.task import Priority, RetrieveRequest
from engine.store import Journaled, Store
from tests.cluster.here import until
from tests.dispatcher import NOW, Scripted, keep, request, running
from tests.dispatcher.test_gates import Blocked, begun, closed_now

SHUT = NodeRule(2, windows=closed_now())


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The archives whose lanes have looked for what waits, as often as they did."""
    seen: list[str] = []
    waiting = Store.waiting

    async def noted(store: Store, archive: str, *arguments: Any, **named: Any) -> Any:
        seen.append(archive)
        return await waiting(store, archive, *arguments, **named)

    monkeypatch.setattr(Store, "waiting", noted)
    return seen


async def take(store: Store, dispatcher: Dispatcher, *requests: RetrieveRequest) -> Journaled:
    """As the intake does."""
    kept = await keep(store, *requests)
    dispatcher.expect(requests)
    return kept


async def settle(store: Store, looks: list[str]) -> None:
    """Until no lane goes round any more."""
    before = -1
    while before != len(looks):
        before = len(looks)
        for _ in range(3):
            await store.newest_task()  # a turn waits for no more than such reads
            await asyncio.sleep(0)


async def test_messages_behind_the_window_of_their_archive_wake_no_lane(
    tmp_path: Path, looks: list[str]
) -> None:
    async with running(tmp_path, archive=SHUT, main=Scripted()) as (store, dispatcher):
        await take(store, dispatcher, request(Study("1.1")))
        await settle(store, looks)
        before = len(looks)
        for number in range(50):
            await take(store, dispatcher, request(Study(f"2.{number}")))
        await settle(store, looks)
        assert len(looks) == before


async def test_a_question_goes_on_where_only_moves_are_held(tmp_path: Path, looks: list[str]) -> None:
    priors = PriorsOfPatient("P1", PriorCriteria(), NOW.date())
    async with running(tmp_path, archive=SHUT, main=Scripted()) as (store, dispatcher):
        await take(store, dispatcher, request(Study("1.1")))
        await settle(store, looks)
        kept = await take(store, dispatcher, request(priors))
        assert not await dispatcher.settled(kept.message_id, 20)  # its studies wait for the window
        children = [task for task in await store.tasks_of(kept.message_id) if task.is_move]
    assert len(children) == 2


async def test_a_dry_run_goes_on_where_only_moves_are_held(tmp_path: Path, looks: list[str]) -> None:
    policy = {"routes": {"r": RouteRule(), "dry": RouteRule(dry_run=True)}}
    async with running(tmp_path, archive=SHUT, policy=policy, main=Scripted()) as (store, dispatcher):
        await take(store, dispatcher, request(Study("1.1")))
        await settle(store, looks)
        told = request(Study("1.2"), route="dry", priority=Priority.HIGH)
        kept = await take(store, dispatcher, told)
        assert await dispatcher.settled(kept.message_id, 5)


async def test_one_destination_that_is_shut_holds_no_task_for_another(tmp_path: Path) -> None:
    client = Scripted()
    async with running(tmp_path, destinations={"ws": SHUT, "open": NodeRule()}, main=client) as (
        store,
        dispatcher,
    ):
        first = await take(store, dispatcher, request(Study("1.1")))
        assert not await dispatcher.settled(first.message_id, 20)
        kept = await take(store, dispatcher, request(Study("1.2"), to="open"))
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.2"]


async def test_tasks_that_are_due_later_wake_no_lane(tmp_path: Path, looks: list[str]) -> None:
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    async with running(tmp_path, main=Scripted()) as (store, dispatcher):
        await settle(store, looks)
        before = len(looks)
        for number in range(50):
            await take(store, dispatcher, request(Study(f"1.{number}"), due=tomorrow))
        await settle(store, looks)
        assert len(looks) == before


async def test_a_task_that_is_due_soon_starts_when_it_is(tmp_path: Path) -> None:
    async with running(tmp_path, main=Scripted()) as (store, dispatcher):
        soon = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.2)
        kept = await take(store, dispatcher, request(Study("1.1"), due=soon))
        assert await dispatcher.settled(kept.message_id, 20)
        assert dt.datetime.now(dt.UTC) >= soon


async def test_a_task_that_falls_due_while_its_lane_goes_round_is_not_overlooked(
    tmp_path: Path, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    next_due, soon = Store.next_due, dt.datetime.now(dt.UTC) + dt.timedelta(seconds=0.5)

    async def slow(store: Store, *arguments: Any) -> Any:
        if (wait := (soon - dt.datetime.now(dt.UTC)).total_seconds()) > 0:
            await asyncio.sleep(wait)
        return await next_due(store, *arguments)

    async with running(tmp_path, main=Scripted()) as (store, dispatcher):
        await settle(store, looks)
        monkeypatch.setattr(Store, "next_due", slow)
        kept = await keep(store, request(Study("1.1"), due=soon))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 5)


async def test_what_an_answer_has_pulled_forward_starts_at_once(tmp_path: Path, looks: list[str]) -> None:
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    priors = PriorsOfPatient("P1", PriorCriteria(), NOW.date())
    async with running(tmp_path, main=Scripted()) as (store, dispatcher):
        planned = [request(Study(uid), due=tomorrow) for uid in ("1.2.1", "1.2.2")]
        first = await take(store, dispatcher, *planned)
        await settle(store, looks)
        asked = await take(store, dispatcher, request(priors))
        assert await dispatcher.settled(asked.message_id, 5)
        assert await dispatcher.settled(first.message_id, 5)


async def test_messages_beyond_what_the_archive_may_have_wait_for_an_end(
    tmp_path: Path, looks: list[str]
) -> None:
    client = Blocked("1.0", "1.1")
    async with running(tmp_path, main=client) as (store, dispatcher):
        kept = [await take(store, dispatcher, request(Study(f"1.{number}"))) for number in range(2)]
        await begun(client, 2)
        await settle(store, looks)
        before = len(looks)
        kept += [await take(store, dispatcher, request(Study(f"2.{number}"))) for number in range(20)]
        await settle(store, looks)
        assert len(looks) == before
        client.go.set()
        for one in kept:
            assert await dispatcher.settled(one.message_id, 20)


async def test_the_last_task_that_waited_needs_no_look_after_it(tmp_path: Path, looks: list[str]) -> None:
    async with running(tmp_path, main=Scripted()) as (store, dispatcher):
        await settle(store, looks)
        before = len(looks)
        kept = await take(store, dispatcher, request(Study("1.1")))
        assert await dispatcher.settled(kept.message_id, 20)
        await settle(store, looks)
        assert len(looks) == before + 1


async def test_a_place_at_a_destination_that_comes_free_is_taken_by_another_archive(tmp_path: Path) -> None:
    first, second = Blocked("1.1"), Scripted()
    async with running(tmp_path, destinations={"ws": NodeRule(1)}, main=first, other=second) as (
        store,
        dispatcher,
    ):
        await take(store, dispatcher, request(Study("1.1")))
        await begun(first)
        kept = await take(store, dispatcher, request(Study("1.2"), archive="other"))
        again = await take(store, dispatcher, request(Study("1.3"), archive="other"))
        first.go.set()
        assert await dispatcher.settled(kept.message_id, 20)
        assert await dispatcher.settled(again.message_id, 20)
    assert second.moved == ["1.2", "1.3"]


async def test_an_archive_without_work_is_not_asked_when_another_has_ended_some(
    tmp_path: Path, looks: list[str]
) -> None:
    async with running(tmp_path, route=RouteRule(), main=Scripted(), other=Scripted()) as (store, dispatcher):
        await settle(store, looks)
        looks.clear()
        kept = await take(store, dispatcher, request(Study("1.1")))
        assert await dispatcher.settled(kept.message_id, 20)
        await settle(store, looks)
        assert "other" not in looks


async def test_an_engine_looks_for_what_another_has_taken_at_its_archive_alone(
    shared: str, looks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.dispatcher.company._GATHER", 0.0)
    monkeypatch.setattr("engine.dispatcher.company._NET", 600.0)
    rules = {"main": NodeRule(2), "shut": SHUT, "other": NodeRule(2)}
    main, other = Scripted(), Scripted()
    policy = {"archives": rules}
    async with running(shared, policy=policy, main=main, shut=Scripted(), other=other) as (store, engine):
        another = Store.open(shared)
        for name in ("main", "other"):
            kept = await keep(another, replace(request(Study(f"1.{name}")), archive=name))
            assert await engine.settled(kept.message_id, 20)
        await settle(store, looks)
        looks.clear()
        for number in range(20):
            await keep(another, replace(request(Study(f"2.{number}")), archive="shut"))
        await keep(another, replace(request(Study("3.1")), archive="other"))
        await until(lambda: len(other.moved) == 2)
        await settle(store, looks)
        await another.close()
    assert "other" in looks
    assert "main" not in looks
