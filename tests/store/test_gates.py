"""What gates do to tasks in the journal, and what they have to know from it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus
from engine.retrieve.task import RetrieveRequest
from engine.routing.meaning import Meaning, Number, Occasion
from engine.store import Event, Store, is_running, list_tasks, standing, story_of

from . import ARRIVED, FAILED, PRIORS, RESOLVED, execute, message, opened, request

S = TaskStatus
MIDNIGHT = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
COUNTED = Outcome(S.COMPLETED, Cause.ARRIVED, "7 objects", arrived=True, counters=SubOperations(0, 7, 0, 0))


def soon() -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)


def of_patient(uid: str, patient: str = "P", instances: int | None = None) -> RetrieveRequest:
    return RetrieveRequest(request(uid).selector, "pacs", "ws", ("r",), patient=patient, instances=instances)


async def test_a_held_task_is_not_waiting_and_tells_why_and_until_when(where: str | Path) -> None:
    expires = soon()
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        assert await store.hold(1, "approval", "its route says so", expires) == [kept.message_id]
        assert await store.waiting("pacs", 9) == []
        assert await store.claim(1) is None
        assert await store.next_expiry() == expires
    (task,) = list_tasks(where)
    assert (task.status, task.gate, task.reason) == (S.HELD, "approval", "its route says so")
    assert task.expires == expires
    story = story_of(where, 1)
    assert story is not None
    assert [(line.event, line.text) for line in story.lines] == [(Event.HELD, "its route says so")]


async def test_only_what_is_scheduled_is_held_or_deferred(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1"), request("1.2")))
        await store.claim(1)
        await store.claim(2)
        await store.finish(2, ARRIVED)
        before = list_tasks(where)
        for task in (1, 2):
            await store.hold(task, "approval", "too late")
            await store.defer_tasks([(task, None)], soon(), "window", "too late")
        assert list_tasks(where) == before
        story = story_of(where, 1)
    assert story is not None
    assert story.lines == ()


async def test_a_deferred_task_falls_due_and_passes_without_its_reason(where: str | Path) -> None:
    due = soon()
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        assert await store.defer_tasks([(1, None)], due, "window", "only at night") == [kept.message_id]
        assert await store.waiting("pacs", 9) == []
        assert await store.next_due("pacs") == due
        await store.defer_tasks([(1, None)], dt.datetime.now(dt.UTC), "window", "only at night")
        (task,) = await store.waiting("pacs", 9)
        assert task.gate == "window"
        claimed = await store.claim(1)
    assert claimed is not None
    assert (claimed.gate, claimed.reason) == ("", "")


async def test_of_very_many_some_expire_at_a_time(where: str | Path) -> None:
    """A server has not room for the locks of all of their messages."""
    async with opened(where) as store:
        await store.journal(message(1, *(request(f"1.{number}") for number in range(300))))
        execute(where, "UPDATE tasks SET status = 'HELD', gate = 'approval', expires_at = created_at")
        ended = [[waiting for _, waiting in await store.expire()] for _ in range(3)]
    assert [len(some) for some in ended] == [256, 44, 0]
    assert set(ended[0]) == {()}
    assert set(ended[1]) == {(1,)}


async def test_what_expires_fails_settles_its_message_and_cannot_come_late(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request("1.1"), request("1.2")))
        await store.hold(1, "approval", "why", dt.datetime.now(dt.UTC))
        await store.hold(2, "approval", "why", soon())
        assert [(task.id, waiting) for task, waiting in await store.expire()] == [(1, ())]
        assert await store.expire() == []
        await store.hold(2, "approval", "why", soon())
        assert await store.finish(2, FAILED) == (kept.message_id,)
    late, first = list_tasks(where)
    assert first.outcome is not None
    assert (first.status, first.outcome.cause, first.gate, first.expires) == (
        S.FAILED,
        Cause.EXPIRED,
        "",
        None,
    )
    assert late.status is S.FAILED


async def test_a_start_lets_go_what_the_configuration_held_and_nothing_that_waits_for_a_person(
    where: str | Path,
) -> None:
    gates = ("switch", "lists", "approval", "budget", "operator")
    async with opened(where) as store:
        await store.journal(message(1, *(request(f"1.{number}") for number in range(6))))
        for task, gate in enumerate(gates, 1):
            await store.hold(task, gate, "why")
        await store.defer_tasks([(6, None)], soon(), "window", "why")
        await store.close_gate("archive", "pacs", "breaker", "it failed", None)
        await store.recover()
        assert sorted(task.id for task in await store.waiting("pacs", 9)) == [1, 2, 6]
    assert standing(where).closures == ()


async def test_a_start_keeps_the_time_of_a_retry_and_of_an_appointment(where: str | Path) -> None:
    due = soon()
    async with opened(where) as store:
        await store.journal(message(1, request("1.1"), request("1.2", due=due)))
        await store.claim(1)
        await store.reschedule(1, FAILED, due, "why", ())
        await store.defer_tasks([(2, None)], due + dt.timedelta(hours=9), "window", "why")
        await store.recover()
        assert await store.waiting("pacs", 9) == []
        assert {task.not_before for task in await store.tasks_of(1)} == {due}


async def test_used_counts_what_the_order_and_the_patient_have_moved_or_have_under_way(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        asked = [of_patient(f"1.{number}", instances=10) for number in range(5)]
        await store.journal(message(1, *asked, of_patient("2.1", "Q")))
        for task in (1, 2, 3):
            await store.claim(task)
        await store.finish(1, COUNTED)  # seven of ten
        await store.finish(2, FAILED)
        (fourth,) = (task for task in await store.tasks_of(1) if task.id == 4)
        (third,) = (task for task in await store.tasks_of(1) if task.id == 3)
        used = await store.used(fourth, MIDNIGHT)
        assert (used.siblings, used.order, used.patient) == (6, (2, 17), (2, 17))
        assert (await store.used(third, MIDNIGHT)).order == (1, 7)  # itself is not counted
        assert (await store.used(fourth, soon())).patient == (0, 0)  # yesterday's
        other = (await store.tasks_of(1))[-1]
        assert (await store.used(other, MIDNIGHT)).patient == (0, 0)


async def test_used_counts_every_message_of_the_same_order_and_no_question(where: str | Path) -> None:
    async with opened(where) as store:
        await _keep(store, 1, "A", request("1.1"), request(PRIORS))
        await _keep(store, 2, "A", request("1.2"))
        await _keep(store, 3, "B", request("1.3"))
        for task in (1, 2, 4):
            await store.claim(task)
        await store.resolve(2, RESOLVED, (), [])
        (third,) = await store.tasks_of(2)
        used = await store.used(third, MIDNIGHT)
    assert (used.siblings, used.order) == (1, (1, 0))


async def _keep(store: Store, number: int, order: str, *requests: RetrieveRequest) -> None:
    occasion = Occasion("order", Number(order, "RIS"), Number())
    await store.journal(message(number, *requests, meaning=Meaning(occasions=(occasion,))))


async def test_of_two_messages_that_ask_for_the_same_the_smaller_one_counts(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1"), request("1.2"), request("1.3")))
        await store.journal(message(2, request("1.1")))
        task = (await store.tasks_of(2))[0]
        assert (await store.used(task, MIDNIGHT)).siblings == 1


async def test_closures_are_noted_once_and_taken_away_by_their_gate(where: str | Path) -> None:
    until = soon()
    async with opened(where) as store:
        await store.close_gate("archive", "pacs", "breaker", "it failed 5 times", until)
        await store.close_gate("archive", "pacs", "breaker", "it failed 6 times", until)
        await store.close_gate("destination", "pacs", "rate", "30 a minute", None)
        first, second = standing(where).closures
        assert (first.scope, first.reason, first.until) == ("archive", "it failed 6 times", until)
        assert (second.scope, second.gate, second.until) == ("destination", "rate", None)
        await store.open_gate("archive", "pacs", "rate")
        await store.open_gate("archive", "pacs", "breaker")
        assert standing(where).closures == (second,)


async def test_what_is_under_way_is_counted_questions_only_at_the_archive(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1"), request(PRIORS), request("1.2")))
        await store.claim(1)
        await store.claim(2)
        now = standing(where)
    assert (now.running_from, now.running_to) == ({"pacs": 2}, {"ws": 1})


async def test_it_can_be_told_whether_an_engine_serves_a_journal(tmp_path: Path) -> None:
    where = tmp_path / "a journal?#%.db"
    assert not is_running(where)
    assert os.listdir(tmp_path) == []
    async with opened(where):
        assert is_running(where)
        assert is_running(where)
    assert not is_running(where)


async def test_a_rate_that_counts_no_more_is_no_gate_though_who_noted_it_has_died(where: str | Path) -> None:
    async with opened(where) as store:
        await store.close_gate("archive", "pacs", "rate", "at its rate", MIDNIGHT)
        await store.close_gate("archive", "pacs", "breaker", "failed, a probe is due", MIDNIGHT)
        await store.close_gate("destination", "ws", "rate", "at its rate", soon())
    assert {(it.name, it.gate) for it in standing(where).closures} == {("pacs", "breaker"), ("ws", "rate")}


async def test_who_comes_too_late_to_hold_a_task_is_told(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        (seen,) = await store.waiting("pacs", 9)
        assert await store.hold(1, "approval", "its route says so", seen=seen.updated) == [kept.message_id]
        assert await store.hold(1, "approval", "its route says so", seen=seen.updated) is None
