"""An engine that cannot reach PostgreSQL any more: it is taken for dead, and is back late."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from engine.store import pulse
from tests.cluster import journal
from tests.cluster.here import Answering, ask, engines, through, until
from tests.cluster.journal import KeptTask
from tests.cluster.orders import message
from tests.cluster.senders import Book
from tests.cluster.site import Content, patient, site, study
from tests.cluster.wire import Wire, wire
from tests.hospital import field
from tests.postgres import Server

SLOW = study("slow", 0)


@pytest.fixture(autouse=True)
def _short_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "BEAT", 0.2)
    monkeypatch.setattr(pulse, "_BLINK", 0.8)
    monkeypatch.setattr(pulse, "LEASE", 1.0)


@pytest.fixture
def way(postgres: Server) -> Iterator[Wire]:
    with wire(postgres.port) as made:
        yield made


@pytest.fixture
def name(shared: str) -> str:
    """Of the database of the journal."""
    return str(make_url(shared).database)


def the_task(postgres: Server, name: str) -> KeptTask:
    (task,) = journal.read(postgres, name).tasks.values()
    return task


async def answer_of(late: Answering, order: bytes) -> list[bytes]:
    """Who is about to join the others again refuses it for a moment."""
    while field((answers := await ask(late, order))[0], "MSA-1") in {"AR", "CR"}:
        pass
    return answers


async def test_who_comes_back_late_cannot_end_a_task_that_another_carries_out(
    tmp_path: Path, postgres: Server, shared: str, name: str, way: Wire
) -> None:
    """Its C-MOVE has gone well meanwhile. The other one's is the one that counts."""
    order = message("M1", "SC", patient("slow", 0), study_uid=SLOW)
    async with (
        site(tmp_path, Content()) as around,
        engines(around, through(way, shared)) as (late,),
    ):
        await ask(late, order)
        await until(lambda: bool(around.main.carried), "the first C-MOVE")
        way.flowing.clear()
        async with engines(around, shared, start=1) as (other,):
            await until(lambda: len(around.main.carried) == 2, "the C-MOVE of the other one")
            first, second = around.main.carried
            await until(lambda: first.ended is not None, "the end of the first C-MOVE")
            way.flowing.set()
            await until(lambda: the_task(postgres, name).final, "the end of the task")
            task, members = the_task(postgres, name), journal.read(postgres, name).members
            assert await answer_of(late, order) == await ask(other, order)
            await until(lambda: len(alive(postgres, name)) == 2, "that it has joined again")
    assert (first.calling, second.calling) == ("HERE0", "HERE1")
    assert (task.status, task.attempts) == ("COMPLETED", 2)
    assert second.ended is not None
    assert task.changed >= second.ended
    assert [it.id for it in members if it.lost] == [members[0].id]
    assert task.member_id == members[1].id
    assert len(around.main.carried) == 2


async def test_what_another_has_finished_is_not_moved_by_who_was_about_to(
    tmp_path: Path, postgres: Server, shared: str, name: str, way: Wire
) -> None:
    """It has claimed a task and waits for its association, for longer than a lease: by its own clock it must
    be taken for dead, and may not ask for anything more."""
    order = message("M1", "SC", patient("quick", 0), study_uid=study("quick", 0))
    late_association = "main: delay=3s, on=association, times=1"
    async with (
        site(tmp_path, Content(), also=[late_association]) as around,
        engines(around, through(way, shared)) as (late,),
    ):
        await ask(late, order)
        await until(lambda: the_task(postgres, name).status == "IN_PROGRESS", "its claim")
        way.flowing.clear()
        async with engines(around, shared, start=1):
            await until(lambda: the_task(postgres, name).final, "the end of the task")
            await until(lambda: "HERE0" in around.main.callers, "the association of the first one")
            way.flowing.set()
            await until(lambda: len(alive(postgres, name)) == 2, "that it has joined again")
    assert [it.calling for it in around.main.carried] == ["HERE1"]
    assert the_task(postgres, name).attempts == 2


async def test_an_application_acknowledgment_that_is_owed_by_a_lost_engine_comes_from_another(
    tmp_path: Path, postgres: Server, shared: str, name: str, way: Wire
) -> None:
    """Once, and the one that comes back has nothing to add."""
    book = Book()
    order = message("M1", "RE", patient("slow", 0), study_uid=SLOW, letter=True)
    async with (
        site(tmp_path, Content(), book.hear_letter) as around,
        engines(around, through(way, shared)) as (late,),
    ):
        (accepted,) = await ask(late, order)
        await until(lambda: bool(around.main.carried), "the first C-MOVE")
        way.flowing.clear()
        async with engines(around, shared, start=1):
            await until(lambda: "M1" in book.letters, "its letter")
            before = journal.read(postgres, name)
            way.flowing.set()
            await until(lambda: len(alive(postgres, name)) == 2, "that it has joined again")
            assert await answer_of(late, order) == [accepted]
    assert field(accepted, "MSA-1") == "CA"
    assert [field(it, "MSA-1") for it in book.letters["M1"]] == ["AA"]
    assert before.members[0].lost
    assert before.messages == journal.read(postgres, name).messages


def alive(postgres: Server, name: str) -> list[int]:
    return [it.id for it in journal.read(postgres, name).members if not it.lost]
