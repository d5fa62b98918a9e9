"""Gates at work: what is passed over, deferred, held or refused, and what nevertheless goes on."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.dispatcher import Dispatcher
from engine.errors import NodeBusy
from engine.retrieve.budget import Budget
from engine.retrieve.outcome import Cause, MoveResponse, SubOperations, TaskStatus
from engine.retrieve.policy import Hold, NodeRule, RouteRule
from engine.retrieve.rate import Rate
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, Study
from engine.retrieve.task import Priority, RetrieveRequest, Verb
from engine.retrieve.windows import Window, Windows
from engine.store import Journaled, Store, list_tasks, operate, standing
from tests.dispatcher import ARRIVED, NOW, Scripted, keep, outcome_of, request, running, until

S = TaskStatus
FREE, LIMITED = NodeRule(), NodeRule(concurrency=1)


def closed_now() -> Windows:
    """Open one minute in the day, half a day from now."""
    then = dt.datetime.now(dt.UTC) + dt.timedelta(hours=12)
    start = then.time().replace(second=0, microsecond=0)
    end = (then + dt.timedelta(minutes=1)).time().replace(second=0, microsecond=0)
    return Windows((Window(frozenset(range(7)), start, end),), dt.UTC)


class Blocked(Scripted):
    """Its moves wait until they are let go."""

    def __init__(self, *studies: str) -> None:
        self.go = threading.Event()
        self.begun = threading.Semaphore(0)
        super().__init__(dict.fromkeys(studies, self._wait))

    def _wait(self, canceled: threading.Event) -> MoveResponse:
        self.begun.release()
        assert self.go.wait(30)
        return ARRIVED


async def begun(client: Blocked, count: int = 1) -> None:
    for _ in range(count):
        assert await asyncio.to_thread(client.begun.acquire, timeout=20)


async def ask(store: Store, dispatcher: Dispatcher, *requests: RetrieveRequest) -> Journaled:
    kept = await keep(store, *requests)
    dispatcher.wake(["main", "other"])
    return kept


def statuses(folder: Path) -> list[TaskStatus]:
    return [task.status for task in sorted(list_tasks(folder / "journal.db"), key=lambda task: task.id)]


async def test_a_destination_at_its_limit_does_not_hold_up_what_goes_elsewhere(tmp_path: Path) -> None:
    blocked = [f"1.1.{number}" for number in range(20)]
    client = Blocked(*blocked)
    places = {"full": LIMITED, "free": FREE}
    async with running(tmp_path, destinations=places, patience=20, main=client) as (store, dispatcher):
        await ask(store, dispatcher, *(request(Study(uid), to="full") for uid in blocked))
        await begun(client)
        kept = await ask(store, dispatcher, request(Study("1.2.1"), to="free"))
        assert await dispatcher.settled(kept.message_id, 20)
        assert client.moved == ["1.1.0", "1.2.1"]
        client.go.set()
        await until(lambda: statuses(tmp_path).count(S.COMPLETED) == 21)


async def test_a_destination_is_limited_over_all_archives(tmp_path: Path) -> None:
    one, two = Blocked("1.1"), Scripted()
    async with running(tmp_path, destinations={"ws": LIMITED}, patience=20, main=one, other=two) as (
        store,
        dispatcher,
    ):
        await ask(store, dispatcher, request(Study("1.1")))
        await begun(one)
        kept = await ask(store, dispatcher, request(Study("1.2"), "other"))
        assert not await dispatcher.settled(kept.message_id, 0.3)
        one.go.set()
        assert await dispatcher.settled(kept.message_id, 20)
    assert two.moved == ["1.2"]


async def test_a_closed_window_of_a_route_defers_its_task_and_says_until_when(tmp_path: Path) -> None:
    windows = closed_now()
    route = RouteRule(windows=windows)
    client = Scripted()
    async with running(tmp_path, route=route, main=client) as (store, dispatcher):
        kept = await ask(store, dispatcher, request(Study("1.1")))
        assert not await dispatcher.settled(kept.message_id, 20)  # at once: nothing can come of it
        (task,) = await outcome_of(tmp_path)
    assert (task.status, task.gate, client.moved) == (S.SCHEDULED, "window", [])
    assert "moves only" in task.reason
    assert task.not_before == windows.opens(dt.datetime.now(dt.UTC))


async def test_a_thousand_tasks_behind_the_window_of_their_route_are_deferred_in_few_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that may move waits until each of them has been looked at."""
    turns, defer = 0, Store.defer_tasks

    async def counted(store: Store, *arguments: Any, **named: Any) -> list[int]:
        nonlocal turns
        turns += 1
        return await defer(store, *arguments, **named)

    monkeypatch.setattr(Store, "defer_tasks", counted)
    policy = {"routes": {"shut": RouteRule(windows=closed_now()), "r": RouteRule()}}
    client = Scripted()
    async with running(tmp_path, policy=policy, main=client) as (store, dispatcher):
        await keep(store, *(request(Study(f"1.{number}"), route="shut") for number in range(1000)))
        kept = await ask(store, dispatcher, request(Study("2.1")))
        assert await dispatcher.settled(kept.message_id, 20)
        deferred = [task for task in await outcome_of(tmp_path) if task.gate]
    assert client.moved == ["2.1"]
    assert deferred
    assert turns < 20


