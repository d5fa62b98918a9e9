"""What people do to tasks: every verb on every status, what is refused, and many at once."""

from __future__ import annotations

import datetime as dt
import sqlite3
import threading
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import Priority, RetrieveTask, Verb
from engine.routing.meaning import Meaning, Number, Occasion
from engine.store import Done, Event, Store, dialect, list_tasks, operate, story_of, verbs
from engine.store.dialect import open_engine

from . import ARRIVED, CANCELED, FAILED, PRIORS, RESOLVED, message, on_sqlite_alone, opened, request

S = TaskStatus
AHEAD = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
CHANGED = Outcome(S.WARNING, Cause.STORED_WITH_WARNINGS, "3 objects arrived with a warning", arrived=True)
PARTLY = Outcome(S.WARNING, Cause.SOME_FAILED, "1 of 3 objects did not arrive")

Prepare = Callable[[Store, int], Awaitable[object]]


async def _fresh(store: Store, task: int) -> None: ...


async def _claimed(store: Store, task: int) -> None:
    assert await store.claim(task) is not None


def _ended(outcome: Outcome) -> Prepare:
    async def prepare(store: Store, task: int) -> None:
        await _claimed(store, task)
        assert await store.finish(task, outcome) is not None

    return prepare


def _held(gate: str) -> Prepare:
    return lambda store, task: store.hold(task, gate, "why", AHEAD)


async def _deferred(store: Store, task: int) -> None:
    await store.defer_tasks([(task, None)], AHEAD, "window", "why")


async def _failed_once(store: Store, task: int) -> None:
    await _claimed(store, task)
    await store.reschedule(task, FAILED, AHEAD, "no connection; retry 1 of 3", ())


async def _expired(store: Store, task: int) -> None:
    await store.hold(task, "approval", "why", dt.datetime.now(dt.UTC))
    assert await store.expire()


PREPARED: dict[str, Prepare] = {
    "fresh": _fresh,
    "deferred": _deferred,
    "failed once": _failed_once,
    "held approval": _held("approval"),
    "held budget": _held("budget"),
    "held operator": _held("operator"),
    "held switch": _held("switch"),
    "under way": _claimed,
    "arrived": _ended(ARRIVED),
    "changed": _ended(CHANGED),
    "partly": _ended(PARTLY),
    "failed": _ended(FAILED),
    "canceled": _ended(CANCELED),
    "expired": _expired,
}

# Each state, and what retry, cancel, approve, hold and expedite make of it; None: nothing, it is refused.
TABLE: list[tuple[str, S | None, S | None, S | None, S | None, S | None]] = [
    ("fresh", None, S.CANCELED, S.SCHEDULED, S.HELD, S.SCHEDULED),
    ("deferred", None, S.CANCELED, S.SCHEDULED, S.HELD, S.SCHEDULED),
    ("failed once", S.SCHEDULED, S.CANCELED, S.SCHEDULED, S.HELD, S.SCHEDULED),
    ("held approval", None, S.CANCELED, S.SCHEDULED, S.HELD, S.HELD),
    ("held budget", None, S.CANCELED, S.SCHEDULED, S.HELD, S.HELD),
    ("held operator", None, S.CANCELED, S.SCHEDULED, None, S.SCHEDULED),
    ("held switch", None, S.CANCELED, None, S.HELD, S.HELD),
    ("under way", None, S.IN_PROGRESS, None, None, None),
    ("arrived", None, None, None, None, None),
    ("changed", None, None, None, None, None),
    ("partly", S.SCHEDULED, None, None, None, None),
    ("failed", S.SCHEDULED, None, None, None, None),
    ("canceled", S.SCHEDULED, None, None, None, None),
    ("expired", S.SCHEDULED, None, S.SCHEDULED, None, None),
]
VERBS = (Verb.RETRY, Verb.CANCEL, Verb.APPROVE, Verb.HOLD, Verb.EXPEDITE)
EVENTS = {
    Verb.RETRY: Event.RETRIED,
    Verb.CANCEL: Event.CANCELED,
    Verb.APPROVE: Event.APPROVED,
    Verb.HOLD: Event.HELD,
    Verb.EXPEDITE: Event.EXPEDITED,
}


