"""A journal that is full, for the benches: rows like those that an engine of this version has written itself,
as many as are asked for.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from engine.hl7.message import Header
from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus
from engine.store import fingerprint
from engine.store.dialect import open_engine
from engine.store.rows import end_row
from engine.store.schema import links, messages, occasions, tasks
from tests.bench.bench_intake import routes
from tests.bench.engine import serving
from tests.bench.load import ORDER, load, order

MATCHING = """
  - name: priors
    messages: [ORM^O01]
    acknowledge: accepted
    when: [{field: PV1-3.2, equals: SCAN}]
    studies: [{study: ZDS-1.1}]
    from: main
    to: reading
"""
# A component of a UID does not begin with a zero
MATCHED = ORDER.replace("O|RAD^WAITING", "O|RAD^SCAN").replace(".@NUMBER@^FORE", ".1@NUMBER@^FORE")
_NUMBER, _TIME = "0" * 12, "20000101000000"  # of a sample, in whatever is kept of it
_AGE = dt.timedelta(days=100)  # of the oldest message
_AT_ONCE = 10_000
_ARRIVED = Outcome(
    TaskStatus.COMPLETED, Cause.ARRIVED, "3 objects arrived", counters=SubOperations(0, 3, 0, 0), arrived=True
)
_WAITS = {"status": "SCHEDULED", "gate": "", "reason": "", "cause": "", "outcome": None}

Row = dict[str, Any]


def rules() -> str:
    """Twenty routes that take none of these messages, and one that takes those that are `MATCHED`."""
    return routes(20) + MATCHING


def fill(path: Path, *, number: int, tasked: int, waiting: int) -> None:
    """Messages, ``tasked`` of which have a task each; the newest ``waiting`` of these are due in an hour, the
    others have arrived."""
    samples = _samples(path.parent)
    with open_engine(path).connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            driver.execute(f"PRAGMA {pragma}")
        with connection.begin():
            for table, rows in _rows(samples, number, tasked, waiting):
                connection.execute(insert(table), rows)
        driver.execute("PRAGMA journal_mode = WAL")


def _samples(folder: Path) -> dict[str, list[Row]]:
    """What an engine keeps of a message that no route takes, and of one that has a task, by table. Leaves
    an empty journal in the folder."""
    with serving(folder, rules()) as engine:
        for salt, text in ((1, ORDER), (2, MATCHED)):
            load(engine.address, order(salt, text.replace("{time}", _TIME)), connections=1, seconds=0, most=1)
    with open_engine(folder / "journal.db").connect() as connection, connection.begin():
        found = {table.name: _all(connection, table) for table in (messages, tasks, links, occasions)}
        for table in (occasions, links, tasks, messages):
            connection.execute(table.delete())
    return found


def _all(connection: Connection, table: Table) -> list[Row]:
    return [dict(row._mapping) for row in connection.execute(select(table))]


def _rows(
    samples: Mapping[str, list[Row]], count: int, tasked: int, waiting: int
) -> Iterator[tuple[Table, list[Row]]]:
    """In portions that one statement inserts, what is referred to first."""
    begin, step = dt.datetime.now(dt.UTC) - _AGE, _AGE / count
    every = count // tasked
    unmatched, matched = samples[messages.name]
    for first in range(1, count + 1, _AT_ONCE):
        portion: dict[Table, list[Row]] = {messages: [], tasks: [], links: [], occasions: []}
        for number in range(first, min(first + _AT_ONCE, count + 1)):
            at, (task_id, left) = begin + number * step, divmod(number, every)
            portion[messages].append(_message(unmatched if left else matched, number, at))
            if left == 0:
                waits = task_id > tasked - waiting
                portion[tasks].append(_task(samples[tasks.name][0], number, task_id, at, waits=waits))
                portion[links].append({"message_id": number, "task_id": task_id})
                portion[occasions] += _occasions(samples[occasions.name], number)
        yield from ((table, rows) for table, rows in portion.items() if rows)


def _occasions(of_sample: list[Row], number: int) -> Iterator[Row]:
    return ({**_numbered(row, number), "id": None, "message_id": number} for row in of_sample)


def _message(sample: Row, number: int, at: dt.datetime) -> Row:
    row, time = _numbered(sample, number), f"{at:%Y%m%d%H%M%S}"
    raw = row["raw"].replace(_TIME.encode(), time.encode())
    known_by = fingerprint(raw, Header(time=time, control_id=row["control_id"]))
    return {**row, "id": number, "received_at": at, "raw": raw, "fingerprint": known_by, "acked_at": at}


def _task(sample: Row, message_id: int, number: int, at: dt.datetime, *, waits: bool) -> Row:
    now = dt.datetime.now(dt.UTC)
    row = {
        **_numbered(sample, message_id),
        "id": number,
        "message_id": message_id,
        "created_at": at,
        "began_at": None if waits else at,
    }
    row["alike"] = hashlib.sha256(row["selector"].encode()).digest()
    if waits:
        return {**row, **_WAITS, "due_at": now + dt.timedelta(hours=1)}
    return {**row, **end_row(_ARRIVED, at)}


def _numbered(sample: Row, number: int) -> Row:
    text = f"{number:012d}"
    return {name: _replaced(value, text) for name, value in sample.items()}


def _replaced(value: Any, text: str) -> Any:
    if isinstance(value, bytes):
        return value.replace(_NUMBER.encode(), text.encode())
    return value.replace(_NUMBER, text) if isinstance(value, str) else value
