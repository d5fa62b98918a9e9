from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from engine.errors import StoreError
from engine.store import Store, list_tasks
from engine.store.dialect import open_engine
from engine.store.schema import VERSION, metadata

from . import message, opened, request


async def test_a_new_journal_is_created_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "a journal?#%.db"
    async with opened(path) as store:
        assert (await store.journal(message(1))).new
    assert sorted(os.listdir(tmp_path)) == [path.name, f"{path.name}-lock"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


async def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal"):
        pass
    with open_engine(tmp_path / "journal").connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 5000]


def test_a_directory_that_is_missing_is_not_created(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="its directory must exist") as caught:
        Store.open(tmp_path / "missing" / "journal")
    assert isinstance(caught.value.__cause__, OSError)
    assert not (tmp_path / "missing").exists()


def test_a_directory_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="directory"):
        Store.open(tmp_path)


def test_a_file_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, and long enough to be taken for a header of a database\n" * 50)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="a file of something else"):
        Store.open(path)
    with pytest.raises(StoreError, match="a file of something else"):
        list_tasks(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE songs (title TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no journal of forefetch"):
        Store.open(path)
    with pytest.raises(StoreError, match="no journal of forefetch"):
        list_tasks(path)
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("UPDATE meta SET schema_version = ?", (VERSION + 1,))
    with pytest.raises(StoreError, match=f"schema {VERSION + 1}, which is newer"):
        Store.open(path)
    with pytest.raises(StoreError, match=f"schema {VERSION + 1}, which is newer"):
        list_tasks(path)


async def test_a_file_that_is_held_by_another_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process holds it"):
            Store.open(path, busy_timeout=0.01)


async def test_a_database_that_refuses_to_be_written_is_refused(tmp_path: Path) -> None:
    def protect(driver: sqlite3.Connection, _: object) -> None:
        driver.execute("PRAGMA query_only = ON")

    path = tmp_path / "journal"
    async with opened(path):
        pass
    event.listen(Engine, "connect", protect)
    try:
        with pytest.raises(StoreError, match="writable for this user"):
            Store.open(path)
    finally:
        event.remove(Engine, "connect", protect)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_file_that_may_not_be_written_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    async with opened(path):
        pass
    path.chmod(0o400)
    with pytest.raises(StoreError, match="writable for this user"):
        Store.open(path)


async def test_a_file_without_a_byte_becomes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch()
    async with opened(path) as store:
        assert (await store.journal(message(1, request()))).new


def test_the_schema_can_be_said_in_postgresql() -> None:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    said = {table.name: str(CreateTable(table).compile(dialect=dialect)) for table in metadata.sorted_tables}
    said |= {
        str(index.name): str(CreateIndex(index).compile(dialect=dialect))
        for table in metadata.sorted_tables
        for index in table.indexes
    }
    assert set(said) == {
        *("meta", "messages", "tasks", "message_tasks", "occasions", "merges", "outbox"),
        *("story", "closures", "tasks_of_patient", "tasks_expiring", "story_of_task"),
        *("tasks_waiting", "tasks_alike", "messages_of_task", "outbox_waiting"),
        *("messages_owed", "tasks_at_gate", "criteria", "members", "seals", "passages", "breakers"),
        *("occasions_number", "occasions_other", "occasions_message", "merges_old", "merges_new"),
    }
    assert "BIGSERIAL" in said["messages"]
    assert "message_id BIGINT NOT NULL" in said["message_tasks"]
    assert "SERIAL" not in said["message_tasks"]
    assert "TIMESTAMP WITH TIME ZONE" in said["tasks"]


async def test_a_second_engine_on_the_same_journal_is_turned_away_until_the_first_ends(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal"
    async with opened(path):
        with pytest.raises(StoreError, match="another forefetch is running on it"):
            Store.open(path)
    async with opened(path) as store:
        assert await store.waiting_archives() == set()