def one(where: str | Path) -> RetrieveTask:
    (task,) = list_tasks(where)
    return task


def act(where: str | Path, verb: Verb, *numbers: int) -> list[Done]:
    return operate(where, verb, numbers or (1,), "ann")


@on_sqlite_alone
@pytest.mark.parametrize(
    ("state", "verb", "becomes"),
    [(state, verb, becomes) for state, *row in TABLE for verb, becomes in zip(VERBS, row, strict=True)],
)
async def test_every_verb_on_every_state(
    where: str | Path, state: str, verb: Verb, becomes: TaskStatus | None
) -> None:
    async with opened(where) as store:
        (task,) = (await store.journal(message(1, request()))).task_ids
        await PREPARED[state](store, task)
        before, told = one(where), story_of(where, task)
        (done,) = act(where, verb)
        after, story = one(where), story_of(where, task)
    assert told is not None
    assert story is not None
    assert done.done is (becomes is not None)
    if becomes is None:
        assert (after, story.lines) == (before, told.lines)
        return
    assert after.status is becomes
    assert [line.event for line in story.lines] == [*(line.event for line in told.lines), EVENTS[verb]]
    assert story.lines[-1].text == "by ann"
    assert story.lines[-1].outcome == before.outcome


@pytest.mark.parametrize("state", ["failed once", "partly", "failed", "canceled", "expired"])
async def test_what_is_retried_is_due_now(where: str | Path, state: str) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request(due=AHEAD)))
        await PREPARED[state](store, kept.task_ids[0])
        act(where, Verb.RETRY)
        assert [task.id for task in await store.waiting("pacs", 9)] == [1]
        assert await store.claim(1) is not None
        assert await store.finish(1, ARRIVED) == (kept.message_id,)


async def test_an_approved_task_keeps_its_appointment_and_an_expedited_one_does_not(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        for number in (1, 2):
            await store.journal(message(number, request(f"1.{number}", due=AHEAD)))
            await store.hold(number, "operator", "why")
        act(where, Verb.APPROVE, 1)
        act(where, Verb.EXPEDITE, 2)
        second, first = list_tasks(where)
        assert [task.id for task in await store.waiting("pacs", 9)] == [2]
    assert (first.approved, first.not_before) == (True, AHEAD)
    assert (second.approved, second.expedited, second.request.priority) == (False, True, Priority.STAT)


async def test_expediting_does_not_bypass_approval(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request()))
        await store.hold(1, "approval", "its route says so", AHEAD)
        (done,) = act(where, Verb.EXPEDITE)
        assert "still held (approval)" in done.text
        assert (one(where).status, one(where).approved, one(where).expires) == (S.HELD, False, AHEAD)
        assert await store.waiting("pacs", 9) == []
        act(where, Verb.APPROVE)
        assert [task.expedited for task in await store.waiting("pacs", 9)] == [True]


async def test_what_an_operator_holds_does_not_expire(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request()))
        await store.hold(1, "approval", "why", dt.datetime.now(dt.UTC))
        act(where, Verb.HOLD)
        assert await store.expire() == []
        assert await store.recover() == 0
    assert (one(where).status, one(where).gate) == (S.HELD, "operator")


async def test_a_retry_keeps_what_is_missing_and_what_was_approved(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request()))
        act(where, Verb.APPROVE)
        await store.claim(1)
        await store.reschedule(1, PARTLY, dt.datetime.now(dt.UTC), "why", ("1.2.9",))
        await store.claim(1)
        await store.finish(1, PARTLY)
        act(where, Verb.RETRY)
    task = one(where)
    assert (task.missing, task.approved, task.failures, task.attempts) == (("1.2.9",), True, 0, 2)
    assert task.outcome is None


async def _ordered(store: Store, number: int, order: str, *uids: str) -> None:
    occasion = Occasion("order", Number(order, "RIS"), Number())
    await store.journal(
        message(number, *(request(uid) for uid in uids), meaning=Meaning(occasions=(occasion,)))
    )


async def _withdrawn(store: Store, number: int, order: str) -> None:
    occasion = Occasion("order", Number(order, "RIS"), Number())
    await store.journal(message(number, meaning=Meaning(withdrawn=(occasion,))))


