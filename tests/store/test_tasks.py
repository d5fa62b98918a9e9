from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import TRANSITIONS, Choice, Priority, Verb
from engine.store import Store, list_tasks, operate

from . import ARRIVED, CANCELED, FAILED, PRIORS, RESOLVED, execute, message, opened, request


async def in_progress(store: Store, number: object = 1) -> int:
    """A new message's only task, claimed."""
    kept = await store.journal(message(number, request()))
    claimed = await store.claim(kept.task_ids[0])
    assert claimed is not None
    return claimed.id


async def test_waiting_tasks_come_by_priority_and_then_by_age(where: str | Path) -> None:
    order = [Priority.LOW, Priority.MEDIUM, Priority.HIGH, Priority.MEDIUM, Priority.HIGH, Priority.LOW]
    asked = [request(f"1.2.{n}", priority=priority) for n, priority in enumerate(order)]
    async with opened(where) as store:
        await store.journal(message(1, *asked, request("1.3", archive="other")))
        found = [task.request for task in await store.waiting("pacs", 10)]
        assert found == [asked[n] for n in (2, 4, 1, 3, 0, 5)]
        assert [task.request for task in await store.waiting("pacs", 3)] == [asked[n] for n in (2, 4, 1)]
        assert await store.waiting("pacs", 0) == []
        assert await store.waiting("elsewhere", 10) == []