async def test_what_a_window_deferred_is_looked_at_again_by_the_next_start(tmp_path: Path) -> None:
    """The configuration may have changed since."""
    client = Scripted()
    async with running(tmp_path, route=RouteRule(windows=closed_now()), main=client) as (store, dispatcher):
        kept = await ask(store, dispatcher, request(Study("1.1")))
        assert not await dispatcher.settled(kept.message_id, 20)
    async with running(tmp_path, main=client) as (_, dispatcher):
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.1"]


async def test_an_archive_outside_its_window_still_answers_questions_and_other_archives_move(
    tmp_path: Path,
) -> None:
    client, other = Scripted(), Scripted()
    rules = {"main": NodeRule(2, windows=closed_now()), "other": NodeRule(2)}
    async with running(tmp_path, policy={"archives": rules}, main=client, other=other) as (store, dispatcher):
        priors = PriorsOfPatient("P", PriorCriteria(), NOW.date())
        kept = await ask(store, dispatcher, request(priors))
        elsewhere = await ask(store, dispatcher, request(Study("1.9"), "other"))
        assert await dispatcher.settled(elsewhere.message_id, 20)
        await until(lambda: len(statuses(tmp_path)) == 4)
        assert not await dispatcher.settled(kept.message_id, 0.3)
    assert statuses(tmp_path) == [S.COMPLETED, S.COMPLETED, S.SCHEDULED, S.SCHEDULED]
    assert client.moved == []


async def test_when_the_last_move_under_way_ends_and_the_rest_is_held_that_is_told_at_once(
    tmp_path: Path,
) -> None:
    client = Blocked("1.0")
    policy = {"order": Budget(studies=1)}
    async with running(tmp_path, policy=policy, patience=20, main=client) as (store, dispatcher):
        kept = await ask(store, dispatcher, request(Study("1.0")), request(Study("1.1")))
        await begun(client)
        await until(lambda: statuses(tmp_path) == [S.IN_PROGRESS, S.HELD])
        waiting = asyncio.create_task(dispatcher.settled(kept.message_id, 3600))
        await until(lambda: bool(dispatcher._waiters.messages))
        await store.tasks_of(kept.message_id)  # the waiter has looked by now
        client.go.set()
        async with asyncio.timeout(20):
            assert not await waiting
    assert statuses(tmp_path) == [S.COMPLETED, S.HELD]


