"""`forefetch store copy`: a journal in another place, with all that it had."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from engine.errors import StoreError
from engine.store import Store, list_tasks, story_of
from engine.store.copying import TABLES, copy
from engine.store.dialect import open_engine
from engine.store.schema import members
from engine.store.upgrade import upgrade

from . import ARRIVED, RECEIVED, message, opened, request
from .released import SCHEMAS, restore


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """One with something in almost every table."""
    path = restore(SCHEMAS[-1], tmp_path / "journal")
    upgrade(path, backup=False)
    return path


def contents(where: str | Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that a copy has, as they are read."""
    engine = open_engine(where)
    with engine.connect() as connection:
        found = {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in TABLES
        }
    engine.dispose()
    return found


async def test_a_copy_has_every_row_with_its_number(journal: Path, where: str | Path) -> None:
    target = where if isinstance(where, str) else where.with_name("copy")
    had = contents(journal)
    told: list[tuple[int, int]] = []
    counts = copy(journal, target, lambda done, whole: told.append((done, whole)))
    assert counts == {name: len(rows) for name, rows in had.items()}
    assert counts["messages"] > 13
    assert counts["story"]
    assert told[-1] == (sum(counts.values()),) * 2
    assert contents(target) == contents(journal) == had
    for task in list_tasks(journal):
        assert story_of(target, task.id) == story_of(journal, task.id)


async def test_work_goes_on_in_the_copy_with_new_numbers(journal: Path, where: str | Path) -> None:
    target = where if isinstance(where, str) else where.with_name("copy")
    copy(journal, target)
    newest = max(task.id for task in list_tasks(journal))
    store = Store.open(target)
    try:
        assert await store.recover() == 1
        assert await store.claim(3) is not None
        assert await store.finish(3, ARRIVED) == ()
        new = await store.journal(message("new", request("1.2.99")))
        assert new.new
        assert new.task_ids == (newest + 1,)
    finally:
        await store.close()


async def test_a_copy_can_come_back_from_a_shared_database(
    journal: Path, shared: str, tmp_path: Path
) -> None:
    copy(journal, shared)
    copy(shared, tmp_path / "back")
    assert contents(tmp_path / "back") == contents(journal)


async def test_texts_with_nul_show_it_in_a_shared_database_and_bytes_keep_it(
    tmp_path: Path, shared: str
) -> None:
    raw = b"MSH|^~\\&|\x00\r"
    async with opened(tmp_path / "journal") as store:
        await store.journal(message("A\0B", raw=raw))
    copy(tmp_path / "journal", shared)
    (row,) = contents(shared)["messages"]
    assert "A\u2400B" in row
    assert raw in row


async def test_who_had_what_in_hand_does_not_go_along(journal: Path, shared: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(journal, isolation_level=None)) as database:
        for table in ("tasks", "messages", "outbox"):
            database.execute(f"UPDATE {table} SET member_id = 7")
    copy(journal, shared)
    copy(journal, tmp_path / "copy")
    for where in (shared, tmp_path / "copy"):
        engine = open_engine(where)
        with engine.connect() as connection:
            for name in ("tasks", "messages", "outbox"):
                owners = connection.exec_driver_sql(f"SELECT DISTINCT member_id FROM {name}")
                assert owners.scalars().all() == [None]
        engine.dispose()


async def test_only_an_empty_place_takes_a_copy(journal: Path, where: str | Path) -> None:
    target = where if isinstance(where, str) else where.with_name("taken")
    store = Store.open(target)
    await store.journal(message(1, request()))
    await store.close()
    before = contents(target)
    with pytest.raises(StoreError, match=r"is not empty \(1 rows of messages\); name a file or database"):
        copy(journal, target)
    assert contents(target) == before


async def test_a_place_that_has_an_empty_journal_takes_a_copy(journal: Path, tmp_path: Path) -> None:
    async with opened(tmp_path / "copy"):
        pass
    copy(journal, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(journal)


async def test_a_journal_that_an_engine_runs_on_is_neither_copied_nor_written_over(
    journal: Path, where: str | Path
) -> None:
    other = where if isinstance(where, str) else where.with_name("other")
    store = Store.open(other)
    try:
        for one, two in ((other, journal.with_name("new")), (journal, other)):
            with pytest.raises(StoreError, match=r"running on it|at work on it"):
                copy(one, two)
    finally:
        await store.close()
    assert not journal.with_name("new").exists()


class Interrupted(Exception):
    """By somebody who does not want to wait."""


def in_the_middle(done: int, whole: int) -> None:
    if done > whole // 2:
        raise Interrupted


def test_half_a_copy_is_none(journal: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        copy(journal, tmp_path / "copy", in_the_middle)
    assert not (tmp_path / "copy").exists()


def test_half_a_copy_leaves_a_database_empty(journal: Path, shared: str) -> None:
    with pytest.raises(Interrupted):
        copy(journal, shared, in_the_middle)
    assert not any(contents(shared).values())


def test_a_journal_of_an_earlier_schema_is_upgraded_first(tmp_path: Path) -> None:
    journal = restore(6, tmp_path / "journal")
    with pytest.raises(StoreError, match="`forefetch store upgrade`") as caught:
        copy(journal, tmp_path / "copy")
    assert str(caught.value).count("journal ") == 1
    assert not (tmp_path / "copy").exists()


def test_a_journal_is_not_copied_to_itself(journal: Path) -> None:
    with pytest.raises(StoreError, match="cannot be copied to itself"):
        copy(journal, journal.parent / "." / journal.name)


def test_a_journal_that_is_not_there_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no journal"):
        copy(tmp_path / "missing", tmp_path / "copy")
    assert list(tmp_path.iterdir()) == []


def test_an_engine_that_died_is_waited_for_and_may_not_write_any_more(shared: str, tmp_path: Path) -> None:
    engine = open_engine(shared)
    told = dict.fromkeys(("name", "address", "version"), "")
    dead = {**told, "stand_in": False, "started_at": RECEIVED, "beat": 9, "seen_at": RECEIVED}
    with engine.connect() as connection, connection.begin():
        connection.execute(insert(members).values(dead))
    copy(shared, tmp_path / "copy")
    with engine.connect() as connection:
        assert connection.execute(select(members.c.lost_at)).scalar() is not None
    engine.dispose()
