"""Who asks from outside whether an engine runs on a database that several share."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest
from sqlalchemy import delete, func, select, update

from engine.errors import StoreError
from engine.store import Store, is_running, is_taken, postgresql, pulse, writer
from engine.store.members import members_of, register
from engine.store.reader import opened
from engine.store.schema import VERSION, members, meta
from tests.cluster.here import until

from . import execute, message


async def test_an_engine_and_a_stand_in_live_beside_each_other_and_are_told_apart(shared: str) -> None:
    stand_in = _opened(shared, stand_in=True)
    assert (is_taken(shared), is_running(shared), stand_in.wanted) == (True, False, False)
    engine = _opened(shared)
    assert (is_running(shared), stand_in.wanted) == (True, True)
    await engine.close()
    assert (is_taken(shared), is_running(shared)) == (True, False)
    await stand_in.close()
    assert not is_taken(shared)


async def test_who_waits_in_vain_for_a_table_that_is_locked_does_not_wait_for_each_call_again(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[object] = []
    monkeypatch.setattr(postgresql, "_LETS_GO", "SET lock_timeout = '200ms'")
    store = _opened(shared)
    monkeypatch.setattr(writer, "begun", began.append)
    with opened(shared, read_only=False) as other, other.begin():
        other.exec_driver_sql("LOCK TABLE messages IN ACCESS EXCLUSIVE MODE")  # as VACUUM FULL does
        several = (store.journal(message(number)) for number in range(5))
        refused = await asyncio.gather(*several, return_exceptions=True)
    assert [type(it) for it in refused] == [StoreError] * 5
    assert "an upgrade, or an engine that stands still, holds it" in str(refused[0])
    assert len(began) == 1
    assert (await store.journal(message(1))).new
    await store.close()


def test_the_last_engine_counts_no_more_when_it_was_killed_and_nobody_is_left_to_notice(
    shared: str,
) -> None:
    _register(shared, silent=10)
    assert is_running(shared)
    _register(shared, silent=20)
    assert [(it.alive, round(it.silent)) for it in members_of(shared)] == [(True, 20)]
    assert not is_running(shared)


def test_a_database_that_cannot_be_asked_runs_nothing() -> None:
    assert not is_running("postgresql+psycopg://nobody@127.0.0.1:1/nothing")


async def test_the_others_see_where_an_engine_listens(shared: str) -> None:
    engine = _opened(shared)
    await engine.name_address("10.0.0.7:2575")
    (member,) = members_of(shared)
    assert (member.address, member.stand_in, member.under_way) == ("10.0.0.7:2575", False, 0)
    await engine.close()


async def test_who_was_taken_for_dead_does_not_join_a_journal_that_was_upgraded_since(
    shared: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pulse, "BEAT", 0.05)
    engine = _opened(shared)
    with opened(shared, read_only=False) as connection, connection.begin():
        connection.execute(update(meta).values(schema_version=VERSION + 1))
        connection.execute(update(members).values(lost_at=func.now()))
    await until(lambda: "install the version of forefetch that wrote it" in caplog.text)
    with pytest.raises(StoreError, match="taken for dead"):
        await engine.journal(message(1))
    assert execute(shared, "SELECT count(*) FROM members") == [(1,)]
    await engine.close()


async def test_who_is_back_has_nothing_of_what_was_its_own_before(
    shared: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had claimed would be moved by two."""
    monkeypatch.setattr(pulse, "BEAT", 0.05)
    engine = _opened(shared)
    before = engine.member_id
    assert engine.in_touch(before)
    with opened(shared, read_only=False) as connection, connection.begin():
        connection.execute(update(members).values(lost_at=func.now()))
    await until(lambda: engine.member_id != before and engine.in_touch(engine.member_id))
    assert not engine.in_touch(before)
    await engine.close()


async def test_who_is_no_member_writes_nothing(shared: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name was taken away a week after it was taken for dead, or by a failover that lost its beginning:
    what it had would be everybody's."""
    monkeypatch.setattr(pulse.Pulse, "_come_back", lambda _: None)
    engine = _opened(shared)
    with opened(shared, read_only=False) as connection, connection.begin():
        connection.execute(delete(members))
    with pytest.raises(StoreError, match="taken for dead"):
        await engine.journal(message(1))
    await engine.close()


async def test_one_engine_prunes_at_a_time(shared: str) -> None:
    engine = _opened(shared)
    now = dt.datetime.now(dt.UTC)
    with opened(shared, read_only=False) as connection, connection.begin():
        connection.execute(select(func.pg_try_advisory_xact_lock(0x70727565)))
        assert (await engine.prune(7, now, now, 1)).position == 7
        assert (await engine.prune(7, now, now, 1)).ended
    await engine.close()


def _opened(where: str, *, stand_in: bool = False) -> Store:
    return Store.open(where, stand_in=stand_in)


def _register(where: str, *, silent: int) -> None:
    """The only engine, which was killed so many seconds ago."""
    with opened(where, read_only=False) as connection, connection.begin():
        connection.execute(delete(members))
        number = register(connection, stand_in=False)
        ago = func.now() - dt.timedelta(seconds=silent)
        connection.execute(update(members).where(members.c.id == number).values(seen_at=ago))
