"""Going through what a table has while a step changes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alembic import op
from sqlalchemy import ColumnElement, Row, TableClause, bindparam, select, update

_AT_ONCE = 1000  # rows in memory: some have a whole message


def in_parts(table: TableClause, *conditions: ColumnElement[bool]) -> Iterator[Sequence[Row[Any]]]:
    """The rows of a table that has an ``id``, oldest first. They may be changed as they come."""
    after, rows = 0, select(table).where(*conditions).order_by(table.c.id).limit(_AT_ONCE)
    while found := op.get_bind().execute(rows.where(table.c.id > after)).all():
        yield found
        after = found[-1].id


def fill_in(table: TableClause, values: Sequence[Mapping[str, Any]]) -> None:
    """Change rows: of each its ``id`` and the columns that get another value, the same ones of all."""
    if values:
        names = [name for name in values[0] if name != "id"]
        change = update(table).where(table.c.id == bindparam("of_row"))
        change = change.values({name: bindparam(f"new_{name}") for name in names})
        rows = [{"of_row": it["id"], **{f"new_{name}": it[name] for name in names}} for it in values]
        op.get_bind().execute(change, rows)
