"""`forefetch store upgrade`: journals that earlier versions wrote, in the hands of this one."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, event, inspect

from engine.errors import StoreError
from engine.hl7.message import Message
from engine.retrieve.outcome import Cause, SubOperations, TaskStatus
from engine.retrieve.selector import PriorsOfPatient, SeriesFilter, StudiesOfAccession
from engine.retrieve.task import Priority
from engine.routing.meaning import Meaning, Number, Occasion
from engine.store import (
    Store,
    fingerprint,
    list_letters,
    list_tasks,
    standing,
    story_of,
    tasks_numbered,
)
from engine.store.dialect import open_engine
from engine.store.schema import VERSION, metadata
from engine.store.upgrade import STEPS, upgrade

from . import ARRIVED, message, opened, request
from .released import SCHEMAS, dump, restore

LATER = dt.datetime(2100, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
every_schema = pytest.mark.parametrize("number", SCHEMAS)


def upgraded(number: int, folder: Path) -> Path:
    """A journal that had this schema."""
    journal = restore(number, folder / "journal")
    upgrade(journal, backup=False)
    return journal


def rows(journal: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(journal)) as database:
        return database.execute(statement).fetchall()


@contextmanager
def on_connecting(statement: str) -> Iterator[None]:
    """Have each new connection of SQLAlchemy say this first."""

    def say(driver: sqlite3.Connection, _: object) -> None:
        driver.execute(statement)

    event.listen(Engine, "connect", say)
    try:
        yield
    finally:
        event.remove(Engine, "connect", say)


def steps_that_fail(folder: Path) -> Path:
    """The steps, of which the last one does all it has to, and then fails."""
    shutil.copytree(STEPS, folder / "steps")
    last = folder / "steps" / "versions" / f"schema_{VERSION}.py"
    last.write_text(last.read_text() + "    raise KeyError('a value of a patient')\n")
    return folder / "steps"


def test_a_journal_of_every_earlier_schema_is_kept_to_be_upgraded() -> None:
    assert list(range(1, VERSION)) == SCHEMAS


@every_schema
async def test_an_upgraded_journal_has_the_tables_and_indexes_of_a_new_one(
    number: int, tmp_path: Path
) -> None:
    journal, new = upgraded(number, tmp_path), tmp_path / "new"
    async with opened(new):
        pass
    with open_engine(journal).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' ORDER BY name"
    assert rows(journal, indexes) == rows(new, indexes)
    kinds = "SELECT name, wr FROM pragma_table_list ORDER BY name"
    assert rows(journal, kinds) == rows(new, kinds)


@every_schema
def test_every_task_is_read_with_its_story_as_it_stood(number: int, tmp_path: Path) -> None:
    journal = restore(number, tmp_path / "journal")
    stood = rows(journal, "SELECT id, status, attempts, message_id, parent_id FROM tasks ORDER BY id DESC")
    upgrade(journal, backup=False)
    tasks = list_tasks(journal)
    assert [(it.id, it.status, it.attempts, it.message_id, it.parent_id) for it in tasks] == stood
    for task in tasks:
        story = story_of(journal, task.id)
        assert story is not None
        assert story.messages
    assert standing(journal)


@every_schema
def test_what_tasks_want_and_how_they_ended_is_read(number: int, tmp_path: Path) -> None:
    journal = upgraded(number, tmp_path)
    arrived, priors, _, child, accession, failed = tasks_numbered(journal, range(1, 7))
    assert arrived.outcome is not None
    assert arrived.outcome.arrived
    assert arrived.outcome.counters == SubOperations(0, 7, 0, 1)
    assert arrived.request.instances == 8
    assert isinstance(priors.request.selector, PriorsOfPatient)
    criteria = priors.request.selector.criteria
    assert (criteria.modalities, criteria.newest, criteria.relevance) == (("CT", "MR"), 3, None)
    assert criteria.within == dt.timedelta(days=730)
    assert criteria.description == "(?i)schädel"
    assert [it.taken for it in priors.choices] == [True, True, False]
    assert (child.parent_id, child.request.priority) == (2, Priority.MEDIUM)
    assert accession.request.due == accession.not_before == LATER
    assert failed.outcome is not None
    assert (failed.outcome.cause, failed.outcome.comment) == (Cause.SOME_FAILED, "Störung")
    assert failed.request.priority is Priority.HIGH
    assert tasks_numbered(journal, [9])[0].request.priority is Priority.LOW


@every_schema
async def test_a_message_that_is_sent_again_after_the_upgrade_is_known(number: int, tmp_path: Path) -> None:
    journal = upgraded(number, tmp_path)
    kept = rows(journal, "SELECT id, raw, ack FROM messages WHERE version <> '' ORDER BY id")
    assert len(kept) >= 13
    async with opened(journal) as store:
        for message_id, raw, ack in kept:
            again = message("again", raw=raw, fingerprint=fingerprint(raw, Message(raw).header))
            found = await store.journal(again)
            assert (found.new, found.message_id, found.ack) == (False, message_id, ack)


@every_schema
async def test_a_need_that_waited_before_is_shared_with_who_asks_for_the_same(
    number: int, tmp_path: Path
) -> None:
    journal = upgraded(number, tmp_path)
    waiting = [it for it in tasks_numbered(journal, range(4, 12)) if it.status is TaskStatus.SCHEDULED]
    kinds = {it.request.selector.kind for it in waiting}
    assert kinds == {"study", "series", "accession", "priors"}
    async with opened(journal) as store:
        for task in waiting:
            found = await store.journal(message(f"new {task.id}", task.request))
            assert found.task_ids == (task.id,)
        other = StudiesOfAccession("ACC-3", SeriesFilter(("CT",)))
        newest = await store.newest_task()
        assert (await store.journal(message("other", request(other)))).task_ids == (newest + 1,)


@every_schema
async def test_tasks_go_on_after_the_upgrade(number: int, tmp_path: Path) -> None:
    journal = upgraded(number, tmp_path)
    async with opened(journal) as store:
        owed = await store.unanswered()
        assert [it.raw.split(b"|")[9] for it in owed] == [b"MSG-00011"]
        assert await store.recover() == 1
        stand = {it.id: it.status for it in list_tasks(journal)}
        assert stand[3] is stand[9] is TaskStatus.SCHEDULED  # interrupted; held by the switch
        assert stand[10] is TaskStatus.CANCELED
        merged = tasks_numbered(journal, [8])[0].request.selector
        assert isinstance(merged, PriorsOfPatient)
        assert merged.patient_id == "NEW"
        assert await store.identifiers("OLD", "HOSPITAL") == ("OLD", "NEW")
        claimed = await store.claim(3)
        assert claimed is not None
        assert claimed.attempts == 2
        assert await store.finish(3, ARRIVED) == ()
        new = await store.journal(message("new", request("1.2.99")))
        assert new.task_ids > (max(stand),)


@every_schema
@pytest.mark.parametrize(
    "occasion",
    [
        Occasion("order", Number("P2", "RIS"), Number("F2", "PACS"), ("4711",)),
        Occasion("pre-admission", Number("V13"), Number("4711"), ("4711",)),
    ],
)
async def test_an_order_or_visit_from_before_can_be_canceled(
    number: int, occasion: Occasion, tmp_path: Path
) -> None:
    async with opened(upgraded(number, tmp_path)) as store:
        cancel = await store.journal(message("cancel", meaning=Meaning(withdrawn=(occasion,))))
    if occasion.kind == "order":
        assert (cancel.withdrawn.canceled, cancel.withdrawn.running) == ((4,), (3,))
    else:
        assert cancel.withdrawn.canceled == (11,)


@pytest.mark.parametrize("number", [it for it in SCHEMAS if it >= 2])
def test_a_letter_that_waited_waits_on(number: int, tmp_path: Path) -> None:
    (letter,) = list_letters(upgraded(number, tmp_path))
    assert (letter.host, letter.port, letter.control_id) == ("127.0.0.1", 2576, "MSG-00014")


@pytest.mark.parametrize("number", [it for it in SCHEMAS if it >= 3])
def test_stories_and_what_searches_judge_by_are_kept(number: int, tmp_path: Path) -> None:
    journal = upgraded(number, tmp_path)
    story = story_of(journal, 14)
    assert story is not None
    assert [it.event.value for it in story.lines] == ["attempt failed", "held"]
    assert (story.task.missing, story.task.gate, story.task.failures) == (("1.2.15.1",), "operator", 1)
    (wise,) = tasks_numbered(journal, [13])
    assert isinstance(wise.request.selector, PriorsOfPatient)
    assert wise.expedited
    assert wise.request.selector.exam.texts == ('CT Schädel "nativ"\\n',)
    relevance = wise.request.selector.criteria.relevance
    assert relevance is not None
    assert [it.weight for it in relevance.vocabulary.relations] == [0.5, 1.0]
    assert relevance.vocabulary.body_parts[0].words == ("Schädel", "tête", "頭")
    assert len(rows(journal, "SELECT digest FROM criteria")) == 3


def test_a_copy_of_the_journal_as_it_was_is_kept_beside_it(tmp_path: Path) -> None:
    journal = restore(6, tmp_path / "journal")
    before = dump(journal)
    done = upgrade(journal)
    assert (done.before, done.after, done.copy) == (6, VERSION, tmp_path / "journal.schema-6")
    assert done.copy is not None
    assert dump(done.copy) == before
    assert stat.S_IMODE(done.copy.stat().st_mode) == 0o600
    again = upgrade(journal)
    assert (again.before, again.after, again.copy) == (VERSION, VERSION, None)


def test_an_earlier_copy_is_not_written_over(tmp_path: Path) -> None:
    journal = restore(6, tmp_path / "journal")
    (tmp_path / "journal.schema-6").write_text("precious")
    before = dump(journal)
    with pytest.raises(StoreError, match=r"is there already.*--no-backup"):
        upgrade(journal)
    assert dump(journal) == before
    assert (tmp_path / "journal.schema-6").read_text() == "precious"


def test_a_step_that_fails_leaves_the_journal_as_it_was(tmp_path: Path) -> None:
    journal = restore(4, tmp_path / "journal")
    before = dump(journal)
    with pytest.raises(StoreError, match="the journal is as it was") as caught:
        upgrade(journal, steps=steps_that_fail(tmp_path))
    assert f"step to schema {VERSION}" in str(caught.value)
    assert "patient" not in str(caught.value)
    assert dump(journal) == before
    assert not (tmp_path / "journal.schema-4").exists()


def test_on_a_full_disk_the_journal_stays_as_it_was(tmp_path: Path) -> None:
    journal = restore(2, tmp_path / "journal")
    before = dump(journal)
    ((pages,),) = rows(journal, "PRAGMA page_count")
    with (
        on_connecting(f"PRAGMA max_page_count = {pages}"),
        pytest.raises(StoreError, match="free some space"),
    ):
        upgrade(journal)
    assert dump(journal) == before
    assert not (tmp_path / "journal.schema-2").exists()


def test_a_journal_that_may_not_be_written_is_not_upgraded(tmp_path: Path) -> None:
    journal = restore(6, tmp_path / "journal")
    with (
        on_connecting("PRAGMA query_only = ON"),
        pytest.raises(StoreError, match="writable for this user"),
    ):
        upgrade(journal)
    assert rows(journal, "SELECT schema_version FROM meta") == [(6,)]
    assert not (tmp_path / "journal.schema-6").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_takes_no_copy(tmp_path: Path) -> None:
    journal = restore(6, tmp_path / "journal")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreError, match="writable for this user"):
            upgrade(journal)
    finally:
        tmp_path.chmod(0o700)


async def test_a_journal_that_an_engine_runs_on_is_not_upgraded(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with opened(journal):
        with pytest.raises(StoreError, match="another forefetch is running on it; stop that one"):
            upgrade(journal)


def as_schema_6(shared: str) -> None:
    """Take away what schema 7 has added. It is the first that PostgreSQL had."""
    engine = open_engine(shared)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE members, seals, passages, breakers")
        for table in ("messages", "tasks", "outbox"):
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN member_id")
        connection.exec_driver_sql("UPDATE meta SET schema_version = 6")
    engine.dispose()


def test_steps_are_taken_in_a_shared_database(shared: str) -> None:
    as_schema_6(shared)
    with pytest.raises(StoreError, match="`forefetch store upgrade`"):
        list_tasks(shared)
    done = upgrade(shared)
    assert (done.before, done.after, done.copy) == (6, VERSION, None)
    assert list_tasks(shared) == []
    engine = open_engine(shared)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_step_that_fails_leaves_a_shared_database_as_it_was(shared: str, tmp_path: Path) -> None:
    as_schema_6(shared)
    with pytest.raises(StoreError, match="the journal is as it was"):
        upgrade(shared, steps=steps_that_fail(tmp_path))
    engine = open_engine(shared)
    with engine.connect() as connection:
        assert not inspect(connection).has_table("members")
        assert connection.exec_driver_sql("SELECT schema_version FROM meta").scalar() == 6
    engine.dispose()


async def test_a_shared_journal_that_engines_run_on_is_not_upgraded(shared: str) -> None:
    store = Store.open(shared)
    try:
        with pytest.raises(StoreError, match=rf"engines are at work on it: .*:{os.getpid()}; stop them"):
            upgrade(shared)
    finally:
        await store.close()
    assert upgrade(shared).before == VERSION


@pytest.mark.parametrize("content", ["CREATE TABLE songs (title TEXT)", None])
def test_what_is_no_journal_is_not_upgraded(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "other"
    if content is not None:
        with closing(sqlite3.connect(path)) as database:
            database.execute(content)
    with pytest.raises(StoreError, match="no journal"):
        upgrade(path)
    assert path.exists() is (content is not None)


@every_schema
def test_an_older_journal_is_refused_with_the_command_that_helps(number: int, tmp_path: Path) -> None:
    journal = restore(number, tmp_path / "journal")
    before = dump(journal)
    for use in (Store.open, list_tasks):
        with pytest.raises(StoreError, match=f"schema {number}.*schema {VERSION}.*`forefetch store upgrade`"):
            use(journal)
    assert dump(journal) == before


def test_alembic_is_imported_by_the_upgrade_alone() -> None:
    program = "import engine.cli, engine.app, engine.store.copying, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "engine.app" in imported
    assert not imported & {"alembic", "mako", "engine.store.upgrade"}