@pytest.mark.parametrize("of", ["archive", "destination"])
async def test_what_waits_at_the_window_of_a_node_is_told_so_at_once(tmp_path: Path, of: str) -> None:
    rule = NodeRule(2, windows=closed_now())
    nodes: dict[str, Any] = {"archive": rule} if of == "archive" else {"destinations": {"ws": rule}}
    client = Scripted()
    async with running(tmp_path, main=client, **nodes) as (store, dispatcher):
        kept = await ask(store, dispatcher, request(Study("1.1")))
        async with asyncio.timeout(20):
            assert not await dispatcher.settled(kept.message_id, 3600)
        (task,) = await store.tasks_of(kept.message_id)
        told = dispatcher.as_held(task)
    assert (task.gate, told.gate, client.moved) == ("", "window", [])
    assert told.reason.startswith(f"{of} {'main' if of == 'archive' else 'ws'} moves only")
    assert rule.windows is not None
    assert told.not_before == rule.windows.opens(dt.datetime.now(dt.UTC))


async def test_a_rate_lets_so_many_through_in_a_minute(tmp_path: Path) -> None:
    client = Scripted()
    archive = NodeRule(2, rate=Rate(studies=3))
    async with running(tmp_path, archive=archive, main=client) as (store, dispatcher):
        await ask(store, dispatcher, *(request(Study(f"1.{number}")) for number in range(5)))
        await until(lambda: bool(standing(tmp_path / "journal.db").closures))
        (closure,) = standing(tmp_path / "journal.db").closures
    assert (closure.scope, closure.name, closure.gate) == ("archive", "main", "rate")
    assert closure.until is not None
    assert len(client.moved) == 3
    assert statuses(tmp_path).count(S.SCHEDULED) == 2


async def test_what_is_expedited_passes_windows_and_rates_before_all_others(tmp_path: Path) -> None:
    client = Scripted()
    archive = NodeRule(2, windows=closed_now())
    async with running(tmp_path, archive=archive, main=client) as (store, dispatcher):
        kept = await ask(store, dispatcher, *(request(Study(f"1.{number}")) for number in range(3)))
        (done,) = operate(tmp_path / "journal.db", Verb.EXPEDITE, [kept.task_ids[1]], "tester")
        assert done.done
        await until(lambda: S.COMPLETED in statuses(tmp_path))
    assert client.moved == ["1.1"]


async def test_a_route_that_holds_waits_for_a_person(tmp_path: Path) -> None:
    client = Scripted()
    async with running(tmp_path, route=RouteRule(hold=Hold()), main=client) as (store, dispatcher):
        kept = await ask(store, dispatcher, request(Study("1.1")))
        assert not await dispatcher.settled(kept.message_id, 20)  # at once
        (task,) = await outcome_of(tmp_path)
        assert (task.status, task.gate, client.moved) == (S.HELD, "approval", [])
        operate(tmp_path / "journal.db", Verb.APPROVE, [task.id], "tester")
        assert await dispatcher.settled(kept.message_id, None)
    assert client.moved == ["1.1"]


async def test_an_approval_survives_a_restart_and_so_does_its_want(tmp_path: Path) -> None:
    client = Scripted()
    route = RouteRule(hold=Hold())
    async with running(tmp_path, route=route, main=client) as (store, dispatcher):
        kept = await ask(store, dispatcher, request(Study("1.1")))
        assert not await dispatcher.settled(kept.message_id, 20)
    async with running(tmp_path, route=route, main=client) as (_, dispatcher):
        assert not await dispatcher.settled(kept.message_id, 0.3)
        assert statuses(tmp_path) == [S.HELD]
    operate(tmp_path / "journal.db", Verb.APPROVE, [kept.task_ids[0]], "tester")
    async with running(tmp_path, route=route, main=client) as (_, dispatcher):
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.1"]


async def test_what_nobody_approves_in_time_fails(tmp_path: Path) -> None:
    client = Scripted()
    route = RouteRule(hold=Hold(expires=dt.timedelta(milliseconds=1)))
    async with running(tmp_path, route=route, main=client) as (store, dispatcher):
        kept = await ask(store, dispatcher, request(Study("1.1")))
        assert await dispatcher.settled(kept.message_id, None)
    (task,) = await outcome_of(tmp_path)
    assert task.outcome is not None
    assert (task.status, task.outcome.cause, client.moved) == (S.FAILED, Cause.EXPIRED, [])


