"""Statements that every message pays for, given to the driver as text and one tuple of values.

SQLAlchemy takes 100 µs and more to execute a statement, and every step of the driver gives up the lock of the
interpreter, which the event loop then has to be asked for again. Here many rows are one statement, whose text
is made once for each number of rows. Tables, and how their values are written, are those of `schema`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Connection, Dialect, LargeBinary, Select, Table, Update, func, select
from sqlalchemy.sql.dml import ReturningUpdate

from engine.store import sqlite
from engine.store.dialect import numbered_cursor, place_of

MOST = 64
"""Rows, or keys, of one statement: SQLite takes 32,766 values, and the driver keeps every text's program."""

_TAKEN = (Boolean, LargeBinary)  # drivers take bool and bytes; SQLAlchemy only checks and wraps them
_Process = Callable[[Any], Any]


class _Rows:
    """Rows as the values of a statement, by their columns."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._table, self._names = table, names
        self._values_of = itemgetter(*names)
        self._processes = lru_cache(self._processes_of)

    def places(self, dialect: str, count: int) -> str:
        """What stands for so many rows behind VALUES."""
        width = len(self._names)
        places = [place_of(dialect, number) for number in range(1, count * width + 1)]
        return ", ".join(f"({', '.join(places[at : at + width])})" for at in range(0, len(places), width))

    def values(self, dialect: Dialect, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
        """What is put in these places."""
        width = len(self._names)
        values = list(chain.from_iterable(map(self._values_of, rows)))
        for place, process in self._processes(dialect):
            values[place::width] = _processed(process, values[place::width])
        return values

    def _processes_of(self, dialect: Dialect) -> list[tuple[int, _Process]]:
        """The places of columns whose values the driver does not take as they are, and what it takes."""
        types = [self._table.columns[name].type for name in self._names]
        processes = [
            None if isinstance(kind, _TAKEN) else kind.dialect_impl(dialect).bind_processor(dialect)
            for kind in types
        ]
        return [(place, process) for place, process in enumerate(processes) if process is not None]


class _Change:
    """A statement that changes many rows of a table."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._rows = _Rows(table, names)
        self._text = lru_cache(self.text)

    def text(self, dialect: str, rows: int) -> str:
        """The statement for so many rows, as the driver of this database takes it."""
        raise NotImplementedError

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """How many rows it has changed. Those that are given have a value for each of its columns."""
        if not rows:
            return 0
        cursor, changed = numbered_cursor(connection), 0
        for some in _parts(rows):
            text = self._text(connection.dialect.name, len(some))
            cursor.execute(text, self._rows.values(connection.dialect, some))
            changed += cursor.rowcount
        cursor.close()
        return changed


class Insert(_Change):
    """Adds rows to a table. ``unless_known`` names the columns of a unique constraint: rows that it would
    refuse are left out. ``without`` names columns in which a new row has nothing, or what the database counts
    up: the driver takes ten times as long for a NULL as for a number."""

    def __init__(
        self, table: Table, *, unless_known: Sequence[str] = (), without: Sequence[str] = ()
    ) -> None:
        names = [name for name in table.columns.keys() if name not in without]  # noqa: SIM118
        super().__init__(table, names)
        self._into = f"{table.name} ({', '.join(names)})"
        self._conflict = f" ON CONFLICT ({', '.join(unless_known)}) DO NOTHING" if unless_known else ""

    def text(self, dialect: str, rows: int) -> str:
        return f"INSERT INTO {self._into} VALUES {self._rows.places(dialect, rows)}{self._conflict}"


class Fill(_Change):
    """Sets these columns of the rows that have these numbers (``id``), each of which is given once, as far as
    they have nothing in the column ``unless``."""

    def __init__(self, table: Table, columns: Sequence[str], *, unless: str) -> None:
        super().__init__(table, ["id", *columns])
        values = ", ".join(f"{name} = given.column{place}" for place, name in enumerate(columns, 2))
        self._set = f"{table.name} SET {values}"
        self._where = f"{table.name}.id = given.column1 AND {table.name}.{unless} IS NULL"

    def text(self, dialect: str, rows: int) -> str:
        given = f"(VALUES {self._rows.places(dialect, rows)}) AS given"
        return f"UPDATE {self._set} FROM {given} WHERE {self._where}"


