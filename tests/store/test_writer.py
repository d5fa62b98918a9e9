from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event, func, insert, select

from engine.errors import StoreError
from engine.events import Committed, Events
from engine.store import Store
from engine.store.dialect import open_engine
from engine.store.schema import VERSION, meta, prepare
from engine.store.writer import Writer, each

from . import message, opened, request

LIMIT = 30  # seconds, against a hang


@contextmanager
def listening(name: str, listener: Callable[..., None]) -> Iterator[None]:
    event.listen(Engine, name, listener)
    try:
        yield
    finally:
        event.remove(Engine, name, listener)


class Gate:
    """An operation that keeps the writer busy, so that what comes meanwhile shares the next batch."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def __call__(self, connection: Connection, calls: Sequence[tuple[()]]) -> Sequence[None]:
        self.reached.set()
        assert self.opened.wait(LIMIT)
        return [None for _ in calls]

    async def shut(self, writer: Writer) -> asyncio.Task[None]:
        passing = asyncio.create_task(writer.run(self))
        assert await asyncio.to_thread(self.reached.wait, LIMIT)
        return passing


@pytest.fixture
def connection(tmp_path: Path) -> Connection:
    """The writer's connection; closed by it."""
    connection = open_engine(tmp_path / "journal").connect()
    with connection.begin():
        prepare(connection)
    return connection


def note(connection: Connection, number: int) -> int:
    """Writes a number that can be counted afterwards; refuses one that is there or negative."""
    connection.execute(insert(meta).values(schema_version=number))
    if number < 0:
        raise ValueError("negative")
    return number


NOTE = each(note)


