"""A task that several messages wait for."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from engine.retrieve.outcome import Outcome, TaskStatus
from engine.retrieve.selector import SeriesFilter, SeriesOfStudy, Study
from engine.retrieve.task import Priority, RetrieveRequest
from engine.routing.meaning import Meaning, Number, Occasion
from engine.store import Selection, list_tasks

from . import ARRIVED, CANCELED, FAILED, PRIORS, RESOLVED, message, opened, request

NOW = dt.datetime.now(dt.UTC)
SOON, LATER = NOW + dt.timedelta(hours=1), NOW + dt.timedelta(hours=2)


async def test_two_messages_that_ask_the_same_wait_for_one_task(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request("1.1"), request("1.2")))
        two = await store.journal(message(2, request("1.3"), request("1.2", routes=("other",))))
        assert two.new
        assert two.task_ids == (one.task_ids[1], 3)
        (shared, own) = await store.tasks_of(two.message_id)
        assert (shared.message_id, own.message_id) == (one.message_id, two.message_id)
        assert len(list_tasks(where)) == 3
        again = await store.journal(message(2))
        assert (again.new, again.task_ids) == (False, two.task_ids)


async def test_a_task_that_is_shared_is_listed_with_each_of_its_messages(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request("1.1")))
        two = await store.journal(message(2, request("1.1")))
        for kept in (one, two):
            assert [task.id for task in list_tasks(where, Selection(message_id=kept.message_id))] == [1]


async def test_messages_of_one_commit_share_a_task_that_is_the_first_ones(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await asyncio.gather(
            *(store.journal(message(n, request("1.1", routes=(f"route {n}",)))) for n in range(5))
        )
        assert {one.task_ids for one in kept} == {kept[0].task_ids}
        (task,) = await store.tasks_of(kept[-1].message_id)
        every = tuple(f"route {n}" for n in range(5))  # one that is allowed is enough
        assert (task.message_id, task.request.routes) == (kept[0].message_id, every)


async def test_a_task_that_is_joined_later_has_the_routes_of_both(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1", routes=("a",))))
        two = await store.journal(message(2, request("1.1", routes=("b", "a"))))
        (task,) = await store.tasks_of(two.message_id)
        assert task.request.routes == ("a", "b")


async def test_a_message_that_asks_twice_for_the_same_waits_for_one_task(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request("1.1"), request("1.1")))
        assert kept.task_ids == (1,)
        assert await store.finish(1, FAILED) == (kept.message_id,)


@pytest.mark.parametrize(
    "other",
    [
        request("1.1", archive="other"),
        request("1.1", destination="other"),
        request("1.2"),
        request(Study("1.1", "1.1.1")),
        request(SeriesOfStudy("1.1", SeriesFilter())),
    ],
    ids=repr,
)
async def test_requests_that_differ_have_tasks_of_their_own(
    other: RetrieveRequest, where: str | Path
) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request("1.1")))
        two = await store.journal(message(2, other))
        assert not set(one.task_ids) & set(two.task_ids)
        (task,) = await store.tasks_of(two.message_id)
        assert task.request == other


@pytest.mark.parametrize("outcome", [ARRIVED, FAILED, CANCELED], ids=lambda outcome: str(outcome.status))
async def test_a_task_that_has_ended_serves_no_further_message(outcome: Outcome, where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request()))
        await store.claim(one.task_ids[0])
        await store.finish(one.task_ids[0], outcome)
        two = await store.journal(message(2, request()))
        assert two.task_ids == (2,)
        assert [task.id for task in await store.waiting("pacs", 10)] == [2]
        assert [task.id for task in await store.tasks_of(one.message_id)] == [1]


async def test_a_task_under_way_serves_a_further_message(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request()))
        await store.claim(one.task_ids[0])
        two = await store.journal(message(2, request()))
        assert two.task_ids == one.task_ids
        assert await store.waiting("pacs", 10) == []
        settled = await store.finish(one.task_ids[0], ARRIVED)
        assert settled is not None
        assert set(settled) == {one.message_id, two.message_id}
        assert len(settled) == 2


async def test_a_task_that_is_held_serves_no_further_message(where: str | Path) -> None:
    """What holds it may not hold the new one."""
    async with opened(where) as store:
        one = await store.journal(message(1, request()))
        await store.hold(one.task_ids[0], "switch", "retrieving is switched off")
        two = await store.journal(message(2, request()))
        assert two.task_ids != one.task_ids
        assert [task.status for task in await store.tasks_of(two.message_id)] == [TaskStatus.SCHEDULED]


async def test_a_search_under_way_serves_no_further_message(where: str | Path) -> None:
    """It would leave its studies to the routes, the priority and the patient of its beginning."""
    async with opened(where) as store:
        one = await store.journal(message(1, request(PRIORS)))
        await store.claim(one.task_ids[0])
        two = await store.journal(message(2, request(PRIORS)))
        assert two.task_ids != one.task_ids


async def test_a_task_that_is_being_stopped_serves_no_further_message(where: str | Path) -> None:
    order = Occasion("order", Number("P1"), Number())
    async with opened(where) as store:
        one = await store.journal(message(1, request(), meaning=Meaning(occasions=(order,))))
        await store.claim(one.task_ids[0])
        taken_back = await store.journal(message(2, meaning=Meaning(withdrawn=(order,))))
        assert taken_back.withdrawn.running == one.task_ids
        three = await store.journal(message(3, request()))
        assert three.task_ids == (2,)
        assert [task.id for task in await store.waiting("pacs", 10)] == [2]


async def test_a_shared_task_settles_only_the_messages_that_wait_for_nothing_else(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request("1.1")))
        two = await store.journal(message(2, request("1.1"), request("1.2")))
        shared, own = two.task_ids
        assert await store.settled_by(shared) == ()
        assert await store.finish(shared, FAILED) == (one.message_id,)
        assert await store.settled_by(shared) == (one.message_id,)
        assert await store.finish(own, FAILED) == (two.message_id,)
        assert set(await store.settled_by(shared)) == {one.message_id, two.message_id}
        assert await store.settled_by(999) == ()


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one commit"])
@pytest.mark.parametrize(
    ("first", "second", "due"),
    [
        (SOON, LATER, SOON),
        (LATER, SOON, SOON),
        (LATER, LATER, LATER),
        (LATER, None, None),
        (None, LATER, None),
    ],
)
async def test_the_earlier_of_two_needs_counts(
    first: dt.datetime | None,
    second: dt.datetime | None,
    due: dt.datetime | None,
    together: bool,
    where: str | Path,
) -> None:
    messages = [message(1, request(due=first)), message(2, request(due=second))]
    async with opened(where) as store:
        if together:
            await asyncio.gather(*(store.journal(one) for one in messages))
        else:
            for one in messages:
                await store.journal(one)
        assert len(await store.tasks_of(1)) == 1
        assert await store.tasks_of(1) == await store.tasks_of(2)
        waiting = await store.waiting("pacs", 10)
        assert [task.id for task in waiting] == ([] if due else [1])
        assert await store.next_due("pacs") == due


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one commit"])
@pytest.mark.parametrize(
    ("first", "second", "urgent"),
    [
        (Priority.LOW, Priority.HIGH, Priority.HIGH),
        (Priority.HIGH, Priority.LOW, Priority.HIGH),
        (Priority.MEDIUM, Priority.LOW, Priority.MEDIUM),
        (Priority.LOW, Priority.MEDIUM, Priority.MEDIUM),
        (Priority.MEDIUM, Priority.HIGH, Priority.HIGH),
    ],
)
async def test_the_more_urgent_of_two_needs_counts(
    first: Priority, second: Priority, urgent: Priority, together: bool, where: str | Path
) -> None:
    messages = [message(1, request(priority=first)), message(2, request(priority=second))]
    async with opened(where) as store:
        if together:
            await asyncio.gather(*(store.journal(one) for one in messages))
        else:
            for one in messages:
                await store.journal(one)
        (task,) = await store.waiting("pacs", 10)
        assert task.request.priority is urgent


async def test_time_and_urgency_may_come_from_different_messages(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(due=SOON, priority=Priority.LOW)))
        await store.journal(message(2, request(due=LATER, priority=Priority.HIGH)))
        (task,) = await store.tasks_of(1)
        assert (task.request.due, task.request.priority) == (SOON, Priority.HIGH)


async def test_a_task_that_is_pulled_forward_to_now_has_no_time_of_its_own(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(due=LATER)))
        await store.journal(message(2, request()))
        (task,) = await store.waiting("pacs", 10)
        assert task.request.due is None


async def test_the_children_of_a_shared_question_serve_all_its_messages(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request(PRIORS)))
        two = await store.journal(message(2, request(PRIORS), request("1.5")))
        await store.claim(1)
        question, own = two.task_ids
        assert one.task_ids == (question,)
        resolved = await store.resolve(question, RESOLVED, [], [request("1.5"), request("1.6")])
        assert resolved is not None
        children, settled = resolved
        assert settled == ()
        assert [child.request.selector for child in children] == [Study("1.6")]
        (child,) = children
        # 1.5 is under way for the second message: the first one waits for that task too
        for kept in (one, two):
            assert [task.id for task in await store.tasks_of(kept.message_id)] == [question, own, child.id]
        assert await store.finish(own, FAILED) == ()
        assert set(await store.finish(child.id, FAILED) or ()) == {one.message_id, two.message_id}


async def test_a_question_whose_finds_are_under_way_elsewhere_has_no_children_but_waits(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        other = await store.journal(message(1, request("1.5", priority=Priority.LOW)))
        kept = await store.journal(message(2, request(PRIORS)))
        await store.claim(kept.task_ids[0])
        found = [request("1.5", priority=Priority.HIGH)]
        assert await store.resolve(kept.task_ids[0], RESOLVED, [], found) == ([], ())
        (waiting,) = await store.waiting("pacs", 10)
        assert (waiting.id, waiting.request.priority) == (other.task_ids[0], Priority.HIGH)
        assert set(await store.finish(waiting.id, FAILED) or ()) == {other.message_id, kept.message_id}


async def test_a_shared_question_that_finds_nothing_settles_all_its_messages(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request(PRIORS)))
        two = await store.journal(message(2, request(PRIORS)))
        await store.claim(1)
        resolved = await store.resolve(1, RESOLVED, [], [])
        assert resolved is not None
        assert resolved[0] == []
        assert set(resolved[1]) == {one.message_id, two.message_id}


async def test_shared_tasks_are_known_after_a_restart(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request()))
        two = await store.journal(message(2, request()))
        await store.claim(1)
    async with opened(where) as store:
        assert await store.recover() == 1
        three = await store.journal(message(3, request()))
        assert three.task_ids == one.task_ids == two.task_ids
        (task,) = await store.tasks_of(three.message_id)
        assert task.status is TaskStatus.SCHEDULED
        assert set(await store.finish(1, FAILED) or ()) == {1, 2, 3}
