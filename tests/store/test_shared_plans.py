"""What engines on a shared journal ask again and again finds its rows by an index, as PostgreSQL goes about
it: of many messages and tasks it looks at few."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

from engine.routing.meaning import Meaning, Number, Occasion
from engine.store import Selection, gates, messages, outbox, queue, retention, schema, tasks, times
from engine.store.dialect import open_engine
from engine.store.links import messages_of
from engine.store.messages import journal, keep_ack
from engine.store.outbox import NewLetter
from engine.store.owners import Ticket
from tests.postgres import Server

from . import ARRIVED, PRIORS, execute, message, request
from .racing import ORDER, asking, claiming, do

MANY = 20_000
FEW = 500
NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)
LATER = NOW + DAY
_TOLD = """
    LOAD 'auto_explain';
    SET auto_explain.log_min_duration = 0;
    SET auto_explain.log_analyze = on;
    SET auto_explain.log_timing = off;
    SET client_min_messages = log;
    SET enable_seqscan = off
"""
_NODE = re.compile(r"Scan(?: Backward)?(?: using \w+)? on (\w+).*\(actual rows=([\d.]+) loops=(\d+)\)")
_LEFT_OUT = re.compile(r"Rows Removed by (?:Filter|Index Recheck): (\d+)")


@pytest.fixture(scope="module")
def full(postgres: Server) -> Iterator[str]:
    """A journal of many messages, each with a task that has arrived, and of some that wait."""
    name = postgres.take_journal()
    postgres.execute("VACUUM", database=name)  # what a test before has left in indexes counts too
    where = postgres.url(name)
    do(where, asking(1, request()), claiming(1), lambda it: tasks.finish(it, 1, ARRIVED, None))
    do(where, lambda it: keep_ack(it, [(1, b"MSA", "AA", letter())]), lambda it: outbox.delivered(it, 1))
    for table in ("messages", "tasks", "message_tasks", "occasions", "outbox"):
        _multiply(where, schema.metadata.tables[table])
    do(where, *(asking(n, request(f"1.{n}"), order=ORDER._replace(number=ORDER.other)) for n in range(20)))
    execute(where, "ANALYZE")
    yield where
    postgres.drop_database(name)


def _multiply(where: str, table: sa.Table) -> None:
    """The first row of a table, many times, each with numbers and digests of its own."""
    made = {
        "fingerprint": "sha256(n::text::bytea)",
        "alike": "sha256(n::text::bytea)",
        "number": "'P' || n",
        "other": "'F' || n",
    }
    own = [
        "n" if it.name in ("id", "message_id", "task_id") else made.get(it.name, it.name) for it in table.c
    ]
    names = ", ".join(it.name for it in table.c)
    source = f"(SELECT * FROM {table.name} LIMIT 1) AS first, generate_series(2, {MANY}) AS n"
    execute(where, f"INSERT INTO {table.name} ({names}) SELECT {', '.join(own)} FROM {source}")
    if "id" in table.c:
        execute(where, f"SELECT setval('{table.name}_id_seq', {MANY})")


def looked_at(where: str, ask: Callable[[Connection], object]) -> dict[str, int]:
    """How many rows of each table the statements have looked at, whether they took them or not."""
    told: list[str] = []
    with open_engine(where).connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        connection.exec_driver_sql(_TOLD)
        driver.add_notice_handler(lambda notice: told.append(notice.message_primary or ""))
        ask(connection)
        connection.rollback()
    rows: dict[str, int] = {}
    for plan in told:
        table, loops = "", 0
        for line in plan.splitlines():
            if node := _NODE.search(line):
                table, loops = node[1], int(node[3])
                rows[table] = rows.get(table, 0) + round(float(node[2]) * loops)
            elif left_out := _LEFT_OUT.search(line):
                rows[table] = rows.get(table, 0) + int(left_out[1]) * loops
    assert told
    return {table: rows[table] for table in rows if not table.startswith("pg_")}


def used(connection: Connection) -> object:
    (task,) = queue.newer(connection, MANY, 1)
    return gates.used(connection, task, NOW - DAY)


def withdraw(connection: Connection) -> object:
    order = Occasion("order", Number("P7", ""), Number("", ""))
    ((kept),) = journal(connection, [(message("cancel", meaning=Meaning(withdrawn=(order,))),)])
    assert kept.effect.wanted + kept.effect.canceled == 0
    return kept


@pytest.mark.parametrize(
    "ask",
    [
        tasks.recover,
        tasks.newest,
        queue.waiting_archives,
        tasks.to_cancel,
        tasks.strays,
        messages.unanswered,
        gates.expire,
        gates.next_expiry,
        used,
        withdraw,
        lambda it: queue.waiting(it, "pacs", 10, DAY, queue.EVERYTHING, None),
        lambda it: queue.next_due(it, "pacs", None),
        lambda it: outbox.due_letters(it, NOW, 10),
        lambda it: outbox.next_due(it, NOW),
        lambda it: retention.prune(it, 0, NOW, NOW + DAY, 10),
        lambda it: journal(
            it, [(message(("new", n), request(f"2.{n}"), request(PRIORS)),) for n in range(5)]
        ),
        lambda it: journal(it, [(message(("more", n), request(f"1.{n}")),) for n in range(5)]),
        lambda it: tasks.finish(it, MANY + 1, ARRIVED, None),
        lambda it: messages_of(it, 7),
        lambda it: times.numbers_between(it, NOW - DAY, NOW),
        lambda it: it.execute(sa.select(schema.tasks).where(*Selection(order="P7").conditions())).all(),
    ],
)
def test_no_table_is_read_from_end_to_end(full: str, ask: Callable[[Connection], object]) -> None:
    assert {table: rows for table, rows in looked_at(full, ask).items() if rows > FEW} == {}


def test_no_more_letters_are_taken_than_were_asked_for(shared: str) -> None:
    do(shared, asking(1), lambda it: outbox.post(it, [(1, letter())]), lambda it: outbox.delivered(it, 1))
    # PostgreSQL learns that nothing waits: for what does, it runs a subquery again for each row, if it may
    execute(shared, "ANALYZE")
    letters = [letter(port) for port in range(5)]
    do(shared, *(asking(n) for n in range(2, 7)), lambda it: outbox.post(it, list(enumerate(letters, 2))))
    with open_engine(shared).connect() as connection, connection.begin():
        of_an_engine = connection.execution_options(ticket=Ticket(1))
        assert [one.port for one in outbox.due_letters(of_an_engine, LATER, 2)] == [0, 1]


def letter(port: int = 2576) -> NewLetter:
    return NewLetter("his", port, b"MSH", control_id="FF1")
