"""Two engines on one journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.cluster import journal
from tests.cluster.archive import by_study, most_at_once
from tests.cluster.here import ask, engines, until
from tests.cluster.journal import Journal, KeptTask
from tests.cluster.orders import message
from tests.cluster.site import PATIENT, PAUSE, RATE, Content, patient, site, study
from tests.hospital import field
from tests.postgres import Server


@pytest.fixture
def name(shared: str) -> str:
    """Of the database of the journal."""
    return str(make_url(shared).database)


def accepted(kind: str, number: int, control: str, whose: str = "") -> bytes:
    """An order that is answered at once."""
    uid, patient_id = study(kind, number), whose or patient(kind, number)
    return message(f"{kind}{number}", control, patient_id, study_uid=uid)


async def test_a_message_that_is_sent_again_to_another_engine_gets_the_same_answer_and_moves_once(
    tmp_path: Path, postgres: Server, shared: str, name: str
) -> None:
    order = message("M1", "RE", patient("slow", 0), study_uid=study("slow", 0))
    async with site(tmp_path, Content()) as around, engines(around, shared, shared) as (one, other):
        first = asyncio.create_task(ask(one, order))
        await until(lambda: bool(around.main.carried))
        second = await ask(other, order)
        assert await first == second
        kept = journal.read(postgres, name)
    assert field(second[0], "MSA-3") == "1 of 1 study arrived"
    assert len(kept.messages) == 1
    assert len(around.main.carried) == 1


async def test_the_concurrency_of_an_archive_is_that_of_all_engines_together(
    tmp_path: Path, shared: str
) -> None:
    orders = [accepted("broken", number, "BROKEN") for number in range(6)]
    async with site(tmp_path, Content()) as around, engines(around, shared, shared) as (one, other):
        await asyncio.gather(ask(one, *orders[::2]), ask(other, *orders[1::2]))
        await until(lambda: all(around.holds(study("broken", number)) for number in range(6)))
    assert most_at_once(around.broken.carried) == 1
    assert set(by_study(around.broken.carried).values()) == {1}


async def test_a_breaker_that_one_engine_has_opened_holds_the_other(tmp_path: Path, shared: str) -> None:
    async with site(tmp_path, Content(), down=2) as around, engines(around, shared, shared) as (one, other):
        await ask(one, accepted("broken", 0, "BROKEN"))
        await until(lambda: len(around.broken.carried) == 2)
        await ask(other, accepted("broken", 1, "BROKEN"))
        await until(lambda: around.holds(study("broken", 0)) and around.holds(study("broken", 1)))
    _, failed, then, *_ = around.broken.carried
    assert failed.ended is not None
    assert then.began - failed.ended >= PAUSE


async def test_a_budget_is_that_of_all_engines_together(
    tmp_path: Path, postgres: Server, shared: str, name: str
) -> None:
    orders = [accepted("wide", number, "SC", patient("wide", 0)) for number in range(8)]
    async with site(tmp_path, Content()) as around, engines(around, shared, shared) as (one, other):
        await asyncio.gather(ask(one, *orders[::2]), ask(other, *orders[1::2]))
        await until(lambda: settled_but_for(journal.read(postgres, name), "budget"))
        kept = journal.read(postgres, name)
    assert len(around.main.carried) == PATIENT
    assert [it.status for it in kept.tasks.values()].count("COMPLETED") == PATIENT


async def test_a_rate_is_that_of_all_engines_together(
    tmp_path: Path, postgres: Server, shared: str, name: str
) -> None:
    orders = [accepted("rated", number, "RATED") for number in range(RATE + 4)]
    async with (
        site(tmp_path, Content(), delay=0) as around,
        engines(around, shared, shared) as (one, other),
    ):
        await asyncio.gather(ask(one, *orders[::2]), ask(other, *orders[1::2]))
        await until(lambda: completed(journal.read(postgres, name)) == RATE)
        kept = journal.read(postgres, name)
    assert len(around.rated.carried) == RATE
    assert [it.status for it in kept.tasks.values()].count("SCHEDULED") == 4


async def test_a_cancel_that_comes_to_another_engine_stops_what_is_being_moved(
    tmp_path: Path, postgres: Server, shared: str, name: str
) -> None:
    async with site(tmp_path, Content()) as around, engines(around, shared, shared) as (one, other):
        await ask(one, message("M1", "SC", patient("slow", 0), study_uid=study("slow", 0)))
        await until(lambda: bool(around.main.carried))
        await ask(other, message("M2", "CA", placer="M1"))
        await until(lambda: the_only(journal.read(postgres, name)).final)
        kept = journal.read(postgres, name)
    assert the_only(kept).status == "CANCELED"
    assert not around.holds(study("slow", 0))
    assert len(around.main.carried) == 1


def settled_but_for(kept: Journal, gate: str) -> bool:
    return all(it.final or it.gate == gate for it in kept.tasks.values())


def completed(kept: Journal) -> int:
    return sum(it.status == "COMPLETED" for it in kept.tasks.values())


def the_only(kept: Journal) -> KeptTask:
    (task,) = kept.tasks.values()
    return task


async def test_what_nobody_tells_is_noticed_also_where_others_never_cease_to_tell_something(
    tmp_path: Path, postgres: Server, shared: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim whose answer was lost: it is under way in the name of an engine that knows nothing of it."""
    monkeypatch.setattr("engine.dispatcher.company._NET", 0.3)
    order = message("M1", "RE", patient("quick", 0), study_uid=study("quick", 0))
    claimed = "UPDATE tasks SET status = 'IN_PROGRESS', outcome = NULL, member_id = (SELECT id FROM members)"

    def talk() -> bool:
        postgres.execute("SELECT pg_notify('forefetch', '[0,true,false,false,[]]')", database=name)
        return len(around.main.carried) == 2

    async with site(tmp_path, Content()) as around, engines(around, shared) as (one,):
        await ask(one, order)
        postgres.execute(claimed, database=name)
        await until(talk, "the task was not given back")
