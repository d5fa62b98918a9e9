"""What an engine asks at its start, again and again, or for each task finds its rows by an index: of a million
messages it must not read all, nor all tasks that wait or have ended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event

from engine.store import gates, messages, outbox, retention, tasks
from engine.store.dialect import open_engine

from . import message, opened, request

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
ALL_OF_A_STATUS = "(status=?)"


def used(connection: Connection) -> object:
    (task,) = tasks.newer(connection, 0, 1)
    return gates.used(connection, task, NOW - DAY)


def prune(connection: Connection) -> object:
    return retention.prune(connection, 0, NOW, NOW + DAY, 10)


def plans(connection: Connection, ask: Callable[[Connection], object]) -> list[str]:
    """How SQLite finds the rows of each statement."""
    found: list[str] = []

    def explain(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE")):
            driver = connection.connection.driver_connection
            assert driver is not None
            found.extend(row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", values))

    event.listen(connection, "before_cursor_execute", explain)
    ask(connection)
    event.remove(connection, "before_cursor_execute", explain)
    return found


@pytest.mark.parametrize(
    "ask",
    [
        tasks.recover,
        tasks.newest,
        tasks.waiting_archives,
        tasks.to_cancel,
        messages.unanswered,
        gates.expire,
        lambda connection: tasks.next_due(connection, "pacs"),
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
    scans = [it for it in found if it.startswith("SCAN") and "closures" not in it and "SUBQUERY" not in it]
    assert [it for it in scans if "USING INDEX messages_owed" not in it] == []


async def test_a_budget_is_counted_without_all_that_was_ever_moved(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        await store.journal(message(1, request()))
    with open_engine(tmp_path / "journal").connect() as connection, connection.begin():
        assert [it for it in plans(connection, used) if it.endswith(ALL_OF_A_STATUS)] == []
