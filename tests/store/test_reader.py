from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.retrieve.outcome import TaskStatus
from engine.store import Selection, count_tasks, list_tasks
from engine.store.dialect import open_engine

from . import ARRIVED, FAILED, message, opened, request


async def test_tasks_are_listed_newest_first_and_filtered(where: str | Path) -> None:
    async with opened(where) as store:
        one = await store.journal(message(1, request("1.1"), request("1.2")))
        two = await store.journal(message(2, request("1.3"), request("1.4")))
        await store.finish(one.task_ids[0], FAILED)
        await store.claim(two.task_ids[0])
        await store.finish(two.task_ids[0], ARRIVED)
        kept = await store.tasks_of(one.message_id) + await store.tasks_of(two.message_id)
    assert list_tasks(where) == kept[::-1]
    assert list_tasks(where, limit=3) == kept[:0:-1]
    assert list_tasks(where, Selection(message_id=one.message_id)) == [kept[1], kept[0]]
    assert list_tasks(where, Selection((TaskStatus.FAILED, TaskStatus.COMPLETED))) == [kept[2], kept[0]]
    assert list_tasks(where, Selection((TaskStatus.FAILED,), message_id=two.message_id)) == []


async def test_tasks_are_counted_by_status(where: str | Path) -> None:
    async with opened(where) as store:
        assert count_tasks(where) == dict.fromkeys(TaskStatus, 0)
        kept = await store.journal(message(1, request("1.1"), request("1.2"), request("1.3")))
        await store.finish(kept.task_ids[0], FAILED)
        await store.claim(kept.task_ids[1])
    found = {status: count for status, count in count_tasks(where).items() if count}
    assert found == {TaskStatus.FAILED: 1, TaskStatus.IN_PROGRESS: 1, TaskStatus.SCHEDULED: 1}


async def test_a_journal_can_be_read_while_it_is_written(where: str | Path) -> None:
    async with opened(where) as store:
        seen = 0
        for n in range(20):
            kept, tasks = await asyncio.gather(
                store.journal(message(n, request(f"1.{n}"))), asyncio.to_thread(list_tasks, where)
            )
            assert len(tasks) >= n
            seen = len(list_tasks(where))
            assert list_tasks(where)[0].id == kept.task_ids[0]
        assert seen == 20


async def test_a_transaction_under_way_is_not_seen_and_does_not_block(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        with open_engine(where).connect() as other:
            other.exec_driver_sql("UPDATE tasks SET status = 'FAILED'")
            (task,) = list_tasks(where)
            other.rollback()
    assert (task.id, task.status) == (kept.task_ids[0], TaskStatus.SCHEDULED)


def test_a_journal_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    where = tmp_path / "journal"
    for call in (lambda: list_tasks(where), lambda: count_tasks(where)):
        with pytest.raises(StoreError, match=r"there is no journal .*journal"):
            call()
    assert not where.exists()
