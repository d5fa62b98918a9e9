"""Statements of many rows, beside SQLAlchemy's own of one and a model that has none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    insert,
    select,
)

from engine.store.dialect import open_engine
from engine.store.rapid import MOST, Fill, Find, Insert, take_ids
from engine.store.schema import UtcDateTime, messages, tasks

AROUND = sorted({0, 1, 2, *range(MOST - 1, MOST + 3), *range(2 * MOST - 1, 2 * MOST + 2)})
EAST = dt.timezone(dt.timedelta(hours=5, minutes=45))

metadata = MetaData()
words = Table("words", metadata, Column("id", Integer, primary_key=True), Column("word", Text, unique=True))
sorts = Table(
    "sorts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text),
    Column("bytes", LargeBinary),
    Column("flag", Boolean),
    Column("number", Integer),
    Column("fraction", Float),
    Column("at", UtcDateTime),
)
ADD = Insert(words, unless_known=["word"])
FIND = Find(
    select(words.c.id, words.c.word).where(words.c.word.in_(bindparam("keys", expanding=True))), "keys"
)


def in_memory() -> Connection:
    connection = create_engine("sqlite://").connect()
    metadata.create_all(connection)
    return connection


@pytest.fixture
def connection() -> Iterator[Connection]:
    with in_memory() as connection:
        yield connection


def rows(every: list[str], start: int = 1) -> list[dict[str, Any]]:
    return [{"id": number, "word": word} for number, word in enumerate(every, start)]


def kept(connection: Connection) -> dict[str, int]:
    return {row.word: row.id for row in connection.execute(select(words))}


@pytest.mark.parametrize("count", AROUND)
def test_any_number_of_rows_is_added_and_found(count: int, connection: Connection) -> None:
    every = [f"word {number}" for number in range(count)]
    assert ADD.run(connection, rows(every)) == count
    assert kept(connection) == {word: number for number, word in enumerate(every, 1)}
    found = FIND.run(connection, [*every, *every, "no such word"])
    assert {tuple(row) for row in found} == {(number, word) for number, word in enumerate(every, 1)}
    assert len(found) == count


@pytest.mark.parametrize("count", AROUND)
def test_what_is_known_is_left_out_and_not_counted(count: int, connection: Connection) -> None:
    every = [f"word {number}" for number in range(count)]
    before = every[:: max(1, count // 3)]
    ADD.run(connection, rows(before))
    assert ADD.run(connection, rows(every, start=1000)) == count - len(before)
    assert set(kept(connection)) == set(every)
    assert all(kept(connection)[word] == number for number, word in enumerate(before, 1))


@given(st.lists(st.lists(st.integers(0, 150), max_size=2 * MOST + 2), max_size=4))
def test_batches_with_repeated_rows_keep_the_first_of_each(batches: list[list[int]]) -> None:
    naive: dict[str, int] = {}
    with in_memory() as connection:
        for batch in batches:
            ids = take_ids(connection, words, len(batch))
            numbered = rows([f"word {number}" for number in batch], start=ids[0] if ids else 1)
            before = len(naive)
            for row in numbered:
                naive.setdefault(row["word"], row["id"])
            assert ADD.run(connection, numbered) == len(naive) - before
            assert kept(connection) == naive


def test_values_of_every_sort_are_written_as_sqlalchemy_writes_them(connection: Connection) -> None:
    at = dt.datetime(2024, 2, 29, 23, 59, 59, 1, EAST)
    samples: list[dict[str, Any]] = [
        {
            "text": "Zoë \x00 '",
            "bytes": bytes(range(256)),
            "flag": True,
            "number": -1,
            "fraction": 0.1,
            "at": at,
        },
        {
            "text": "",
            "bytes": b"",
            "flag": False,
            "number": 2**62,
            "fraction": -1e300,
            "at": at.astimezone(dt.UTC),
        },
        dict.fromkeys(["text", "bytes", "flag", "number", "fraction", "at"]),
    ]
    Insert(sorts).run(connection, [{"id": number, **it} for number, it in enumerate(samples)])
    connection.execute(insert(sorts), [{"id": number + 10, **it} for number, it in enumerate(samples)])
    ours, theirs = (
        [
            tuple(row[1:])
            for row in connection.exec_driver_sql(f"SELECT * FROM sorts WHERE {which} ORDER BY id")
        ]
        for which in ("id < 10", "id >= 10")
    )
    assert ours == theirs
    columns = select(*(column for column in sorts.c if column.name != "id")).where(sorts.c.id < 10)
    assert [dict(row._mapping) for row in connection.execute(columns)] == samples


def test_rows_without_numbers_are_counted_up_by_the_database(connection: Connection) -> None:
    added = Insert(words, without=["id"])
    assert added.run(connection, [{"word": word} for word in "abc"]) == 3
    assert kept(connection) == {"a": 1, "b": 2, "c": 3}


def test_a_time_without_its_zone_is_refused(connection: Connection) -> None:
    sample = dict.fromkeys(column.name for column in sorts.c) | {
        "at": dt.datetime.now(EAST).replace(tzinfo=None)
    }
    with pytest.raises(ValueError, match="without a time zone"):
        Insert(sorts).run(connection, [sample])


def test_a_row_that_another_constraint_refuses_is_no_known_one(tmp_path: Path) -> None:
    """Of a number that was given twice nothing may be left out without a word."""
    with open_engine(tmp_path / "words").connect() as connection, connection.begin():
        metadata.create_all(connection)
        ADD.run(connection, rows(["one"]))
        with pytest.raises(connection.dialect.loaded_dbapi.IntegrityError):
            ADD.run(connection, rows(["two"]))


@pytest.mark.parametrize("count", AROUND)
def test_rows_that_have_nothing_there_are_changed(count: int, connection: Connection) -> None:
    ADD.run(connection, [{"id": n, "word": None if n % 3 else f"word {n}"} for n in range(count)])
    changed = Fill(words, ["word"], unless="word").run(
        connection, [{"id": n, "word": f"new {n}"} for n in range(count + 5)]
    )
    assert changed == sum(n % 3 != 0 for n in range(count))
    assert kept(connection) == {f"new {n}" if n % 3 else f"word {n}": n for n in range(count)}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (
            lambda: Insert(words, unless_known=["word"]),
            "INSERT INTO words (id, word) VALUES ($1, $2), ($3, $4) ON CONFLICT (word) DO NOTHING",
        ),
        (lambda: Insert(words, without=["id"]), "INSERT INTO words (word) VALUES ($1), ($2)"),
        (
            lambda: Fill(words, ["word"], unless="word"),
            "UPDATE words SET word = given.column2 FROM (VALUES ($1, $2), ($3, $4)) AS given"
            " WHERE words.id = given.column1 AND words.word IS NULL",
        ),
    ],
)
def test_the_same_is_said_in_postgresql(statement: Callable[[], Insert | Fill], said: str) -> None:
    assert statement().text("postgresql", 2) == said


def test_numbers_go_on_behind_the_last_and_are_given_once(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "words")
    with engine.connect() as connection, connection.begin():
        metadata.create_all(connection)
        assert list(take_ids(connection, words, 2)) == [1, 2]
        assert list(take_ids(connection, sorts, 1)) == [1]
    with engine.connect() as connection:
        with connection.begin() as transaction:
            ADD.run(connection, rows(["a", "b", "c"], start=take_ids(connection, words, 3)[0]))
            transaction.rollback()
        with connection.begin():
            assert list(take_ids(connection, words, 1)) == [4]
            ADD.run(connection, rows(["d"], start=4))
    with engine.connect() as connection, connection.begin():
        assert take_ids(connection, words, 0) == range(5, 5)
        assert list(take_ids(connection, words, 2)) == [5, 6]


def test_the_values_of_a_statement_are_not_too_many_for_sqlite() -> None:
    assert max(len(messages.columns), len(tasks.columns)) * MOST < 32_766
