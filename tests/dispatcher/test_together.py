"""Dispatchers on a journal in PostgreSQL, which others may share."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Collection
from typing import Any

import pytest
from sqlalchemy import event, text

from engine.dispatcher import breakers, company, entrance, lane
from engine.dispatcher.newcomers import Newcomers
from engine.errors import StoreError
from engine.retrieve.breaker import Breaker, BreakerRule, State
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.policy import NodeRule
from engine.retrieve.rate import Rate
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveTask
from engine.store import Heard, News, Situation, Store, list_tasks, members, traffic
from engine.store.reader import opened
from tests.dispatcher import NOW, Scripted, keep, request, running, until
from tests.dispatcher.test_gates import Blocked, begun

_MOMENT = 0.3  # seconds in which a lane that spins goes round a hundred times
UNREACHABLE = Outcome(TaskStatus.FAILED, Cause.UNREACHABLE, "no TCP connection")


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> Callable[[], int]:
    """How often this has been asked of a store."""
    operation, count = getattr(Store, name), 0

    async def asked(store: Store, *arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        return await operation(store, *arguments, **named)

    monkeypatch.setattr(Store, name, asked)
    return lambda: count


async def test_a_lane_does_not_spin_while_a_stray_takes_its_place(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = counted(monkeypatch, "enter")
    client = Scripted()
    async with running(shared, concurrency=1, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1")), request(Study("1.2.2")))
        assert await store.claim(kept.task_ids[0]) is not None  # and the answer to it was lost
        dispatcher.wake(["main"])
        await asyncio.sleep(_MOMENT)
        assert entered() <= 3
        for _ in range(2):
            await dispatcher.give_back_strays()
        await until(lambda: sorted(client.moved) == ["1.2.1", "1.2.2"])


async def test_a_task_that_is_still_being_stopped_here_keeps_no_other_out(shared: str) -> None:
    client = Blocked("1.2.1")
    async with running(shared, main=client, patience=20) as (store, dispatcher):
        first = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        await begun(client)
        dispatcher.cast_out()
        await store.release(first.task_ids[0], "taken over", attempt=1)
        second = await keep(store, request(Study("1.2.2")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(second.message_id, 20)
        assert client.moved == ["1.2.1", "1.2.2"]
        client.go.set()
        assert await dispatcher.settled(first.message_id, 20)
    assert client.moved == ["1.2.1", "1.2.2", "1.2.1"]


async def test_everything_is_looked_at_again_also_where_there_is_always_something_to_hear(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(company, "_NET", 0.2)
    looked = counted(monkeypatch, "strays")
    async with running(shared, main=Scripted()) as (store, _):
        hearing = store._opened.ear
        async with asyncio.timeout(20):
            while looked() < 3:
                hearing.hear(Heard(News(messages={1})))
                await asyncio.sleep(0.02)


async def test_a_claim_that_is_answered_after_others_have_taken_it_over_begins_nothing(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    enter, left = Store.enter, ["once"]
    other = Store.open(shared)

    async def frozen(store: Store, applicant: Any) -> Any:
        claimed = await enter(store, applicant)
        if left and isinstance(claimed, RetrieveTask):
            left.clear()
            pulse = store._opened.pulse
            assert pulse is not None
            lost = pulse.member_id
            with opened(shared, read_only=False) as connection, connection.begin():
                pulse.member_id = members.register(connection, stand_in=False)
            assert await other.take_over([lost]) == [claimed.id]
        return claimed

    monkeypatch.setattr(Store, "enter", frozen)
    client = Scripted()
    async with running(shared, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    await other.close()
    assert client.moved == ["1.2.1"]


async def test_clocks_that_differ_from_that_of_the_database_change_no_rate(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = dt.timedelta(hours=1)
    for module in (entrance, lane, breakers, traffic):
        monkeypatch.setattr(module, "_now", lambda: dt.datetime.now(dt.UTC) + ahead)
    entered, client = counted(monkeypatch, "enter"), Scripted()
    rated = NodeRule(2, rate=Rate(studies=1))
    async with running(shared, main=client, archive=rated) as (store, dispatcher):
        await store.change_breaker(("archive", "main"), lambda breaker, now: Breaker(until=now))
        await keep(store, request(Study("1.2.1")), request(Study("1.2.2")))
        dispatcher.wake(["main"])
        await until(lambda: bool(client.moved))
        await asyncio.sleep(_MOMENT)
        seen = await store.situation()
    assert client.moved == ["1.2.1"]
    assert entered() <= 2
    (passage,) = seen.passages
    there = seen.breakers["archive", "main"].until
    assert there is not None
    assert max(abs(seen.now - passage.passed.at), abs(seen.now - there)) < dt.timedelta(minutes=30)


async def test_a_failure_that_cannot_be_told_to_others_counts_once(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def down(*_: object) -> None:
        tried.set()
        raise StoreError("the server is stopping")

    monkeypatch.setattr(Store, "change_breaker", down)
    archive = NodeRule(2, breaker=BreakerRule(failures=2))
    async with running(shared, archive=archive, main=Scripted()) as (_, dispatcher):
        task = RetrieveTask(1, request(Study("1.2.1")), TaskStatus.IN_PROGRESS, NOW, NOW)
        dispatcher._breakers.note(task, UNREACHABLE)
        await tried.wait()
        await until(lambda: not dispatcher._breakers._tellings)
        assert dispatcher._meters.archives["main"].breaker.failures == 1


async def test_a_node_is_watched_by_the_pause_that_counts_now(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has begun the one before may be gone when it opens again."""
    monkeypatch.setattr(breakers, "_STEP", 0.02)
    archive = NodeRule(2, breaker=BreakerRule())
    async with running(shared, archive=archive, main=Scripted()) as (_, dispatcher):
        now = dt.datetime.now(dt.UTC)
        later = now + dt.timedelta(hours=1)
        open_ = Breaker(State.OPEN, 5, "silent", dt.timedelta(hours=1), later)
        dispatcher.see(Situation(now, breakers={("archive", "main"): open_}))
        await until(lambda: bool(dispatcher._breakers._watched))
        dispatcher.see(Situation(now))
        await until(lambda: not dispatcher._breakers._watched)