@pytest.mark.parametrize(("verb", "state"), [(Verb.RETRY, "failed"), (Verb.APPROVE, "expired")])
async def test_what_was_taken_back_after_it_had_failed_is_not_brought_back(
    where: str | Path, verb: Verb, state: str
) -> None:
    """The dead letters of the night, and an order that was canceled in the morning."""
    async with opened(where) as store:
        for number, order in ((1, "A"), (2, "B")):
            await _ordered(store, number, order, f"1.{number}")
            await PREPARED[state](store, number)
        await _withdrawn(store, 3, "A")
        first, second = act(where, verb, 1, 2)
    assert (first.done, second.done) == (False, True)
    assert "nobody wants it" in first.text


async def test_what_another_order_wants_too_is_brought_back(where: str | Path) -> None:
    async with opened(where) as store:
        await _ordered(store, 1, "A", "1.1")
        await _ordered(store, 2, "B", "1.1")
        await _ended(FAILED)(store, 1)
        await _withdrawn(store, 3, "A")
        (done,) = act(where, Verb.RETRY)
    assert done.done


async def test_what_its_message_took_back_stays_canceled(where: str | Path) -> None:
    async with opened(where) as store:
        await _ordered(store, 1, "A", "1.1")
        await _withdrawn(store, 2, "A")
        (done,) = act(where, Verb.RETRY)
    assert not done.done
    assert one(where).status is S.CANCELED


async def test_of_two_that_need_the_same_one_is_retried_and_none_if_it_has_come_since(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        for number in (1, 2):
            await store.journal(message(number, request("1.1"), request("1.2")))
            await _ended(FAILED)(store, 2 * number - 1)
            await _ended(FAILED)(store, 2 * number)
        await store.journal(message(3, request("1.2")))
        assert [each.text for each in act(where, Verb.RETRY, 3, 1, 2)] == [
            "is tried again",
            "task 3 does the same",
            "task 5 does the same",
        ]
        await _ended(ARRIVED)(store, 5)
        assert [each.text for each in act(where, Verb.RETRY, 2, 4)] == ["task 5 has done the same since"] * 2
        assert [task.id for task in await store.waiting("pacs", 9)] == [3]


async def test_what_came_before_it_failed_does_not_keep_it_from_a_retry(where: str | Path) -> None:
    """The destination may have lost it: a new order asked for it again."""
    async with opened(where) as store:
        for number, outcome in ((1, ARRIVED), (2, FAILED)):
            await store.journal(message(number, request("1.1")))
            await _ended(outcome)(store, number)
        (done,) = act(where, Verb.RETRY, 2)
    assert done.done


async def test_a_question_that_failed_is_asked_again_and_one_that_was_answered_is_not(
    where: str | Path,
) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS)))
        await _ended(FAILED)(store, 1)
        act(where, Verb.RETRY)
        await store.claim(1)
        await store.resolve(1, RESOLVED, (), [request("1.1"), request("1.2")])
        (retried,) = act(where, Verb.RETRY)
        (canceled,) = act(where, Verb.CANCEL)
        assert [task.id for task in list_tasks(where)] == [3, 2, 1]
    assert (retried.done, retried.text) == (False, "was answered: retry what it led to")
    assert (canceled.done, canceled.text) == (False, "has ended COMPLETED: cancel what it led to")


async def test_who_expedites_a_question_means_its_studies(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request(PRIORS), request("9.9")))
        act(where, Verb.EXPEDITE)
        claimed = await store.claim(1)
        assert claimed is not None
        assert claimed.request.priority is Priority.STAT
        await store.resolve(1, RESOLVED, (), [request("1.1"), request("1.2")])
    expedited = {task.request.selector for task in list_tasks(where) if task.expedited}
    assert expedited == {PRIORS, Study("1.1"), Study("1.2")}


async def test_a_second_cancel_of_what_is_being_stopped_says_so(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request()))
        await store.claim(1)
        (first,), (second,) = act(where, Verb.CANCEL), act(where, Verb.CANCEL)
        assert await store.to_cancel() == [1]
    assert (first.done, second.done, second.text) == (True, False, "is being stopped already")


