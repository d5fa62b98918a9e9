"""Attempts that fail: tried again by a schedule, for what is missing, or given up with the whole story."""

from __future__ import annotations

import asyncio
import datetime as dt
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from engine.dicom.node import Destination
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.dispatcher.work import Place
from engine.errors import AssociationAborted, NodeUnreachable
from engine.retrieve.breaker import BreakerRule
from engine.retrieve.outcome import Cause, MoveResponse, SubOperations, TaskStatus
from engine.retrieve.policy import NodeRule, RouteRule
from engine.retrieve.retry import Schedule
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, Study
from engine.retrieve.task import Verb, Verify
from engine.store import Event, operate, standing, story_of
from tests.dispatcher import ARRIVED, NOW, Scripted, keep, outcome_of, request, running, until

S = TaskStatus
SOON = RouteRule(retry=Schedule(((3, dt.timedelta(milliseconds=10)),)))
LATE = RouteRule(retry=Schedule(((3, dt.timedelta(hours=1)),)))


def failing(times: int, then: MoveResponse = ARRIVED) -> Callable[[threading.Event], MoveResponse]:
    left = times

    def move(_: threading.Event) -> MoveResponse:
        nonlocal left
        left -= 1
        if left >= 0:
            raise AssociationAborted("main", "aborted the association (A-ABORT)")
        return then

    return move


async def test_what_may_pass_is_tried_again_until_it_arrives(tmp_path: Path) -> None:
    client = Scripted({"1.1": failing(2)})
    async with running(tmp_path, route=SOON, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, None)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.attempts, task.failures) == (S.COMPLETED, 3, 2)
    story = story_of(tmp_path / "journal.db", task.id)
    assert story is not None
    assert [line.event for line in story.lines] == [Event.ATTEMPT_FAILED] * 2
    assert {line.outcome and line.outcome.cause for line in story.lines} == {Cause.ABORTED}


async def test_a_dead_letter_keeps_its_whole_story_and_can_be_brought_back(tmp_path: Path) -> None:
    client = Scripted({"1.1": failing(4)})
    path = tmp_path / "journal.db"
    async with running(tmp_path, route=SOON, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, None)
        (task,) = await outcome_of(tmp_path)
        assert task.outcome is not None
        assert (task.status, task.failures, client.moved) == (S.FAILED, 3, ["1.1"] * 4)
        assert "given up after 4 attempts" in task.outcome.text
        (done,) = operate(path, Verb.RETRY, [task.id], "tester")
        assert done.done
        assert await dispatcher.settled(kept.message_id, None)
    story = story_of(path, task.id)
    assert story is not None
    assert (story.task.status, story.task.attempts, story.task.failures) == (S.COMPLETED, 5, 0)
    assert [line.event for line in story.lines] == [Event.ATTEMPT_FAILED] * 3 + [Event.RETRIED]
    assert story.lines[-1].text == "by tester"
    assert story.lines[-1].outcome == task.outcome


