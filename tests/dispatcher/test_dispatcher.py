"""The dispatcher with a scripted archive client: stopping, faults, archives that do not wait."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from engine.errors import AssociationAborted, StoreError
from engine.retrieve.outcome import Cause, MoveResponse, Outcome, SubOperations, TaskStatus
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, StudiesOfAccession, Study
from engine.retrieve.task import RetrieveRequest
from engine.store import Store, Withdrawn
from tests.dispatcher import ARRIVED, NOW, Scripted, keep, outcome_of, request, running


async def test_a_study_is_moved_and_its_message_settles(tmp_path: Path) -> None:
    client = Scripted()
    async with running(tmp_path, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.3")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert client.moved == ["1.2.3"]
    assert client.closed == 1
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.attempts) == (TaskStatus.COMPLETED, 1)


async def test_a_question_leaves_a_task_for_each_study(tmp_path: Path) -> None:
    client = Scripted()
    async with running(tmp_path, main=client) as (store, dispatcher):
        priors = PriorsOfPatient("P", PriorCriteria(), NOW.date())
        kept = await keep(store, request(priors), request(StudiesOfAccession("A")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert sorted(client.moved) == ["1.2.1", "1.2.2"]


async def test_a_fault_of_ours_ends_the_task_and_not_the_engine(tmp_path: Path) -> None:
    def broken(_: threading.Event) -> MoveResponse:
        raise ZeroDivisionError

    client = Scripted({"1.2.1": broken})
    async with running(tmp_path, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1")), request(Study("1.2.2")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    first, second = await outcome_of(tmp_path)
    assert first.outcome is not None
    assert first.outcome.cause is Cause.INTERNAL
    assert second.status is TaskStatus.COMPLETED


async def test_a_slow_archive_does_not_delay_another(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(_: threading.Event) -> MoveResponse:
        release.wait(30)
        return ARRIVED

    slow_client, quick = Scripted(dict.fromkeys(("1.2.1", "1.2.2", "1.2.3"), slow)), Scripted()
    async with running(tmp_path, main=slow_client, other=quick, patience=20.0) as (store, dispatcher):
        blocked = [request(Study(uid)) for uid in ("1.2.1", "1.2.2", "1.2.3")]
        await keep(store, *blocked)
        kept = await keep(store, request(Study("1.2.9"), "other"))
        dispatcher.wake(["main", "other"])
        assert await dispatcher.settled(kept.message_id, 20)
        assert len(slow_client.moved) == 2  # the archive's concurrency
        release.set()
    assert quick.moved == ["1.2.9"]


async def test_stopping_cancels_what_is_under_way_and_leaves_it_for_the_next_start(tmp_path: Path) -> None:
    begun = threading.Event()

    def endless(canceled: threading.Event) -> MoveResponse:
        begun.set()
        assert canceled.wait(30)
        return MoveResponse(0xFE00, SubOperations(2, 1, 0, 0))

    async with running(tmp_path, main=Scripted({"1.2.1": endless})) as (store, dispatcher):
        await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        assert await asyncio.to_thread(begun.wait, 20)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.reason) == (TaskStatus.SCHEDULED, "forefetch was stopped during the retrieve")
    client = Scripted()
    async with running(tmp_path, main=client) as (_, dispatcher):
        assert task.message_id is not None
        assert await dispatcher.settled(task.message_id, 20)
    assert client.moved == ["1.2.1"]


async def test_a_move_that_ended_while_stopping_is_not_done_again(tmp_path: Path) -> None:
    begun = threading.Event()

    def finishing(canceled: threading.Event) -> MoveResponse:
        begun.set()
        assert canceled.wait(30)
        return ARRIVED

    async with running(tmp_path, main=Scripted({"1.2.1": finishing})) as (store, dispatcher):
        await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        assert await asyncio.to_thread(begun.wait, 20)
    (task,) = await outcome_of(tmp_path)
    assert task.status is TaskStatus.COMPLETED


async def test_a_task_left_in_progress_by_a_crash_goes_on(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "journal.db")
    kept = await keep(store, request(Study("1.2.1")))
    assert await store.claim(kept.task_ids[0]) is not None
    await store.close()
    client = Scripted()
    async with running(tmp_path, main=client) as (_, dispatcher):
        assert await dispatcher.settled(kept.message_id, 20)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.attempts) == (TaskStatus.COMPLETED, 2)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (request(Study("1.2.1"), "gone"), "archive gone is not listed"),
        (request(Study("1.2.1"), route="off"), "route off is not enabled"),
        (request(Study("1.2.1"), route="deleted"), "route deleted is not enabled"),
        (RetrieveRequest(Study("1.2.1"), "main", "elsewhere", ("r",)), "destination elsewhere is not listed"),
    ],
)
async def test_what_is_no_longer_configured_is_held_after_a_restart(
    tmp_path: Path, asked: RetrieveRequest, reason: str
) -> None:
    """It was acknowledged: it must not get lost by a start at which it is not allowed."""
    store = Store.open(tmp_path / "journal.db")
    kept = await keep(store, asked)
    await store.close()
    client = Scripted()
    async with running(tmp_path, main=client) as (_, dispatcher):
        dispatcher.wake(["main"])
        assert not await dispatcher.settled(kept.message_id, 0.5)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, client.moved) == (TaskStatus.HELD, [])
    assert reason in task.reason


async def test_a_held_task_goes_on_after_a_start_at_which_it_is_allowed(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "journal.db")
    kept = await keep(store, request(Study("1.2.1")))
    await store.hold(kept.task_ids[0], "switch", "retrieval is switched off")
    await store.close()
    client = Scripted()
    async with running(tmp_path, main=client) as (_, dispatcher):
        assert await dispatcher.settled(kept.message_id, 20)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.reason, client.moved) == (TaskStatus.COMPLETED, "", ["1.2.1"])


async def test_a_new_task_that_is_not_allowed_fails(tmp_path: Path) -> None:
    client = Scripted()
    async with running(tmp_path, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1"), route="off"))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    (task,) = await outcome_of(tmp_path)
    assert task.outcome is not None
    assert (task.outcome.cause, client.moved) == (Cause.GATE_CLOSED, [])


async def test_a_lane_survives_whatever_goes_wrong_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads that cannot be started, for one; the task is not lost either."""
    client = Scripted()
    submit, left = ThreadPoolExecutor.submit, 2

    def failing(self: ThreadPoolExecutor, *arguments: Any, **named: Any) -> Any:
        nonlocal left
        if str(self._thread_name_prefix).startswith("archive") and left:
            left -= 1
            raise RuntimeError("can't start new thread")
        return submit(self, *arguments, **named)

    monkeypatch.setattr(ThreadPoolExecutor, "submit", failing)
    async with running(tmp_path, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert (left, client.moved) == (0, ["1.2.1"])


async def test_stopping_does_not_wait_for_a_store_that_is_out_of_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()

    async def full(*_: object, **__: object) -> None:
        tried.set()
        raise StoreError("disk full")

    monkeypatch.setattr(Store, "finish", full)
    async with running(tmp_path, main=Scripted()) as (store, dispatcher):
        await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        await tried.wait()
    (task,) = await outcome_of(tmp_path)
    assert not task.status.final


async def test_an_outcome_is_written_again_when_the_store_fails_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish, tries = Store.finish, 0

    async def failing_once(
        store: Store, task_id: int, outcome: Outcome, *seen: Any, **attempt: Any
    ) -> tuple[int, ...] | None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StoreError("disk full")
        return await finish(store, task_id, outcome, *seen, **attempt)

    monkeypatch.setattr(Store, "finish", failing_once)
    client = Scripted()
    async with running(tmp_path, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert (tries, client.moved) == (2, ["1.2.1"])


async def test_what_is_taken_back_is_stopped_on_the_wire_and_ends_canceled(tmp_path: Path) -> None:
    begun = threading.Event()

    def endless(canceled: threading.Event) -> MoveResponse:
        begun.set()
        assert canceled.wait(30)
        return MoveResponse(0xFE00, SubOperations(2, 1, 0, 0))

    async with running(tmp_path, main=Scripted({"1.2.1": endless})) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        assert await asyncio.to_thread(begun.wait, 20)
        await dispatcher.withdraw(Withdrawn(running=kept.task_ids))
        assert await dispatcher.settled(kept.message_id, 20)
    (task,) = await outcome_of(tmp_path)
    assert task.status is TaskStatus.CANCELED
    assert task.outcome is not None
    assert (task.outcome.dicom_status, task.outcome.counters.completed) == (0xFE00, 1)


async def test_what_had_arrived_when_it_was_taken_back_is_said_to_have_arrived(tmp_path: Path) -> None:
    begun = threading.Event()

    def finishing(canceled: threading.Event) -> MoveResponse:
        begun.set()
        assert canceled.wait(30)
        return ARRIVED

    async with running(tmp_path, main=Scripted({"1.2.1": finishing})) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        assert await asyncio.to_thread(begun.wait, 20)
        await dispatcher.withdraw(Withdrawn(running=kept.task_ids))
        assert await dispatcher.settled(kept.message_id, 20)
    (task,) = await outcome_of(tmp_path)
    assert task.status is TaskStatus.COMPLETED


async def test_two_waiters_of_one_message_are_both_told(tmp_path: Path) -> None:
    release = threading.Event()

    def slow(_: threading.Event) -> MoveResponse:
        release.wait(30)
        raise AssociationAborted("main", "gone")

    async with running(tmp_path, main=Scripted({"1.2.1": slow})) as (store, dispatcher):
        kept = await keep(store, request(Study("1.2.1")))
        dispatcher.wake(["main"])
        waiters = [asyncio.create_task(dispatcher.settled(kept.message_id, 20)) for _ in range(2)]
        assert await dispatcher.settled(kept.message_id, 0.01) is False
        release.set()
        assert await asyncio.gather(*waiters) == [True, True]
    (task,) = await outcome_of(tmp_path)
    assert task.outcome is not None
    assert task.outcome.cause is Cause.ABORTED