async def test_an_acknowledgment_that_was_sent_stays(where: str | Path) -> None:
    async with opened(where) as store:
        kept = await store.journal(message(1, request()))
        await _ended(FAILED)(store, 1)
        await store.keep_ack(kept.message_id, b"first", "AE")
        act(where, Verb.RETRY)
        await _ended(ARRIVED)(store, 1)
        assert await store.keep_ack(kept.message_id, b"second", "AA") == b"first"
        again = await store.journal(message(1, request()))
        story = story_of(where, 1)
    assert (again.new, again.ack) == (False, b"first")
    assert story is not None
    assert [asked.ack_code for asked in story.messages] == ["AE"]


async def test_tasks_that_are_named_twice_or_do_not_exist_are_told(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request()))
        done = act(where, Verb.HOLD, 1, 7, 1)
    assert done == [Done(1, True, "is held"), Done(7, False, "there is no such task")]
    story = story_of(where, 1)
    assert story is not None
    assert len(story.lines) == 1


async def test_many_tasks_are_changed_in_small_transactions_and_an_engine_writes_in_between(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_AT_ONCE", 10)
    async with opened(where) as store:
        await store.journal(message(1, *(request(f"1.{number}") for number in range(95))))
        seen: list[int] = []
        inside = threading.Event()

        def between(_: float) -> None:
            # Nobody holds the journal now
            with open_engine(where, busy_timeout=0).connect() as other, other.begin():
                held = other.exec_driver_sql("SELECT count(*) FROM tasks WHERE status = 'HELD'").scalar_one()
            seen.append(held)
            inside.set()

        monkeypatch.setattr("engine.store.verbs.time.sleep", between)
        done = operate(where, Verb.HOLD, range(1, 96), "ann")
    assert inside.is_set()
    assert seen == list(range(10, 100, 10))
    assert [each.task_id for each in done if each.done] == list(range(1, 96))


async def test_more_tasks_than_a_statement_has_variables(where: str | Path) -> None:
    async with opened(where) as store:
        await store.journal(message(1, request("1.1"), request("1.2")))
        done = operate(where, Verb.HOLD, range(1, 300_002, 100), "ann")
    assert (len(done), [each.task_id for each in done if each.done]) == (3001, [1])


async def test_a_failure_on_the_way_says_how_far_it_came(
    where: str | Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_AT_ONCE", 2)
    async with opened(where) as store:
        await store.journal(message(1, *(request(f"1.{number}") for number in range(6))))
    turns = 0

    def broken(_: float) -> None:
        nonlocal turns
        turns += 1
        if turns == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.store.verbs.time.sleep", broken)
    with pytest.raises(StoreError, match=r"No space left.*4 of 6 tasks were done"):
        operate(where, Verb.HOLD, range(1, 7), "ann")
    assert [task.status for task in list_tasks(where)] == [S.SCHEDULED] * 2 + [S.HELD] * 4


async def test_a_journal_that_another_process_holds_for_long_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = tmp_path / "journal"
    async with opened(where) as store:
        await store.journal(message(1, request()))
    impatient = partial(open_engine, busy_timeout=0.0)
    monkeypatch.setattr(dialect, "open_engine", impatient)
    with closing(sqlite3.connect(where, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process holds it"):
            act(where, Verb.HOLD)
    assert one(where).status is S.SCHEDULED


def test_no_journal_is_made_by_a_verb(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no journal"):
        act(tmp_path / "journal", Verb.RETRY)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    where = tmp_path / "notes.txt"
    where.write_text("these are notes, long enough to be taken for the header of a database\n" * 50)
    before = where.read_bytes()
    with pytest.raises(StoreError, match="a file of something else"):
        act(where, Verb.RETRY)
    assert where.read_bytes() == before
    with pytest.raises(StoreError, match="directory"):
        act(tmp_path, Verb.RETRY)


def test_a_database_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    where = tmp_path / "other.db"
    with closing(sqlite3.connect(where)) as database:
        database.execute("CREATE TABLE tasks (id INTEGER)")
    with pytest.raises(StoreError, match="no journal of forefetch"):
        act(where, Verb.CANCEL)