@pytest.mark.parametrize("route", [RouteRule(), RouteRule(retry=Schedule(()))])
async def test_without_a_schedule_nothing_is_tried_again(tmp_path: Path, route: RouteRule) -> None:
    client = Scripted({"1.1": failing(1)})
    async with running(tmp_path, route=route, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert [task.status for task in await outcome_of(tmp_path)] == [S.FAILED]


async def test_what_would_fail_again_is_not_tried_again(tmp_path: Path) -> None:
    client = Scripted({"1.1": lambda _: MoveResponse(0xA801)})
    async with running(tmp_path, route=SOON, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.attempts) == (S.FAILED, 1)


async def test_who_waits_for_a_retry_far_ahead_is_told_at_once(tmp_path: Path) -> None:
    client = Scripted({"1.1": failing(1)})
    async with running(tmp_path, route=LATE, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert not await dispatcher.settled(kept.message_id, 60)
        (task,) = await outcome_of(tmp_path)
    assert (task.status, task.failures) == (S.SCHEDULED, 1)
    assert "A-ABORT" in task.reason
    assert task.not_before is not None
    assert task.not_before > dt.datetime.now(dt.UTC) + dt.timedelta(minutes=50)


async def test_a_retry_waits_through_a_restart(tmp_path: Path) -> None:
    client = Scripted({"1.1": failing(1)})
    async with running(tmp_path, route=LATE, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert not await dispatcher.settled(kept.message_id, 60)
    async with running(tmp_path, route=LATE, main=client) as (_, dispatcher):
        assert not await dispatcher.settled(kept.message_id, 0.3)
        assert client.moved == ["1.1"]
        operate(tmp_path / "journal.db", Verb.RETRY, [kept.task_ids[0]], "tester")
        assert await dispatcher.settled(kept.message_id, None)
    assert client.moved == ["1.1"] * 2


async def test_a_question_is_tried_again_too(tmp_path: Path) -> None:
    class Down(Scripted):
        left = 1

        def find_studies(
            self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
        ) -> list[StudyRecord]:
            self.left -= 1
            if self.left >= 0:
                raise NodeUnreachable("main", "no TCP connection")
            return super().find_studies(patient_id=patient_id, accession=accession, study_uid=study_uid)

    client = Down()
    async with running(tmp_path, route=SOON, main=client) as (store, dispatcher):
        kept = await keep(store, request(PriorsOfPatient("P", PriorCriteria(), NOW.date())))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, None)
    assert sorted(client.moved) == ["1.2.1", "1.2.2"]


async def test_a_partly_done_study_is_tried_again_for_the_missing_series_alone(tmp_path: Path) -> None:
    """Two series of two objects each; the destination lacks one of the second."""

    class Parted(Scripted):
        moved_series: list[str]

        def __init__(self) -> None:
            super().__init__()
            self.moved_series = []
            self.there = {"1.1.1": 2, "1.1.2": 2}

        def find_studies(
            self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
        ) -> list[StudyRecord]:
            return [StudyRecord(study_uid, instances=sum(self.there.values()))]

        def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]:
            return [
                SeriesRecord(study_uid, uid, instances=count)
                for uid, count in self.there.items()
                if series_uid in ("", uid)
            ]

        def move(
            self, study_uid: str, destination_ae_title: str, series_uid: str = "", **_: object
        ) -> MoveResponse:
            self.moved.append(study_uid)
            self.moved_series.append(series_uid)
            if series_uid:
                destination.there["1.1.2"] = 2
                return MoveResponse(0, SubOperations(0, 2, 0, 0))
            return MoveResponse(0xB000, SubOperations(0, 3, 1, 0))

    archive, destination = Parted(), Parted()
    destination.there["1.1.2"] = 1
    route = RouteRule(retry=SOON.retry, verify=Verify.SERIES)
    place = Place(Destination("ws", "WS"), destination)
    async with running(tmp_path, route=route, place=lambda _: place, verify_within=0.0, main=archive) as (
        store,
        dispatcher,
    ):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, None)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.attempts, task.failures) == (S.COMPLETED, 2, 1)
    assert archive.moved_series == ["", "1.1.2"]
    assert task.outcome is not None
    assert task.outcome.arrived


async def test_a_failing_archive_is_left_alone_until_it_answers_an_echo(tmp_path: Path) -> None:
    class Down(Scripted):
        echoes = 0
        up = False

        def echo(self) -> None:
            self.echoes += 1
            if not self.up:
                raise NodeUnreachable("main", "no TCP connection")

    client = Down({f"1.{number}": failing(1) for number in range(3)})
    rule = BreakerRule(3, dt.timedelta(milliseconds=20), dt.timedelta(milliseconds=20))
    archive = NodeRule(1, breaker=rule)
    path = tmp_path / "journal.db"
    async with running(tmp_path, concurrency=1, archive=archive, main=client) as (store, dispatcher):
        failed = await keep(store, *(request(Study(f"1.{number}")) for number in range(3)))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(failed.message_id, 20)
        waiting = await keep(store, request(Study("2.1")))
        dispatcher.wake(["main"])
        await until(lambda: client.echoes >= 2)
        assert "2.1" not in client.moved
        (closure,) = standing(path).closures
        assert (closure.scope, closure.name, closure.gate) == ("archive", "main", "breaker")
        assert "3 times in a row" in closure.reason
        client.up = True
        assert await dispatcher.settled(waiting.message_id, None)
        await until(lambda: not standing(path).closures)
    assert client.moved[-1] == "2.1"


async def test_a_failing_destination_holds_only_what_goes_there(tmp_path: Path) -> None:
    down = MoveResponse(0xA702)
    client = Scripted({f"1.{number}": lambda _: down for number in range(2)})
    rule = NodeRule(breaker=BreakerRule(2, dt.timedelta(hours=1), dt.timedelta(hours=1)))
    async with running(tmp_path, concurrency=1, destinations={"ws": rule, "er": rule}, main=client) as (
        store,
        dispatcher,
    ):
        failed = await keep(store, *(request(Study(f"1.{number}")) for number in range(2)))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(failed.message_id, 20)
        held = await keep(store, *(request(Study(f"2.{number}")) for number in range(5)))
        good = await keep(store, request(Study("3.1"), to="er"))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(good.message_id, 20)
        assert not await dispatcher.settled(held.message_id, 0.3)
    assert client.moved == ["1.0", "1.1", "3.1"]