async def test_what_was_read_before_a_change_does_not_undo_it(shared: str) -> None:
    archive = NodeRule(2, breaker=BreakerRule(failures=1))
    async with running(shared, archive=archive, main=Scripted()) as (store, dispatcher):
        before = await store.situation()
        task = RetrieveTask(1, request(Study("1.2.1")), TaskStatus.IN_PROGRESS, NOW, NOW)
        dispatcher._breakers.note(task, UNREACHABLE)
        await until(lambda: not dispatcher._breakers._tellings)
        dispatcher.see(before)
        assert dispatcher._meters.archives["main"].breaker.state is State.OPEN


def test_nothing_in_a_situation_was_so_before_it(shared: str) -> None:
    """Or what was read before a change, by a thread that was held up, would undo it."""
    begun: list[dt.datetime] = []
    with opened(shared, read_only=True) as connection:
        event.listen(connection, "before_cursor_execute", lambda *_: begun.append(dt.datetime.now(dt.UTC)))
        assert traffic.situation(connection).now <= begun[0]


async def test_a_task_that_comes_late_does_not_bring_back_those_behind_it() -> None:
    there = [100]

    class Numbered:
        shared = True

        async def newer(self, after: int, limit: int, also: Collection[int]) -> list[RetrieveTask]:
            found = [number for number in there if number > after or number in also]
            return [RetrieveTask(it, request(Study("1")), TaskStatus.SCHEDULED, NOW, NOW) for it in found]

    newcomers, store = Newcomers(90), Numbered()
    looks = []
    for late in ([], [95], []):
        there += late
        looks.append([task.id for task in await newcomers.look(store, 9)])  # type: ignore[arg-type]
    assert looks == [[100], [95], []]


async def test_a_gap_in_the_numbers_is_not_waited_for_number_by_number(shared: str) -> None:
    store = Store.open(shared)
    with opened(shared, read_only=False) as connection, connection.begin():
        connection.execute(text("SELECT setval('tasks_id_seq', 100000)"))
    await keep(store, request(Study("1.2.1")))
    newcomers = Newcomers()
    (task,) = await newcomers.look(store, 9)
    assert await newcomers.look(store, 9) == []  # it would be refused: too many parameters
    await keep(store, request(Study("1.2.2")))
    assert [it.id for it in await newcomers.look(store, 9)] == [task.id + 1]
    await store.close()


async def test_what_another_engine_has_planned_is_held_where_this_one_refuses_it(shared: str) -> None:
    """Its routes.yaml may be a later one: what was acknowledged does not fail by an earlier one."""
    async with running(shared, main=Scripted()) as (store, dispatcher):
        theirs = await keep(store, request(Study("1.2.1"), route="off"))
        dispatcher.wake(["main"])
        await until(lambda: list_tasks(shared)[0].status is TaskStatus.HELD)
        ours = await keep(store, request(Study("1.2.2"), route="off"))
        dispatcher.own(ours.task_ids)
        dispatcher.wake(["main"])
        assert await dispatcher.settled(ours.message_id, 20)
        (refused, held) = list_tasks(shared)
    assert (refused.status, refused.outcome and refused.outcome.cause) == (
        TaskStatus.FAILED,
        Cause.GATE_CLOSED,
    )
    assert (held.message_id, held.gate) == (theirs.message_id, "lists")
