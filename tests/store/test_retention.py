"""Pruning: what goes, what stays, and that nothing is left half."""

from __future__ import annotations

import asyncio
import datetime as dt
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import func, select

from engine.routing.meaning import Meaning, Merge, PatientIdentifier
from engine.store import Journaled, NewLetter, Store, list_tasks, stock, story_of
from engine.store.reader import reading
from engine.store.schema import messages

from . import ARRIVED, FAILED, PRIORS, RECEIVED, RESOLVED, execute, message, opened, request
from .test_occasions import P1, asking

ROOT = Path(__file__).parents[2]
HOUR = dt.timedelta(hours=1)
SINCE = RECEIVED + HOUR  # samples have come before
LETTER = NewLetter("his", 2576, b"MSH|AA", "FF1")
TABLES = ("messages", "tasks", "message_tasks", "story", "occasions", "outbox")


def untouched() -> dt.datetime:
    """A time since which nothing was touched."""
    return dt.datetime.now(dt.UTC) + HOUR


async def prune(store: Store, *, touched: dt.datetime | None = None, most: int = 1000) -> int:
    """Steps to the end; how many messages went."""
    gone = position = 0
    while True:
        step = await store.prune(position, SINCE, touched or untouched(), most)
        if step.ended:
            return gone
        gone, position = gone + step.messages, step.position


async def newest(store: Store) -> Journaled:
    """A message and a task that stay since they are the newest."""
    return await store.journal(message("newest", request("9.9", archive="other")))