async def test_what_is_canceled_from_outside_is_stopped_on_the_wire(tmp_path: Path) -> None:
    begun = threading.Event()

    def endless(canceled: threading.Event) -> MoveResponse:
        begun.set()
        assert canceled.wait(30)
        return MoveResponse(0xFE00, SubOperations(2, 1, 0, 0))

    async with running(tmp_path, route=SOON, main=Scripted({"1.1": endless})) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await asyncio.to_thread(begun.wait, 20)
        (done,) = operate(tmp_path / "journal.db", Verb.CANCEL, [kept.task_ids[0]], "tester")
        assert (done.done, done.text) == (True, "is being stopped on the wire")
        assert await dispatcher.settled(kept.message_id, None)
    (task,) = await outcome_of(tmp_path)
    assert task.outcome is not None
    assert (task.status, task.outcome.dicom_status, task.attempts) == (S.CANCELED, 0xFE00, 1)


async def test_a_retrieve_that_fails_while_it_is_taken_back_is_not_tried_again(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    def failing_late(_: threading.Event) -> MoveResponse:
        begun.set()
        assert go.wait(30)
        raise AssociationAborted("main", "gone")

    async with running(tmp_path, route=SOON, main=Scripted({"1.1": failing_late})) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await asyncio.to_thread(begun.wait, 20)
        operate(tmp_path / "journal.db", Verb.CANCEL, [kept.task_ids[0]], "tester")
        go.set()  # most likely before the dispatcher has noticed
        assert await dispatcher.settled(kept.message_id, None)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.attempts) == (S.CANCELED, 1)


async def test_who_asks_anew_has_it_tried_at_once_and_by_a_schedule_of_its_own(tmp_path: Path) -> None:
    """Else further messages about the same study would use up the retries of the first."""
    client = Scripted({"1.1": failing(5)})
    async with running(tmp_path, route=LATE, main=client) as (store, dispatcher):
        for number in range(1, 6):
            kept = await keep(store, request(Study("1.1")), key=number)
            dispatcher.wake(["main"])
            assert not await dispatcher.settled(kept.message_id, 60)
            await until(lambda: len(client.moved) == number)  # noqa: B023  it is waited for here
        last = await keep(store, request(Study("1.1")), key=6)
        dispatcher.wake(["main"])
        assert await dispatcher.settled(last.message_id, None)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.attempts) == (S.COMPLETED, 6)


async def test_what_arrived_before_a_stop_and_was_not_verified_is_not_moved_again(tmp_path: Path) -> None:
    class Counting(Scripted):
        def find_studies(
            self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
        ) -> list[StudyRecord]:
            return [StudyRecord(study_uid, instances=3)]

    archive, destination = Counting(), Counting()
    route = RouteRule(verify=Verify.STUDY)
    place = Place(Destination("ws", "WS"), destination)
    path = tmp_path / "journal.db"
    async with running(tmp_path, route=route, place=lambda _: place, main=archive) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await dispatcher.settled(kept.message_id, 20)
    assert archive.moved == ["1.1"]
    with closing(sqlite3.connect(path)) as journal:  # as a stop leaves it before it is verified
        journal.execute("UPDATE tasks SET status = 'SCHEDULED', outcome = NULL, cause = ''")
        journal.commit()
    async with running(tmp_path, route=route, place=lambda _: place, main=archive) as (_, dispatcher):
        assert await dispatcher.settled(kept.message_id, 20)
    (task,) = await outcome_of(tmp_path)
    assert task.outcome is not None
    assert (task.outcome.cause, archive.moved) == (Cause.ALREADY_THERE, ["1.1"])


async def test_what_was_canceled_meanwhile_does_not_end_failed(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    def failing_late(_: threading.Event) -> MoveResponse:
        begun.set()
        assert go.wait(30)
        return MoveResponse(0xA801)  # never tried again

    client = Scripted({"1.1": failing_late})
    async with running(tmp_path, patience=20, main=client) as (store, dispatcher):
        kept = await keep(store, request(Study("1.1")))
        dispatcher.wake(["main"])
        assert await asyncio.to_thread(begun.wait, 20)
        operate(tmp_path / "journal.db", Verb.CANCEL, kept.task_ids, "tester")
        go.set()  # most often before the dispatcher has noticed
        assert await dispatcher.settled(kept.message_id, 20)
    (task,) = await outcome_of(tmp_path)
    assert (task.status, task.outcome is not None and task.outcome.cause) == (S.CANCELED, Cause.CANCELED)