async def test_only_tasks_that_are_due_are_waiting(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = dt.datetime.now(dt.UTC)
    soon, later = now + dt.timedelta(hours=1), now + dt.timedelta(hours=2)
    asked = [
        request("1.1", due=later, priority=Priority.HIGH),
        request("1.2", due=soon.astimezone(dt.timezone(dt.timedelta(hours=5)))),
        request("1.3"),
        request("1.4", due=now - dt.timedelta(days=1)),
    ]
    async with opened(where) as store:
        kept = await store.journal(message(1, *asked, request("1.5", archive="other", due=soon)))
        first, second, third, fourth, _ = kept.task_ids
        assert [task.id for task in await store.waiting("pacs", 10)] == [fourth, third]
        assert await store.next_due("pacs") == soon
        assert await store.waiting_archives() == {"pacs", "other"}
        monkeypatch.setattr("engine.store.queue._now", lambda: soon)
        assert [task.id for task in await store.waiting("pacs", 10)] == [fourth, third, second]
        assert await store.next_due("pacs") == later
        monkeypatch.setattr("engine.store.queue._now", lambda: later)
        assert [task.id for task in await store.waiting("pacs", 10)] == [fourth, third, second, first]
        assert await store.next_due("pacs") is None
        dues = [task.request.due for task in await store.tasks_of(kept.message_id)]
        assert dues == [later, soon, None, None, soon]


async def test_only_a_waiting_task_falls_due(where: str | Path) -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    async with opened(where) as store:
        assert await store.next_due("pacs") is None
        kept = await store.journal(message(1, request(due=later)))
        assert await store.next_due("pacs") == later
        assert await store.next_due("other") is None
        await store.finish(kept.task_ids[0], CANCELED)
        assert await store.next_due("pacs") is None


async def test_only_archives_with_scheduled_tasks_are_waiting(where: str | Path) -> None:
    async with opened(where) as store:
        assert await store.waiting_archives() == set()
        kept = await store.journal(message(1, request(archive="one"), request(archive="two")))
        assert await store.waiting_archives() == {"one", "two"}
        await store.claim(kept.task_ids[0])
        assert await store.waiting_archives() == {"two"}


async def test_a_task_is_claimed_once(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        claimed = await store.claim(kept.task_ids[0])
        assert claimed is not None
        assert (claimed.status, claimed.attempts) == (TaskStatus.IN_PROGRESS, 1)
        assert claimed.message_id == kept.message_id
        assert await store.claim(kept.task_ids[0]) is None
        assert await store.claim(999) is None
        assert await store.waiting("pacs", 10) == []


async def test_a_late_outcome_does_not_overwrite_a_final_status(where: str | Path) -> None:
    async with opened(where) as store:
        task_id = await in_progress(store)
        assert await store.finish(task_id, CANCELED) == (1,)
        assert await store.finish(task_id, ARRIVED) is None
        assert await store.resolve(task_id, RESOLVED, [Choice(True, "", "1.9")], [request("1.9")]) is None
        (task,) = await store.tasks_of(1)
        assert (task.status, task.outcome, task.choices) == (TaskStatus.CANCELED, CANCELED, ())


@pytest.mark.parametrize("status", list(TaskStatus))
async def test_a_scheduled_task_ends_only_as_the_table_allows(status: TaskStatus, where: str | Path) -> None:
    allowed = status.final and status in TRANSITIONS[TaskStatus.SCHEDULED]
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        settled = await store.finish(kept.task_ids[0], Outcome(status, Cause.GATE_CLOSED, "policy"))
        (task,) = await store.tasks_of(kept.message_id)
    assert settled == ((kept.message_id,) if allowed else None)
    assert task.status is (status if allowed else TaskStatus.SCHEDULED)
    assert (task.outcome is not None) == allowed


@pytest.mark.parametrize("status", list(TaskStatus))
async def test_a_task_in_progress_ends_only_as_the_table_allows(
    status: TaskStatus, where: str | Path
) -> None:
    async with opened(where) as store:
        task_id = await in_progress(store)
        settled = await store.finish(task_id, Outcome(status, Cause.ARRIVED, "text"))
        (task,) = await store.tasks_of(1)
    assert settled == ((1,) if status.final else None)
    assert task.status is (status if status.final else TaskStatus.IN_PROGRESS)


async def test_a_task_that_does_not_exist_cannot_end(where: str | Path) -> None:
    async with opened(where) as store:
        assert await store.finish(999, FAILED) is None
        assert await store.resolve(999, RESOLVED, [], []) is None


async def test_only_the_last_task_to_end_settles_the_message(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message("other", request("1.9")))
        kept = await store.journal(message(1, request("1.1"), request("1.2"), request("1.3")))
        first, second, third = kept.task_ids
        assert await store.finish(second, FAILED) == ()
        await store.claim(first)
        assert await store.finish(first, ARRIVED) == ()
        assert await store.finish(first, ARRIVED) is None
        await store.claim(third)
        assert await store.finish(third, ARRIVED) == (kept.message_id,)
        assert await store.settled_by(second) == (kept.message_id,)


async def test_a_question_leaves_children_of_its_message(where: str | Path) -> None:
    found = [request("1.5", priority=Priority.HIGH), request("1.6")]
    async with opened(where) as store:
        kept = await store.journal(message(1, request(PRIORS)))
        await store.claim(kept.task_ids[0])
        resolved = await store.resolve(kept.task_ids[0], RESOLVED, [Choice(True, "newest", "1.5")], found)
        assert resolved is not None
        children, settled = resolved
        assert settled == ()
        assert [child.request for child in children] == found
        assert {(child.parent_id, child.message_id, child.status) for child in children} == {
            (kept.task_ids[0], kept.message_id, TaskStatus.SCHEDULED)
        }
        question, *others = await store.tasks_of(kept.message_id)
        assert (question.status, question.outcome) == (TaskStatus.COMPLETED, RESOLVED)
        assert others == children
        assert await store.finish(children[0].id, FAILED) == ()
        assert await store.finish(children[1].id, FAILED) == (kept.message_id,)


async def test_a_question_that_finds_nothing_settles_its_message(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request(PRIORS)))
        await store.claim(kept.task_ids[0])
        nothing = Outcome(TaskStatus.COMPLETED, Cause.NOT_FOUND, "no studies")
        assert await store.resolve(kept.task_ids[0], nothing, [], []) == ([], (kept.message_id,))


async def test_a_child_that_another_move_of_the_message_covers_is_left_out(where: str | Path) -> None:
    async with opened(where) as store:
        other = await store.journal(message("other", request("1.7")))  # does not count, but serves both
        kept = await store.journal(
            message(1, request(PRIORS), request("1.5"), request(Study("1.8", "1.8.1")))
        )
        question, ended, _ = kept.task_ids
        assert await store.finish(ended, FAILED) == ()  # has been tried already
        await store.claim(question)
        found = [
            request("1.5"),
            request(Study("1.5", "1.5.1")),
            request("1.5", destination="elsewhere"),
            request("1.6"),
            request("1.6", routes=("second",)),
            request(Study("1.6", "1.6.1")),
            request("1.7"),
            request("1.8"),
        ]
        resolved = await store.resolve(question, RESOLVED, [], found)
        assert resolved is not None
        children, settled = resolved
        assert [(child.request.selector, child.request.destination) for child in children] == [
            (Study("1.5"), "elsewhere"),
            (Study("1.6"), "ws"),
            (Study("1.8"), "ws"),
        ]
        assert children[1].request.routes == ("orders", "second")
        assert settled == ()
        unfinished = [task.id for task in await store.tasks_of(kept.message_id) if not task.status.final]
        assert unfinished == [*other.task_ids, kept.task_ids[2], *(child.id for child in children)]


async def test_a_question_that_is_not_in_progress_leaves_no_children(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request(PRIORS)))
        assert await store.resolve(kept.task_ids[0], RESOLVED, [], [request("1.5")]) is None
        (task,) = await store.tasks_of(kept.message_id)
        assert task.status is TaskStatus.SCHEDULED


async def test_a_released_task_waits_again_and_says_why(where: str | Path) -> None:
    async with opened(where) as store:
        task_id = await in_progress(store)
        await store.release(task_id, "shutting down")
        (task,) = await store.waiting("pacs", 10)
        assert (task.id, task.status, task.attempts) == (task_id, TaskStatus.SCHEDULED, 1)
        assert _reason(where, task_id) == "shutting down"
        claimed = await store.claim(task_id)
        assert claimed is not None
        assert claimed.attempts == 2
        assert _reason(where, task_id) == ""