def rows(where: str | Path) -> dict[str, int]:
    if isinstance(where, Path):
        assert execute(where, "PRAGMA foreign_key_check") == []
    return {table: execute(where, f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}


async def ended(store: Store, kept: Journaled) -> None:
    for task_id in kept.task_ids:
        await store.claim(task_id)
        await store.finish(task_id, ARRIVED)


Make = Callable[[Store], Awaitable[object]]


async def nothing_asked(store: Store) -> None:
    await store.journal(message(1))


async def never_answered(store: Store) -> None:
    await ended(store, await store.journal(message(1, request())))


async def arrived(store: Store) -> None:
    kept = await store.journal(asking(1, [P1]))
    await ended(store, kept)
    await store.keep_ack(kept.message_id, b"MSA|AA", "AA")


async def failed_after_a_retry(store: Store) -> None:
    kept = await store.journal(message(1, request()))
    for _ in range(2):
        await store.claim(kept.task_ids[0])
        await store.reschedule(kept.task_ids[0], FAILED, RECEIVED, "again")
    await store.claim(kept.task_ids[0])
    await store.finish(kept.task_ids[0], FAILED)


async def answered_later(store: Store) -> None:
    kept = await store.journal(message(1, application_due=True, accept_ack=b"MSA|CA"))
    await store.keep_ack(kept.message_id, b"MSA|AA", "AA")


async def letter_delivered(store: Store) -> None:
    await letter_waits(store)
    (letter,) = await store.due_letters(untouched(), 10)
    await store.delivered(letter.id)


async def scheduled(store: Store) -> None:
    await store.journal(message(1, request()))


async def held(store: Store) -> None:
    kept = await store.journal(message(1, request()))
    await store.hold(kept.task_ids[0], "approval", "ask first")


async def under_way(store: Store) -> None:
    kept = await store.journal(message(1, request()))
    await store.claim(kept.task_ids[0])


async def one_of_two_waits(store: Store) -> None:
    kept = await store.journal(message(1, request("1.2.3"), request("1.2.4")))
    await store.claim(kept.task_ids[0])
    await store.finish(kept.task_ids[0], ARRIVED)


async def answer_owed(store: Store) -> None:
    await store.journal(message(1, application_due=True, accept_ack=b"MSA|CA"))


async def letter_waits(store: Store) -> None:
    kept = await store.journal(message(1, application_due=True))
    await store.keep_ack(kept.message_id, LETTER.payload, "AA", LETTER)


async def came_later(store: Store) -> None:
    await store.journal(message(1, received_at=SINCE))


@pytest.mark.parametrize(
    "make",
    [nothing_asked, never_answered, arrived, failed_after_a_retry, answered_later, letter_delivered],
    ids=lambda make: make.__name__,
)
async def test_what_is_over_goes_with_all_that_only_it_needs(where: str | Path, make: Make) -> None:
    async with opened(where) as store:
        await make(store)
        await newest(store)
        assert await prune(store) == 1
        assert await prune(store) == 0
    with_one_task = {"messages": 1, "tasks": 1, "message_tasks": 1}
    assert rows(where) == {**dict.fromkeys(TABLES, 0), **with_one_task}


@pytest.mark.parametrize(
    "make",
    [scheduled, held, under_way, one_of_two_waits, answer_owed, letter_waits, came_later],
    ids=lambda make: make.__name__,
)
async def test_what_is_not_over_stays_as_it_is(where: str | Path, make: Make) -> None:
    async with opened(where) as store:
        await make(store)
        await newest(store)
        before = rows(where)
        assert await prune(store) == 0
    assert rows(where) == before


async def test_an_old_message_whose_task_was_touched_lately_stays(where: str | Path) -> None:
    before = dt.datetime.now(dt.UTC)
    async with opened(where) as store:
        await arrived(store)
        await newest(store)
        assert await prune(store, touched=before) == 0
        assert await prune(store) == 1


async def test_a_task_goes_with_the_last_message_that_waits_for_it(where: str | Path) -> None:
    async with opened(where) as store:
        first = await store.journal(message(1, request()))
        second = await store.journal(message(2, request(), received_at=SINCE))
        assert second.task_ids == first.task_ids
        await ended(store, first)
        await newest(store)
        assert await prune(store) == 1
        (task,) = await store.tasks_of(second.message_id)
        assert (task.id, task.outcome) == (first.task_ids[0], ARRIVED)
        told = story_of(where, task.id)
        assert told is not None
        assert [it.id for it in told.messages] == [second.message_id]


async def test_a_study_that_a_later_message_wants_stays_where_the_search_that_found_it_goes(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        first = await store.journal(message(1, request(PRIORS)))
        await store.claim(first.task_ids[0])
        resolved = await store.resolve(first.task_ids[0], RESOLVED, [], [request("1.2.3")])
        assert resolved is not None
        ((child,), _) = resolved
        later = await store.journal(message(2, request("1.2.3"), received_at=SINCE))
        assert later.task_ids == (child.id,)
        await ended(store, later)
        await newest(store)
        assert await prune(store) == 1
        assert [task.id for task in list_tasks(where)] == [child.id + 1, child.id]


async def test_patients_that_were_merged_stay_one_when_the_message_that_said_so_goes(
    where: str | Path,
) -> None:
    merge = Merge(PatientIdentifier("OLD", "FOREST"), PatientIdentifier("NEW", "FOREST"))
    async with opened(where) as store:
        await store.journal(message(1, meaning=Meaning(merges=(merge,))))
        await newest(store)
        assert await prune(store) == 1
        assert await store.identifiers("OLD", "FOREST") == ("OLD", "NEW")


async def test_a_pruned_message_that_is_sent_again_is_a_new_one_of_a_new_number(where: str | Path) -> None:
    async with opened(where) as store:
        first = await store.journal(message(1, request("1.2.3")))
        await ended(store, first)
        last = await newest(store)
        assert await prune(store) == 1
        again = await store.journal(message(1, request("1.2.3")))
        assert again.new
        assert again.message_id > last.message_id
        assert again.task_ids > last.task_ids


async def test_the_newest_message_and_that_of_the_newest_task_stay(where: str | Path) -> None:
    async with opened(where) as store:
        for number in range(3):
            await ended(store, await store.journal(message(number, request(f"1.2.{number + 1}"))))
        await store.journal(message(3))
        assert await prune(store) == 2
    assert rows(where) == {
        **dict.fromkeys(TABLES, 0),
        "messages": 2,
        "tasks": 1,
        "message_tasks": 1,
    }


async def test_no_more_go_than_were_asked_for_the_oldest_first(where: str | Path) -> None:
    async with opened(where) as store:
        kept = [await store.journal(message(number)) for number in range(5)]
        step = await store.prune(0, SINCE, untouched(), 2)
        assert (step.messages, step.tasks, step.position, step.ended) == (2, 0, kept[1].message_id, False)
        with reading(where) as connection:
            left = sorted(connection.execute(select(messages.c.id)).scalars())
        assert left == [it.message_id for it in kept[2:]]


async def test_a_step_takes_out_few_and_one_message_of_many_tasks_at_least(where: str | Path) -> None:
    async with opened(where) as store:
        many = await store.journal(message(0, *(request(f"1.2.{it + 1}") for it in range(100))))
        await ended(store, many)
        await asyncio.gather(*(store.journal(message(number)) for number in range(1, 100)))
        await newest(store)
        step = await store.prune(0, SINCE, untouched(), 1000)
        assert (step.messages, step.tasks) == (1, 100)
        step = await store.prune(step.position, SINCE, untouched(), 1000)
        assert 1 < step.messages < 99
        assert await prune(store) == 99 - step.messages


async def test_what_stays_among_the_oldest_is_passed_over(where: str | Path) -> None:
    async with opened(where) as store:
        for number in range(150):
            await store.journal(message(number, application_due=True))
        await store.journal(message("over"))
        await newest(store)
        assert await prune(store) == 1


async def test_what_came_while_the_clock_was_ahead_is_passed_over(where: str | Path) -> None:
    async with opened(where) as store:
        ahead = dt.datetime.now(dt.UTC) + dt.timedelta(days=365)
        await asyncio.gather(*(store.journal(message(it, received_at=ahead)) for it in range(150)))
        await asyncio.gather(*(store.journal(message(150 + it)) for it in range(10)))
        await newest(store)
        assert await prune(store) == 10
    assert rows(where)["messages"] == 151


async def test_who_reads_meanwhile_sees_the_journal_as_it_was(where: str | Path) -> None:
    async with opened(where) as store:
        for number in range(10):
            await store.journal(message(number))
        count = select(func.count()).select_from(messages)
        with reading(where) as connection:
            assert connection.execute(count).scalar() == 10
            assert await prune(store) == 9
            assert connection.execute(count).scalar() == 10
        assert stock(where).messages == 1


async def test_what_is_pruned_makes_room(tmp_path: Path) -> None:
    where = tmp_path / "journal"
    async with opened(where) as store:
        for number in range(20):
            await store.journal(message(number, raw=bytes(20_000)))
        full, length = stock(where).size, where.stat().st_size
        assert await prune(store) == 19
        assert stock(where).size < full - 19 * 20_000
        for number in range(20, 39):
            await store.journal(message(number, raw=bytes(20_000)))
        assert stock(where).size <= full
    assert where.stat().st_size <= max(length, full)


KILLED = """
import asyncio, os, signal, sys
from engine.store import Store, retention
from tests.store import message, request
from tests.store.test_retention import SINCE, ended, newest, untouched

async def main():
    store = Store.open(sys.argv[1])
    for number in range(100):
        await ended(store, await store.journal(message(number, request(f"1.2.{number + 1}"))))
    await newest(store)
    first = await store.prune(0, SINCE, untouched(), 10)
    os.write(1, b"%d" % first.messages)
    take_out = retention._take_out
    def killed(connection, numbers):
        assert take_out(connection, numbers) == 10
        os.kill(os.getpid(), signal.SIGKILL)
    retention._take_out = killed
    await store.prune(first.position, SINCE, untouched(), 10)

asyncio.run(main())
"""


def test_a_step_that_is_killed_before_its_commit_has_taken_out_nothing(where: str | Path) -> None:
    program = [sys.executable, "-c", KILLED, str(where)]
    ran = subprocess.run(program, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    assert (ran.returncode, ran.stdout) == (-signal.SIGKILL, b"10")
    left = rows(where)
    assert (left["messages"], left["tasks"], left["message_tasks"]) == (91, 91, 91)
    assert left_to_prune(where) == 90


def left_to_prune(where: str | Path) -> int:
    async def pruned() -> int:
        async with opened(where) as store:
            return await prune(store)

    return asyncio.run(pruned())
