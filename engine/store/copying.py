"""Copying a journal into an empty one, of the same or the other kind of database: how a file becomes a
database that several engines share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Table, func, insert, select
from sqlalchemy.engine import make_url

from engine.errors import StoreError
from engine.place import is_shared, told
from engine.store import schema
from engine.store.alone import alone, named

_AT_ONCE = 500  # rows in memory, and the driver's of one statement
_LEFT = (schema.meta, schema.members, schema.seals)  # engines are on one journal only
TABLES = tuple(table for table in schema.metadata.sorted_tables if table not in _LEFT)

Progress = Callable[[int, int], None]
"""Is told how many rows are copied, of how many."""


def copy(source: str | Path, target: str | Path, progress: Progress | None = None) -> dict[str, int]:
    """Copy all that a journal has, with its numbers; how many rows of each table. All of it is one
    transaction of the target, whose tables are made where there are none.

    Blocks for as long as it takes. StoreError: one of them cannot be used or is in use, ``target`` has
    something already, or not all has arrived; nothing has changed then.
    """
    if _same(source, target):
        raise StoreError(f"{told(source)} cannot be copied to itself")
    with alone(source) as origin:
        schema.check(origin)
        counts = _counts(origin)
        with alone(target, create=True) as goal:
            schema.prepare(goal)
            _see_that_it_is_empty(goal)
            every = _every_row(source, origin)
            _fill(goal, every, sum(counts.values()), progress or (lambda _, __: None))
            if (arrived := _counts(goal)) != counts:
                wrong = next(name for name in counts if arrived[name] != counts[name])
                raise StoreError(f"of {counts[wrong]} rows of {wrong} {arrived[wrong]} have arrived")
    return counts


def _same(one: str | Path, other: str | Path) -> bool:
    if is_shared(one) and is_shared(other):
        return make_url(str(one)) == make_url(str(other))
    return not is_shared(one) and not is_shared(other) and Path(one).resolve() == Path(other).resolve()


def _see_that_it_is_empty(goal: Connection) -> None:
    for name, count in _counts(goal).items():
        if count:
            raise StoreError(
                f"it is not empty ({count} rows of {name}); name a file or database without a journal"
            )


def _every_row(source: str | Path, origin: Connection) -> Iterator[tuple[Table, list[Row[Any]]]]:
    """Some at a time, those that others name first."""
    with named(source):
        stream = origin.execution_options(yield_per=_AT_ONCE)
        for table in TABLES:
            for rows in stream.execute(select(table).order_by(*table.primary_key)).partitions():
                yield table, list(rows)


def _fill(
    goal: Connection, every: Iterable[tuple[Table, list[Row[Any]]]], whole: int, progress: Progress
) -> None:
    done = 0
    for table, rows in every:
        goal.execute(insert(table), [_values(row) for row in rows])
        progress(done := done + len(rows), whole)
    if goal.dialect.name == "postgresql":
        for table in TABLES:
            if "id" in table.c:
                _count_on(goal, table)


def _values(row: Row[Any]) -> dict[str, Any]:
    values = dict(row._mapping)
    return {**values, "member_id": None} if "member_id" in values else values


def _count_on(goal: Connection, table: Table) -> None:
    """New rows get numbers after those that are copied; PostgreSQL does not count those."""
    last = goal.execute(select(func.max(table.c.id))).scalar()
    if last is not None:
        goal.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "id"), last)))


def _counts(connection: Connection) -> dict[str, int]:
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in TABLES
    }
