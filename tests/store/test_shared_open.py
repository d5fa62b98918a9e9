"""A journal in PostgreSQL, and what is said where it cannot be used."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest

from engine.errors import StoreError
from engine.retrieve.task import Verb
from engine.store import NewLetter, Selection, Store, list_tasks, story_of
from engine.store.dialect import open_engine
from engine.store.messages import keep_ack
from engine.store.outbox import delivered
from engine.store.retention import prune
from tests.peers.processes import closed_port
from tests.postgres import Server
from tests.postgres_folder import GUARDED

from . import PRIORS, execute, message, opened, request
from .racing import LATER, OTHER, S, arriving, asking, canceling, claiming, do, finding, verb

SECRET = "not-to-be-told"
Open = Callable[[str], object]
either = pytest.mark.parametrize("use", [Store.open, list_tasks])


@pytest.fixture
def database(postgres: Server) -> Iterator[str]:
    """The name of an empty one."""
    name = postgres.new_database()
    yield name
    postgres.drop_database(name)


def refused(use: Open, where: str) -> str:
    """What is said, which is not the password."""
    with pytest.raises(StoreError) as caught:
        use(where)
    assert SECRET not in f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
    return str(caught.value)


async def test_an_empty_database_becomes_a_journal(postgres: Server, database: str) -> None:
    where = postgres.url(database)
    async with opened(where) as store:
        assert (await store.journal(message(1, request()))).task_ids == (1,)
    async with opened(where) as store:
        assert not (await store.journal(message(1, request()))).new
    assert len(list_tasks(where)) == 1


async def test_two_engines_may_make_it_at_once(postgres: Server, database: str) -> None:
    where = postgres.url(database)
    async with opened(where) as one, opened(where) as other:
        assert (await one.journal(message(1))).new
        assert not (await other.journal(message(1))).new


@either
def test_a_server_that_is_not_there(use: Open) -> None:
    with closed_port() as port:
        said = refused(use, f"postgresql+psycopg://ris:{SECRET}@127.0.0.1:{port}/journal")
    assert "Connection refused" in said
    assert "is the server up, and reachable from here?" in said
    assert f"journal postgresql://127.0.0.1:{port}/journal: " in said


@either
def test_a_wrong_password(use: Open, postgres: Server, database: str) -> None:
    postgres.add_user("another one")
    said = refused(use, postgres.url(database, user=GUARDED, password=SECRET))
    assert "password authentication failed" in said
    assert "check user and password of engine.store" in said


@either
def test_a_database_that_does_not_exist(use: Open, postgres: Server) -> None:
    said = refused(use, postgres.url("nowhere"))
    assert 'database "nowhere" does not exist' in said
    assert "create the database, or name another one" in said


def test_a_user_who_may_not_make_tables(postgres: Server, database: str) -> None:
    postgres.add_user(SECRET)
    said = refused(Store.open, postgres.url(database, user=GUARDED, password=SECRET))
    assert "permission denied for schema public; give the user of engine.store the rights" in said


@either
async def test_a_user_who_may_not_touch_them(use: Open, postgres: Server, database: str) -> None:
    async with opened(postgres.url(database)):
        pass
    postgres.add_user(SECRET)
    said = refused(use, postgres.url(database, user=GUARDED, password=SECRET))
    assert "permission denied for table meta; give the user of engine.store the rights" in said


@either
def test_a_database_of_something_else_is_left_as_it_is(use: Open, postgres: Server, database: str) -> None:
    where = postgres.url(database)
    execute(where, "CREATE TABLE tasks (id integer)")
    assert "it is no journal of forefetch" in refused(use, where)
    assert execute(where, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == [("tasks",)]


def test_an_empty_database_is_not_made_a_journal_by_looking(postgres: Server, database: str) -> None:
    where = postgres.url(database)
    assert "it is no journal of forefetch" in refused(list_tasks, where)
    assert execute(where, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'") == []


def test_a_journal_of_a_later_version_is_refused(shared: str) -> None:
    execute(shared, "UPDATE meta SET schema_version = 99")
    assert "it has schema 99, which is newer" in refused(Store.open, shared)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_that_takes_not_every_text(encoding: str, postgres: Server) -> None:
    name = postgres.new_database(encoding)
    said = refused(Store.open, postgres.url(name))
    postgres.drop_database(name)
    assert f"the database keeps texts in {encoding}, which has not every character" in said


async def test_a_server_that_only_reads(postgres: Server, database: str) -> None:
    where = postgres.url(database)
    async with opened(where):
        pass
    execute(where, f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    assert "name the primary in engine.store" in refused(Store.open, where)
    assert list_tasks(where) == []


@either
def test_what_is_no_url(use: Open) -> None:
    assert "is no URL such as postgresql+psycopg://user" in refused(
        use, f"postgresql://ris:{SECRET}@host:port/x"
    )


@pytest.mark.parametrize(("told", "kept"), [("off", "on"), ("on", "on"), ("remote_apply", "remote_apply")])
def test_a_commit_waits_for_the_disk(told: str, kept: str, postgres: Server, database: str) -> None:
    where = postgres.url(database)
    execute(where, f"ALTER DATABASE {database} SET synchronous_commit = {told}")
    with open_engine(where).connect() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == kept


async def test_nul_is_kept_where_bytes_are_and_shown_where_text_is(shared: str) -> None:
    async with opened(shared) as store:
        await store.journal(message(1, control_id="a\0b", raw=b"a\0b"))
    assert execute(shared, "SELECT control_id, raw FROM messages") == [("a␀b", b"a\0b")]


def test_there_are_more_messages_than_an_integer_can_count(shared: str) -> None:
    first = 3_000_000_001
    for table in ("messages", "tasks", "occasions", "outbox", "story"):
        execute(shared, f"SELECT setval('{table}_id_seq', {first}, false)")
    letter = NewLetter("his", 2576, b"MSH", control_id="FF1")
    do(shared, asking(1, request("1.1"), request(PRIORS)), asking(2, order=OTHER))
    do(shared, verb(Verb.HOLD, first), verb(Verb.APPROVE, first), claiming(first), claiming(first + 1))
    do(shared, finding(first + 1, request("1.2")), arriving(first), canceling())
    do(shared, lambda it: keep_ack(it, [(first, b"MSA", "AA", letter)]))
    assert story_of(shared, first + 2) is not None
    assert list_tasks(shared, Selection(order="1001"))[0].status is S.CANCELED
    do(shared, lambda it: delivered(it, first), asking(3, request("1.9"), order=OTHER))
    do(shared, lambda it: prune(it, 0, LATER, LATER, 10))
    assert [task.id for task in list_tasks(shared)] == [first + 3]


async def test_a_time_of_the_last_year_is_read_whatever_the_time_zone_of_the_database(
    postgres: Server, database: str
) -> None:
    where = postgres.url(database)
    execute(where, f"ALTER DATABASE {database} SET timezone = 'Asia/Tokyo'")
    due = dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    async with opened(where) as store:
        await store.journal(message(1, request(due=due)))
        assert [task.request.due for task in await store.newer(0, 1)] == [due]
