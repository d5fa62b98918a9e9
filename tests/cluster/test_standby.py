"""PostgreSQL has a standby that has to confirm every commit, and it does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.errors import StoreError
from engine.retrieve.task import Verb
from engine.store import Store, operate
from tests.cluster import journal
from tests.cluster.engines import Engine
from tests.cluster.here import ask, until
from tests.cluster.orders import Fate, Order, message
from tests.cluster.pair import Pair
from tests.cluster.senders import Book, Senders
from tests.cluster.site import Content, patient, site, study
from tests.cluster.test_outage import engine_of, is_ready
from tests.hospital import field
from tests.store import ARRIVED, execute, request
from tests.store import message as new_message

_ALL_WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
_WAITING = f"{_ALL_WAITING} AND query = 'COMMIT'"
_AT_ONCE = 5.0  # s; who waits for the standby waits for ten
_PATIENCE = 60.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with Pair() as made:
        yield made


@asynccontextmanager
async def no_standby(pair: Pair) -> AsyncIterator[None]:
    """It is there, and says nothing."""
    await asyncio.to_thread(pair.standby.freeze)
    try:
        yield
    finally:
        await asyncio.to_thread(pair.standby.thaw)


async def cancel_the_wait(pair: Pair, *tries: asyncio.Future[Any]) -> None:
    """As somebody does who looks for what hangs."""
    while not all(it.done() for it in tries):
        for (pid,) in await asyncio.to_thread(pair.primary.execute, _ALL_WAITING):
            await asyncio.to_thread(pair.primary.execute, "SELECT pg_cancel_backend(%s)", [pid])
        await asyncio.sleep(0.05)


async def at_work(engine: Engine, book: Book) -> None:
    """All of it: what it begins with must not fail."""
    first = message("FIRST", "RE", patient("quick", 9), study_uid=study("quick", 9), letter=True)
    await ask(engine, first)
    await until(lambda: "FIRST" in book.letters, "the first letter")


async def test_what_is_on_no_standby_is_not_acknowledged_whoever_ends_the_wait_for_it(pair: Pair) -> None:
    """The server says that it is committed, with a warning; and shows it to who sends the same again."""
    name = await asyncio.to_thread(pair.primary.new_database)
    store = Store.open(pair.url(name))
    async with no_standby(pair):
        first = asyncio.ensure_future(store.journal(new_message(1)))
        await cancel_the_wait(pair, first)
        seen = len(journal.read(pair.primary, name).messages)
        again = asyncio.ensure_future(store.journal(new_message(1)))
        await cancel_the_wait(pair, again)
        for each in (first, again):
            with pytest.raises(StoreError, match="standby"):
                await each
    await until(lambda: not pair.primary.execute(_WAITING))
    while True:
        try:
            kept = await store.journal(new_message(1))
            break
        except StoreError:
            await asyncio.sleep(0.1)
    await store.close()
    assert seen == 1
    assert not kept.new
    assert len(journal.read(pair.primary, name).messages) == 1


async def test_while_no_standby_confirms_senders_are_refused_and_everything_goes_on_by_itself(
    tmp_path: Path, pair: Pair
) -> None:
    book = Book()
    orders = [
        Order(name, message(name, "RE", patient("quick", at), study_uid=study("quick", at)), Fate.ARRIVES)
        for at, name in enumerate(("M0", "M1", "M2"))
    ]
    name = await asyncio.to_thread(pair.primary.new_database)
    async with (
        site(tmp_path, Content(), book.hear_letter) as around,
        engine_of(around, pair.url(name)) as engine,
    ):
        await at_work(engine, book)
        assert await asyncio.to_thread(is_ready, engine)
        async with no_standby(pair):
            (waited,) = await ask(engine, orders[0].payload)
            async with asyncio.timeout(_AT_ONCE):
                (refused,) = await ask(engine, orders[1].payload)
            ready = await asyncio.to_thread(is_ready, engine)
            left = pair.primary.execute(_WAITING)
        await until(lambda: is_ready(engine), "that it is ready")
        senders = Senders(book, lambda: engine.address, 10)
        await senders.converse(tuple(orders))
        assert await asyncio.to_thread(engine.stop) == 0
    assert [field(it, "MSA-1") for it in (waited, refused)] == ["AR", "AR"]
    assert not ready
    assert len(left) == 1
    assert [field(book.answers[it.control_id][0], "MSA-1") for it in orders] == ["AA", "AA", "AA"]
    assert len(journal.read(pair.primary, name).messages) == 4
    assert len(around.main.carried) == 4


async def test_who_answers_for_what_was_there_already_ends_behind_it(shared: str) -> None:
    """After a crash it may be on this server alone: a transaction that only reads would not wait for it."""
    store = Store.open(shared)
    kept = await store.journal(new_message(1, request()))
    (task,) = await store.tasks_of(kept.message_id)
    claimed = await store.claim(task.id)
    assert claimed is not None

    async def finish() -> object:
        return await store.finish(task.id, ARRIVED, attempt=claimed.attempts)

    async def keep_ack() -> object:
        return await store.keep_ack(kept.message_id, b"MSH|", "AA")

    async def journal_it() -> object:
        return (await store.journal(new_message(1, request()))).message_id

    for act in (journal_it, finish, keep_ack):
        first = await act()
        sealed = execute(shared, "SELECT number FROM seals")
        assert await act() == first
        assert execute(shared, "SELECT number FROM seals") != sealed, act.__name__
    await store.close()


async def test_an_idle_engine_refuses_too_and_so_does_whoever_writes_from_outside(
    tmp_path: Path, pair: Pair
) -> None:
    """Nothing but its heartbeat waits; when that is let go, nobody comes in its place."""
    book = Book()
    order = message("M1", "RE", patient("quick", 0), study_uid=study("quick", 0))
    name = await asyncio.to_thread(pair.primary.new_database)
    async with (
        site(tmp_path, Content(), book.hear_letter) as around,
        engine_of(around, pair.url(name)) as engine,
    ):
        await at_work(engine, book)
        async with no_standby(pair):
            await until(lambda: "cannot be reached" in engine.log, "that the heartbeat was let go")
            for _ in range(8):
                async with asyncio.timeout(_AT_ONCE):
                    (refused,) = await ask(engine, order)
                assert field(refused, "MSA-1") == "AR"
                await asyncio.sleep(0.5)
            with pytest.raises(StoreError):
                await asyncio.to_thread(operate, pair.url(name), Verb.EXPEDITE, [1], "test")
            left = pair.primary.execute(_ALL_WAITING)
        await until(lambda: is_ready(engine), "that it is ready")
    assert len(left) <= 2  # the heartbeat, and who wrote from outside


async def test_a_start_that_no_standby_confirms_ends_and_says_so(pair: Pair) -> None:
    name = await asyncio.to_thread(pair.primary.take_journal)
    async with no_standby(pair):
        with pytest.raises(StoreError, match="waits for a standby"):
            await asyncio.to_thread(Store.open, pair.url(name))


async def test_an_engine_can_be_stopped_while_no_standby_confirms(tmp_path: Path, pair: Pair) -> None:
    order = message("M1", "RE", patient("quick", 0), study_uid=study("quick", 0))
    name = await asyncio.to_thread(pair.primary.new_database)
    book = Book()
    async with (
        site(tmp_path, Content(), book.hear_letter) as around,
        engine_of(around, pair.url(name)) as engine,
    ):
        await at_work(engine, book)
        async with no_standby(pair):
            (refused,) = await ask(engine, order)
            await cancel_the_wait(pair, asyncio.ensure_future(asyncio.sleep(1)))
            await until(lambda: bool(pair.primary.execute(_ALL_WAITING)), "another one who waits")
            async with asyncio.timeout(_PATIENCE):
                status = await asyncio.to_thread(engine.stop)
    assert field(refused, "MSA-1") == "AR"
    assert status == 0