class Find:
    """The rows of a SELECT whose only parameter is a list of keys (an expanding bindparam). Its columns are
    numbers or texts: they come as the driver has them."""

    def __init__(self, statement: Select[Any], keys: str) -> None:
        self._statement, self._keys = statement, keys
        self._text = lru_cache(self._text_of)

    def run(self, connection: Connection, keys: Sequence[Any]) -> list[Sequence[Any]]:
        """Each key is looked for once; the rows come in any order."""
        cursor, rows = _cursor(connection), list[Sequence[Any]]()
        for some in _parts(list(dict.fromkeys(keys))):
            cursor.execute(self._text(connection.dialect, len(some)), some)
            rows += cursor.fetchall()
        cursor.close()
        return rows

    def _text_of(self, dialect: Dialect, keys: int) -> str:
        whole = self._statement.params({self._keys: [None] * keys})
        return str(whole.compile(dialect=dialect, compile_kwargs={"render_postcompile": True}))


def take_ids(connection: Connection, table: Table, count: int) -> Sequence[int]:
    """Numbers for so many new rows, in order. What one takes that is rolled back is lost.

    SQLite's are given out here; the last one is asked for once a connection, and again where another process
    has written meanwhile: it may have given out some as well. To be called in a transaction that writes, so
    that none does until it ends. PostgreSQL's are those of its sequences: not in the order of commits.
    """
    if connection.dialect.name == "postgresql":
        from engine.store import postgresql

        return postgresql.take_numbers(connection, table.name, count)
    version = sqlite.changes(connection)
    seen, last = connection.info.get(table.name, (None, 0))
    if seen != version:
        last = connection.execute(select(func.max(table.c.id))).scalar() or 0
    connection.info[table.name] = version, last + count
    return range(last + 1, last + count + 1)


class Statement:
    """A statement with as many parameters each time: no expanding bindparam. Its rows have the names and the
    types of its columns."""

    def __init__(self, statement: Select[Any] | Update | ReturningUpdate[Any]) -> None:
        self._statement = statement
        self._prepared = lru_cache(self._prepare)

    def run(self, connection: Connection, terms: Mapping[str, Any]) -> list[Any]:
        """The rows that it gives, none where it returns nothing."""
        text, parameters, columns, row_of = self._prepared(connection.dialect)
        cursor = _cursor(connection)
        cursor.execute(text, [value(terms) for value in parameters])
        rows = cursor.fetchall()
        cursor.close()
        for place, process in columns:
            rows = [(*row[:place], process(row[place]), *row[place + 1 :]) for row in rows]
        return list(map(row_of, rows))

    def _prepare(self, dialect: Dialect) -> _Prepared:
        compiled = self._statement.compile(dialect=dialect)
        if compiled.positiontup is None:
            raise NotImplementedError(dialect.name)
        types = {name: bind.type for bind, name in compiled.bind_names.items()}
        parameters = [
            _parameter(name, types[name].dialect_impl(dialect).bind_processor(dialect), compiled.params[name])
            for name in compiled.positiontup
        ]
        columns = list(self._statement.exported_columns)
        processes = [it.type.dialect_impl(dialect).result_processor(dialect, None) for it in columns]
        processed = [(place, process) for place, process in enumerate(processes) if process is not None]
        names = [column.name for column in columns]
        return _Prepared(str(compiled), parameters, processed, _row_of(names))


class _Prepared(NamedTuple):
    """A `Statement` for one database: its text, what makes each parameter of the terms, the places of columns
    whose values are made of those of the driver, and what makes a row."""

    text: str
    parameters: list[Callable[[Mapping[str, Any]], Any]]
    columns: Sequence[tuple[int, _Process]]
    row_of: Callable[[Iterable[Any]], Any]


def _row_of(names: Sequence[str]) -> Callable[[Iterable[Any]], Any]:
    fields = [(name, Any) for name in names]
    row: Any = NamedTuple("Row", fields)  # type: ignore[misc]
    return row._make


def _parameter(name: str, process: _Process | None, constant: Any) -> Callable[[Mapping[str, Any]], Any]:
    """Constants of the statement have names that SQLAlchemy gives, which terms do not use."""
    if process is None:
        return lambda terms: terms.get(name, constant)
    return lambda terms: process(terms.get(name, constant))


def _processed(process: _Process, values: Sequence[Any]) -> list[Any]:
    """Each object once: most rows of one statement are of one moment."""
    distinct = {id(value): value for value in values}
    processed = {key: process(value) for key, value in distinct.items()}
    return [processed[id(value)] for value in values]


def _cursor(connection: Connection) -> Any:
    return connection.connection.cursor()


def _parts(whole: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (whole[start : start + MOST] for start in range(0, len(whole), MOST))