async def test_a_message_that_moves_many_studies_is_held_and_one_that_moves_few_is_not(
    tmp_path: Path,
) -> None:
    client = Scripted()
    async with running(tmp_path, route=RouteRule(hold=Hold(over=2)), main=client) as (store, dispatcher):
        many = await ask(store, dispatcher, *(request(Study(f"1.{number}")) for number in range(3)))
        few = await ask(store, dispatcher, *(request(Study(f"2.{number}")) for number in range(2)))
        assert await dispatcher.settled(few.message_id, 20)
        assert not await dispatcher.settled(many.message_id, 20)
    assert statuses(tmp_path) == [S.HELD] * 3 + [S.COMPLETED] * 2


async def test_the_budget_of_an_order_holds_what_is_too_much(tmp_path: Path) -> None:
    client = Scripted()
    policy = {"order": Budget(studies=2)}
    async with running(tmp_path, policy=policy, main=client) as (store, dispatcher):
        kept = await ask(store, dispatcher, *(request(Study(f"1.{number}")) for number in range(4)))
        assert not await dispatcher.settled(kept.message_id, 20)
        held = [task for task in await outcome_of(tmp_path) if task.status is S.HELD]
        assert len(client.moved) == 2
        assert {task.gate for task in held} == {"budget"}
        operate(tmp_path / "journal.db", Verb.APPROVE, [held[0].id], "tester")
        await until(lambda: statuses(tmp_path).count(S.COMPLETED) == 3)
    assert len(client.moved) == 3


async def test_the_budget_of_a_patient_makes_the_rest_wait_for_tomorrow(tmp_path: Path) -> None:
    client = Scripted()
    policy = {"patient_day": Budget(instances=5)}
    asked = [replace(request(Study(f"1.{number}")), patient="P") for number in range(3)]
    someone = replace(request(Study("2.1")), patient="Q")
    async with running(tmp_path, concurrency=1, policy=policy, main=client) as (store, dispatcher):
        first = await ask(store, dispatcher, *(replace(it, instances=2) for it in asked))
        other = await ask(store, dispatcher, replace(someone, instances=2))
        assert await dispatcher.settled(other.message_id, 20)
        assert not await dispatcher.settled(first.message_id, 20)
    # three objects were counted for the first one, and two asked for make five; the third would be too much
    assert client.moved == ["1.0", "1.1", "2.1"]
    assert (await outcome_of(tmp_path))[2].gate == "budget"


async def test_a_dry_run_finds_and_moves_nothing_even_where_retrieval_is_switched_off(tmp_path: Path) -> None:
    client = Scripted()
    policy = {"dry_run": True, "switch_on": False}
    async with running(tmp_path, policy=policy, main=client) as (store, dispatcher):
        priors = PriorsOfPatient("P", PriorCriteria(), NOW.date())
        kept = await ask(store, dispatcher, request(priors))
        assert await dispatcher.settled(kept.message_id, 20)
    question, *moves = await outcome_of(tmp_path)
    assert question.status is S.COMPLETED
    assert {(task.status, task.outcome and task.outcome.cause) for task in moves} == {
        (S.CANCELED, Cause.DRY_RUN)
    }
    assert client.moved == []


@pytest.mark.parametrize(
    ("aging", "order"),
    [
        (dt.timedelta(hours=1), ["9.9", "stat", "high", "low"]),
        (dt.timedelta(0), ["9.9", "low", "high", "stat"]),
    ],
)
async def test_the_urgent_overtakes_and_waiting_makes_up_for_it(
    tmp_path: Path, aging: dt.timedelta, order: list[str]
) -> None:
    client = Blocked("9.9")
    names = {"1.1": "low", "1.2": "high", "1.3": "stat"}
    asked = [(Priority.LOW, "1.1"), (Priority.HIGH, "1.2"), (Priority.STAT, "1.3")]
    async with running(tmp_path, concurrency=1, patience=20, aging=aging, main=client) as (store, dispatcher):
        await ask(store, dispatcher, request(Study("9.9")))
        await begun(client)
        for priority, uid in asked:
            kept = await ask(store, dispatcher, request(Study(uid), priority=priority))
        client.go.set()
        await until(lambda: statuses(tmp_path) == [S.COMPLETED] * 4)
        assert await dispatcher.settled(kept.message_id, 20)
    assert [names.get(uid, uid) for uid in client.moved] == order