def noted(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute(
            f"SELECT schema_version FROM meta WHERE schema_version <> {VERSION} ORDER BY 1"
        )
        return [number for (number,) in rows]


async def queued() -> None:
    """Let the tasks that were created run until they wait."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_messages_of_many_callers_share_commits(tmp_path: Path) -> None:
    commits = 0

    def count(_: Connection) -> None:
        nonlocal commits
        commits += 1

    async def caller(store: Store, name: int) -> None:
        for n in range(10):
            assert (await store.journal(message((name, n), request()))).new

    async with opened(tmp_path / "journal") as store:
        with listening("commit", count):
            await asyncio.gather(*(caller(store, name) for name in range(64)))
    assert 0 < commits < 320


async def test_nothing_is_returned_before_the_commit(tmp_path: Path) -> None:
    committing, go = threading.Event(), threading.Event()

    def wait(_: Connection) -> None:
        committing.set()
        assert go.wait(LIMIT)

    async with opened(tmp_path / "journal") as store:
        with listening("commit", wait):
            call = asyncio.create_task(store.journal(message(1)))
            assert await asyncio.to_thread(committing.wait, LIMIT)
            await queued()
            assert not call.done()
            go.set()
            assert (await call).new


async def test_an_operation_that_fails_in_a_batch_fails_alone(connection: Connection, tmp_path: Path) -> None:
    writer, gate, rollbacks = Writer(connection), Gate(), 0

    def count(_: Connection) -> None:
        nonlocal rollbacks
        rollbacks += 1

    passing = await gate.shut(writer)
    calls = [asyncio.create_task(writer.run(NOTE, number)) for number in (10, 11, -1, 12)]
    await queued()
    gate.opened.set()
    with listening("rollback", count):
        results = await asyncio.gather(*calls, return_exceptions=True)
    await passing
    await writer.close()
    assert (results[0], results[1], results[3]) == (10, 11, 12)
    assert isinstance(results[2], StoreError)
    assert isinstance(results[2].__cause__, ValueError)
    assert rollbacks == 2  # of the batch, and of the bad one by itself
    assert noted(tmp_path / "journal") == [10, 11, 12]


async def test_a_message_that_cannot_be_written_fails_alone_and_is_not_quoted(tmp_path: Path) -> None:
    async with opened(tmp_path / "journal") as store:
        calls = [store.journal(message(n, request(), control_id="DOE^JANE")) for n in range(20)]
        calls.insert(10, store.journal(message("bad", request(), control_id="DOE^JANE \udc80")))
        calls.insert(
            15, store.journal(message("naive", received_at=message(1).received_at.replace(tzinfo=None)))
        )
        results = await asyncio.gather(*calls, return_exceptions=True)
        errors = [results.pop(15), results.pop(10)]
        assert [one.new for one in results if not isinstance(one, BaseException)] == [True] * 20
        assert not (await store.journal(message(19))).new
        assert (await store.journal(message("bad"))).new
    for error in errors:
        assert isinstance(error, StoreError)
        chain: BaseException | None = error
        while chain is not None:
            assert "JANE" not in str(chain)
            chain = chain.__cause__


async def test_a_commit_that_fails_fails_the_whole_batch(connection: Connection, tmp_path: Path) -> None:
    writer, gate = Writer(connection), Gate()
    disk = sqlite3.OperationalError("disk I/O error")
    passing = await gate.shut(writer)
    calls = [asyncio.create_task(writer.run(NOTE, number)) for number in range(10, 20)]
    await queued()

    def fail(connection: Connection) -> None:
        if connection.scalar(select(func.count()).select_from(meta)) != 1:
            raise disk

    with listening("commit", fail):
        gate.opened.set()
        results = await asyncio.gather(*calls, return_exceptions=True)
    await passing
    assert [type(result) for result in results] == [StoreError] * 10
    assert {result.__cause__ for result in results if isinstance(result, StoreError)} == {disk}
    assert noted(tmp_path / "journal") == []
    assert await writer.run(NOTE, 20) == 20
    await writer.close()
    assert noted(tmp_path / "journal") == [20]


async def test_a_full_disk_is_told_and_what_was_kept_stays(tmp_path: Path) -> None:
    path = tmp_path / "journal"

    def limit(driver: sqlite3.Connection, _: object) -> None:
        driver.execute("PRAGMA max_page_count = 60")

    with listening("connect", limit):
        store = Store.open(path)
    calls = [store.journal(message(n, raw=bytes(8192))) for n in range(60)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    await store.close()
    errors = [result for result in results if isinstance(result, BaseException)]
    assert 0 < len(errors) < 60
    for error in errors:
        assert isinstance(error, StoreError)
        assert "free some space" in str(error)
    kept = [result.message_id for result in results if not isinstance(result, BaseException)]
    with closing(sqlite3.connect(path)) as database:
        assert [number for (number,) in database.execute("SELECT id FROM messages ORDER BY id")] == kept


async def test_on_a_full_disk_what_writes_nothing_is_no_commit_that_went_well(tmp_path: Path) -> None:
    """Somebody looks twice a second whether there is something to do."""

    def limit(driver: sqlite3.Connection, _: object) -> None:
        driver.execute("PRAGMA max_page_count = 60")

    events, told = Events(), list[Committed]()
    events.listen(Committed, told.append)
    with listening("connect", limit):
        store = Store.open(tmp_path / "journal", events=events)
    assert (await store.journal(message(1))).new
    for number in range(2, 6):
        with pytest.raises(StoreError, match="free some space"):
            await store.journal(message(number, raw=bytes(8192 * 60)))
        await store.changes()
        assert await store.expire() == []
    await store.close()
    assert [commit.failed for commit in told] == [False, True, True, True, True]


async def test_another_process_that_holds_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = Store.open(path, busy_timeout=0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(*(store.journal(message(n)) for n in range(5)), return_exceptions=True)
        other.execute("ROLLBACK")
    assert all(isinstance(one, StoreError) and "another process" in str(one) for one in results)
    assert (await store.journal(message(1))).new
    await store.close()


async def test_a_cancelled_waiter_does_not_disturb_the_others(connection: Connection, tmp_path: Path) -> None:
    writer, gate = Writer(connection), Gate()
    passing = await gate.shut(writer)
    calls = [asyncio.create_task(writer.run(NOTE, number)) for number in (10, 11, 12)]
    await queued()
    calls[1].cancel()
    passing.cancel()
    await queued()
    gate.opened.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert (results[0], results[2]) == (10, 12)
    assert isinstance(results[1], asyncio.CancelledError)
    assert await writer.run(NOTE, 13) == 13
    await writer.close()
    assert noted(tmp_path / "journal") == [10, 11, 12, 13]


async def batch_sizes(writer: Writer) -> list[int]:
    """How nine calls are shared out that come while the writer is busy."""
    gate, sizes = Gate(), list[int]()

    def size(connection: Connection, calls: Sequence[tuple[int]]) -> Sequence[int]:
        sizes.append(len(calls))
        return [number for (number,) in calls]

    passing = await gate.shut(writer)
    calls = [asyncio.create_task(writer.run(size, number)) for number in range(9)]
    await queued()
    gate.opened.set()
    assert await asyncio.wait_for(asyncio.gather(*calls), LIMIT) == list(range(9))
    await passing
    await writer.close()
    return sizes


async def test_what_waits_shares_one_batch(connection: Connection) -> None:
    assert await batch_sizes(Writer(connection)) == [9]


async def test_a_batch_is_bounded(connection: Connection) -> None:
    assert await batch_sizes(Writer(connection, batch_limit=4)) == [4, 4, 1]


async def test_what_is_submitted_is_carried_out_in_order_without_being_waited_for(
    connection: Connection, tmp_path: Path
) -> None:
    writer = Writer(connection)
    order: list[int] = []
    for number in (12, 10, 11):
        writer.submit(NOTE, number).add_done_callback(lambda done: order.append(done.result()))
    assert await writer.submit(NOTE, 13) == 13
    await writer.close()
    assert order == [12, 10, 11]
    assert noted(tmp_path / "journal") == [10, 11, 12, 13]
    with pytest.raises(StoreError, match="closed"):
        writer.submit(NOTE, 14)


async def test_close_carries_out_what_is_queued(connection: Connection, tmp_path: Path) -> None:
    writer, gate = Writer(connection, batch_limit=2), Gate()
    passing = await gate.shut(writer)
    calls = [asyncio.create_task(writer.run(NOTE, number)) for number in range(10, 15)]
    await queued()
    closing_down = asyncio.create_task(writer.close())
    await queued()
    gate.opened.set()
    await closing_down
    await passing
    assert await asyncio.gather(*calls) == [10, 11, 12, 13, 14]
    assert noted(tmp_path / "journal") == [10, 11, 12, 13, 14]


async def test_after_close_every_call_is_refused(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "journal")
    await store.close()
    await store.close()
    for call in (store.journal(message(1)), store.waiting("pacs", 1), store.claim(1), store.recover()):
        with pytest.raises(StoreError, match="closed"):
            await call
