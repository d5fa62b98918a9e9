"""What an engine asks at its start, again and again, or for each task finds its rows by an index.

Of a million messages it must not read all, nor all tasks that wait or have ended."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from engine.store import Selection, gates, messages, outbox, queue, retention, schema, tasks, times
from engine.store.dialect import open_engine

from . import message, opened, request

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
_SMALL = ("closures", "members", "found")
ALL_OF_A_STATUS = "(status=?)"


def used(connection: Connection) -> object:
    (task,) = queue.newer(connection, 0, 1)
    return gates.used(connection, task, NOW - DAY)


def prune(connection: Connection) -> object:
    return retention.prune(connection, 0, NOW, NOW + DAY, 10)


def plans(connection: Connection, ask: Callable[[Connection], object]) -> list[str]:
    """How SQLite finds the rows of each statement."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    said: list[str] = []
    driver.set_trace_callback(said.append)
    ask(connection)
    driver.set_trace_callback(None)
    asked = [it for it in said if it.startswith(("SELECT", "UPDATE", "DELETE", "WITH"))]
    return [row[3] for it in asked for row in driver.execute(f"EXPLAIN QUERY PLAN {it}")]


@pytest.mark.parametrize(
    "ask",
    [
        tasks.recover,
        tasks.newest,
        queue.waiting_archives,
        tasks.to_cancel,
        messages.unanswered,
        gates.expire,
        lambda connection: queue.next_due(connection, "pacs", None),
        lambda connection: outbox.due_letters(connection, NOW, 10),
        used,
        prune,
    ],
)
async def test_no_table_is_read_from_end_to_end(tmp_path: Path, ask: Callable[[Connection], object]) -> None:
    async with opened(tmp_path / "journal") as store:
        await store.journal(message(1, request()))
        await store.journal(message(2))
    with open_engine(tmp_path / "journal").connect() as connection, connection.begin():
        found = plans(connection, ask)
    assert found
    scans = [it for it in found if it.startswith("SCAN") and not it.endswith(_SMALL) and "SUBQUERY" not in it]
    assert [it for it in scans if "USING INDEX messages_owed" not in it] == []


async def test_a_time_a_page_and_an_order_are_found_without_reading_the_table(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        await store.journal(message(1, request()))
    page = sa.select(schema.messages).where(schema.messages.c.id < 9).order_by(schema.messages.c.id.desc())
    order = sa.select(schema.tasks).where(*Selection(order="P1").conditions())
    with open_engine(tmp_path / "journal").connect() as connection, connection.begin():
        found = plans(connection, lambda asked: times.numbers_between(asked, NOW - DAY, NOW))
        found += plans(connection, lambda asked: asked.execute(page.limit(5)).all())
        found += plans(connection, lambda asked: asked.execute(order).all())
    assert found
    assert [it for it in found if it.startswith("SCAN") or "TEMP B-TREE" in it] == []


async def test_a_budget_is_counted_without_all_that_was_ever_moved(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        await store.journal(message(1, request()))
    with open_engine(tmp_path / "journal").connect() as connection, connection.begin():
        assert [it for it in plans(connection, used) if it.endswith(ALL_OF_A_STATUS)] == []