async def test_what_a_search_counted_is_what_rates_and_budgets_reckon_with(tmp_path: Path) -> None:
    from engine.dicom.study import StudyRecord

    class Counting(Scripted):
        def find_studies(
            self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
        ) -> list[StudyRecord]:
            return [StudyRecord(f"1.2.{number}", patient_id, instances=300) for number in range(2)]

    client = Counting(
        dict.fromkeys(["1.2.0", "1.2.1"], lambda _: MoveResponse(0, SubOperations(0, 300, 0, 0)))
    )
    archive = NodeRule(2, rate=Rate(instances=500))
    async with running(tmp_path, archive=archive, main=client) as (store, dispatcher):
        await ask(store, dispatcher, request(PriorsOfPatient("P", PriorCriteria(), NOW.date())))
        await until(lambda: bool(standing(tmp_path / "journal.db").closures))
    assert len(client.moved) == 1
    assert [task.request.instances for task in await outcome_of(tmp_path)] == [None, 300, 300]


async def test_an_archive_at_its_own_limit_is_left_alone_for_a_while_and_that_is_no_failure(
    tmp_path: Path,
) -> None:
    tries = 0

    def busy_once(_: threading.Event) -> MoveResponse:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise NodeBusy("main", "local limit exceeded")
        return MoveResponse(0, SubOperations(0, 1, 0, 0))

    async with running(tmp_path, main=Scripted({"1.1": busy_once})) as (store, dispatcher):
        kept = await ask(store, dispatcher, request(Study("1.1")))
        assert await dispatcher.settled(kept.message_id, None)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.attempts, task.failures) == (S.COMPLETED, 2, 0)


@pytest.mark.parametrize("due", [None, dt.timedelta(hours=30)])
async def test_what_needs_a_person_asks_for_one_at_once_whatever_else_it_waits_for(
    tmp_path: Path, due: dt.timedelta | None
) -> None:
    """A night's window must not leave the approval to the night."""
    client = Scripted()
    archive = NodeRule(2, windows=closed_now())
    when = None if due is None else dt.datetime.now(dt.UTC) + due
    async with running(tmp_path, route=RouteRule(hold=Hold()), archive=archive, main=client) as (
        store,
        dispatcher,
    ):
        await ask(store, dispatcher, request(Study("1.1"), due=when))
        await until(lambda: statuses(tmp_path) == [S.HELD])
        (task,) = await outcome_of(tmp_path)
        assert task.gate == "approval"
        assert task.expires is not None
        assert task.expires > (when or dt.datetime.now(dt.UTC))
        operate(tmp_path / "journal.db", Verb.APPROVE, [task.id], "tester")
        await until(lambda: statuses(tmp_path) == [S.SCHEDULED])
    assert client.moved == []


async def test_a_rate_of_instances_goes_by_what_was_sent_where_nobody_counted_before(
    tmp_path: Path,
) -> None:
    big = MoveResponse(0, SubOperations(0, 400, 0, 0))
    client = Scripted({"1.1": lambda _: big})
    archive = NodeRule(1, rate=Rate(instances=300))
    async with running(tmp_path, concurrency=1, archive=archive, main=client) as (store, dispatcher):
        await ask(store, dispatcher, request(Study("1.1")), request(Study("1.2")))
        await until(lambda: bool(standing(tmp_path / "journal.db").closures))
    assert client.moved == ["1.1"]
