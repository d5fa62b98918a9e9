"""Retrieves that somebody asks for by hand: kept as messages are, shared, and taken back."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.retrieve.outcome import Cause, SubOperations, TaskStatus
from engine.retrieve.policy import BY_HAND, REHEARSAL
from engine.retrieve.selector import Study
from engine.retrieve.task import Priority
from engine.store import Sieve, list_tasks, story_of
from engine.store.calls import ask, keep_answer, standing_of, take_back

from . import ARRIVED, message, opened, request

S = TaskStatus
CALL = request(routes=(BY_HAND,))


async def test_a_call_is_a_message_with_a_task_and_keeps_what_was_answered(where: str | Path) -> None:
    async with opened(where) as store:
        seen = await store.changes()
        call = ask(where, CALL, "mcp (test)")
        async with asyncio.timeout(20):
            while await store.changes() == seen:  # noqa: ASYNC110  told by a notification on PostgreSQL
                await asyncio.sleep(0.01)
        (task,) = await store.waiting("pacs", 9)
        assert (task.id, task.request.routes, task.message_id) == (1, (BY_HAND,), call.message_id)
        assert standing_of(where, call).status is S.SCHEDULED
        assert await store.claim(1) is not None
        assert await store.finish(1, ARRIVED) == (call.message_id,)
    assert standing_of(where, call).outcome == ARRIVED
    keep_answer(where, call, "3 objects arrived", "SUCCESS")
    story = story_of(where, 1)
    assert story is not None
    assert [(it.message_type, it.control_id, it.ack_code) for it in story.messages] == [
        (BY_HAND, call.number, "SUCCESS")
    ]


async def test_every_call_is_a_new_one(where: str | Path) -> None:
    async with opened(where) as store:
        first = ask(where, CALL, "mcp")
        await store.claim(1)
        await store.finish(1, ARRIVED)
        second = ask(where, CALL, "mcp")
    assert first.message_id != second.message_id
    assert standing_of(where, second).id == 2


async def test_an_engine_gives_no_number_to_a_message_or_a_task_that_a_call_has(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1")))
        call = ask(where, CALL, "mcp")
        known, new = await asyncio.gather(
            store.journal(message(1, request("1.1"))), store.journal(message(2, request("2.2")))
        )
        ask(where, request("9.9", routes=(BY_HAND,)), "mcp")
        last = await store.journal(message(3, request("3.3")))
    assert (known.message_id, known.new, known.task_ids) == (1, False, (1,))
    assert new.new
    assert last.new
    assert call.message_id == 2
    assert [(it.id, it.request.selector) for it in list_tasks(where)] == [
        (5, Study("3.3")),
        (4, Study("9.9")),
        (3, Study("2.2")),
        (2, Study("1.2.3")),
        (1, Study("1.1")),
    ]


async def test_what_waits_ends_when_it_is_taken_back_and_what_is_under_way_is_to_be_canceled(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        waiting, running = ask(where, CALL, "mcp"), ask(where, request("9.9", routes=(BY_HAND,)), "mcp")
        await store.claim(2)
        assert take_back(where, waiting).canceled == (1,)
        assert take_back(where, running).running == (2,)
        assert await store.to_cancel() == [2]
        assert not await store.release(2, "stopped")
    outcome = standing_of(where, waiting).outcome
    assert outcome is not None
    assert (outcome.status, outcome.cause) == (S.CANCELED, Cause.CANCELED)
    assert outcome.text == "who asked for it does not wait any more"
    assert take_back(where, waiting).canceled == ()


@pytest.mark.parametrize("of_call", [BY_HAND, REHEARSAL])
@pytest.mark.parametrize("call_first", [False, True])
async def test_a_call_leaves_what_a_message_wants_as_it_is(
    where: str | Path, of_call: str, call_first: bool
) -> None:
    tomorrow = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    planned = message(1, request(due=tomorrow))
    async with opened(where) as store:
        if not call_first:
            await store.journal(planned)
        call = ask(where, request(routes=(of_call,), priority=Priority.HIGH), "mcp")
        if call_first:
            await store.journal(planned)
        own = standing_of(where, call)
        assert (own.request.routes, own.not_before is None or own.not_before < tomorrow) == ((of_call,), True)
        assert take_back(where, call).canceled == (own.id,)
        assert await store.waiting("pacs", 9) == []
        (task,) = await store.waiting("pacs", 9, due_by=tomorrow)
    assert task.request.routes == ("orders",)
    assert (task.not_before, task.request.priority) == (tomorrow, Priority.MEDIUM)


async def test_a_dry_run_and_a_real_call_have_a_task_each(where: str | Path) -> None:
    async with opened(where):
        calls = [ask(where, request(routes=(name,)), "mcp") for name in (BY_HAND, REHEARSAL, BY_HAND)]
    assert [standing_of(where, call).id for call in calls] == [1, 2, 1]


async def test_of_two_calls_for_the_same_the_second_keeps_the_task_when_the_first_is_taken_back(
    where: str | Path,
) -> None:
    async with opened(where):
        first, second = ask(where, CALL, "mcp"), ask(where, CALL, "mcp")
        assert standing_of(where, first).id == standing_of(where, second).id == 1
        assert take_back(where, first).wanted == (1,)
        assert take_back(where, second).canceled == (1,)


async def test_a_stand_in_sees_only_what_is_asked_for_by_hand(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1"), request("1.2")))
        ask(where, request("1.2", routes=(BY_HAND,)), "mcp")
        ask(where, request("1.3", routes=(REHEARSAL,)), "mcp")
        seen = await store.waiting("pacs", 9, sieve=Sieve(only=frozenset({BY_HAND, REHEARSAL})))
        assert [str(task.request.selector) for task in seen] == ["study 1.2", "study 1.3"]
        (only_told,) = await store.waiting("pacs", 9, sieve=Sieve(only=frozenset({REHEARSAL})))
        assert str(only_told.request.selector) == "study 1.3"
        assert len(await store.waiting("pacs", 9)) == 4


async def test_progress_is_that_of_the_attempt_under_way(where: str | Path) -> None:
    counters = SubOperations(remaining=2, completed=1, failed=0, warning=0)
    async with opened(where) as store:
        call = ask(where, CALL, "mcp")
        await store.note_progress({1: counters})
        assert standing_of(where, call).progress is None
        await store.claim(1)
        await store.note_progress({1: counters})
        assert standing_of(where, call).progress == counters
        await store.release(1, "stopped")
        assert standing_of(where, call).progress is None
        await store.claim(1)
        assert standing_of(where, call).progress is None


async def test_without_a_journal_nothing_is_asked(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no journal"):
        await asyncio.to_thread(ask, tmp_path / "journal", CALL, "mcp")