async def test_a_release_does_not_revive_a_task_that_ended(where: str | Path) -> None:
    async with opened(where) as store:
        task_id = await in_progress(store)
        await store.finish(task_id, ARRIVED)
        await store.release(task_id, "shutting down")
        (task,) = await store.tasks_of(1)
        assert task.status is TaskStatus.COMPLETED


async def test_a_task_that_is_held_waits_for_the_next_start_and_says_why(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        (task_id,) = kept.task_ids
        await store.hold(task_id, "switch", "retrieving is switched off")
        (held,) = await store.tasks_of(kept.message_id)
        assert (held.status, held.outcome, held.attempts) == (TaskStatus.HELD, None, 0)
        assert _reason(where, task_id) == "retrieving is switched off"
        assert await store.settled_by(task_id) == ()
        assert await store.waiting("pacs", 10) == []
        assert await store.waiting_archives() == set()
        assert await store.claim(task_id) is None
        await store.hold(task_id, "switch", "another reason")
        assert await store.tasks_of(kept.message_id) == [held]
    async with opened(where) as store:
        await store.recover()
        (waiting,) = await store.waiting("pacs", 10)
        assert (waiting.id, waiting.status) == (task_id, TaskStatus.SCHEDULED)
        assert _reason(where, task_id) == ""


@pytest.mark.parametrize("status", [status for status in TaskStatus if status is not TaskStatus.SCHEDULED])
async def test_only_a_task_that_waits_can_be_held(status: TaskStatus, where: str | Path) -> None:
    async with opened(where) as store:
        task_id = await in_progress(store)
        execute(where, "UPDATE tasks SET status = :status", status=status.value)
        before = await store.tasks_of(1)
        await store.hold(task_id, "switch", "too late")
        assert await store.tasks_of(1) == before
        assert _reason(where, task_id) == ""


async def test_a_held_task_may_end(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        await store.hold(kept.task_ids[0], "switch", "retrieving is switched off")
        assert await store.finish(kept.task_ids[0], ARRIVED) is None
        assert await store.finish(kept.task_ids[0], CANCELED) == (kept.message_id,)


async def test_recovery_schedules_again_what_a_crash_left_in_progress(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, *(request(f"1.{n}") for n in range(4))))
        for task_id in kept.task_ids[:3]:
            await store.claim(task_id)
        await store.finish(kept.task_ids[0], ARRIVED)
    async with opened(where) as store:
        assert await store.recover() == 2
        assert await store.recover() == 0
        statuses = [task.status for task in await store.tasks_of(kept.message_id)]
    assert statuses == [TaskStatus.COMPLETED, *[TaskStatus.SCHEDULED] * 3]


def _reason(where: str | Path, task_id: int) -> str:
    return next(task.reason for task in list_tasks(where) if task.id == task_id)


@pytest.mark.parametrize("expedited", [True, False])
async def test_what_an_expedited_search_finds_is_expedited_too(where: str | Path, expedited: bool) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS)))
        if expedited:
            operate(where, Verb.EXPEDITE, [1], "tester")
        await store.claim(1)
        await store.resolve(1, RESOLVED, (), [request("1.1")])
        (child,) = await store.waiting("pacs", 10)
    assert child.expedited is expedited


@pytest.mark.parametrize("verb", [Verb.APPROVE, Verb.EXPEDITE])
async def test_a_gate_that_was_asked_before_a_person_spoke_changes_nothing(
    verb: Verb, where: str | Path
) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        (seen,) = await store.waiting("pacs", 9)
        operate(where, verb, kept.task_ids, "tester")
        await store.hold(seen.id, "approval", "a person must approve it", seen=seen.updated)
        tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        await store.defer_tasks([(seen.id, seen.updated)], tomorrow, "window", "its window is closed")
        (again,) = await store.waiting("pacs", 9)
        await store.hold(again.id, "approval", "a person must approve it", seen=again.updated)
        assert await store.waiting("pacs", 9) == []
    assert (again.approved, again.expedited) == (verb is Verb.APPROVE, verb is Verb.EXPEDITE)


async def test_what_is_to_be_canceled_ends_canceled_unless_it_arrived(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request("1.1"), request("1.2")))
        for number in kept.task_ids:
            assert await store.claim(number) is not None
        operate(where, Verb.CANCEL, kept.task_ids, "tester")
        for number, outcome in zip(kept.task_ids, (FAILED, ARRIVED), strict=True):
            assert await store.finish(number, outcome) is not None
    first, second = sorted(list_tasks(where), key=lambda task: task.id)
    assert (first.status, second.status) == (TaskStatus.CANCELED, TaskStatus.COMPLETED)
    assert first.outcome is not None
    assert FAILED.text in first.outcome.text


async def test_a_person_cancels_what_waits_and_what_is_held(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request("1.1"), request("1.2")))
        await store.hold(kept.task_ids[1], "approval", "a person must approve it")
        done = operate(where, Verb.CANCEL, kept.task_ids, "tester")
        assert [it.text for it in done] == ["is canceled"] * 2
        assert await store.waiting("pacs", 9) == []
    ended = list_tasks(where)
    assert [(task.status, task.outcome is not None) for task in ended] == [(TaskStatus.CANCELED, True)] * 2
