"""Whether the database of a shared journal answers, and what becomes of those who wait for it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import pytest

from engine.errors import StoreError
from engine.store import Store, count_tasks
from engine.store.reach import AWAY, READ_ONLY, Reach
from tests.postgres import Server
from tests.store import message

_SECONDS = 60


class Told:
    """What is told, as it changes."""

    def __init__(self) -> None:
        self._all: SimpleQueue[str] = SimpleQueue()

    def __call__(self, text: str) -> None:
        self._all.put(text)

    def wait_for(self, text: str) -> None:
        while self._all.get(timeout=_SECONDS) != text:
            pass


def test_a_frozen_database_is_noticed_and_those_who_wait_for_it_are_not_left_waiting(
    postgres: Server, shared: str
) -> None:
    told, where = Told(), f"{shared}?connect_timeout=2"
    reach = Reach(where, told, patience=0.2)
    count_tasks(where)  # a connection that is kept
    with ThreadPoolExecutor(1) as page:
        try:
            told.wait_for("")
            postgres.freeze()
            look = page.submit(count_tasks, where)
            with pytest.raises(StoreError, match="journal postgresql://"):
                look.result(timeout=_SECONDS)
            told.wait_for(AWAY)
        finally:
            postgres.thaw()
        told.wait_for("")
        assert sum(count_tasks(where).values()) == 0
    reach.stop()
    assert not [it for it in threading.enumerate() if it.name == "reach"]


async def test_who_waits_for_a_commit_of_a_frozen_database_is_refused_when_it_lasts(
    postgres: Server, shared: str
) -> None:
    where = f"{shared}?connect_timeout=2"
    store = Store.open(where)
    reach = Reach(where, Told(), patience=0.2, give_up=0)
    try:
        postgres.freeze()
        with pytest.raises(StoreError, match="could not be written"):
            await store.journal(message(1))
    finally:
        postgres.thaw()
    assert (await store.journal(message(2))).message_id
    await asyncio.to_thread(reach.stop)
    await store.close()


def test_a_database_that_is_not_there_is_looked_for_again_and_again() -> None:
    told = Told()
    reach = Reach("postgresql+psycopg://nobody@127.0.0.1:1/nothing", told)
    told.wait_for(AWAY)
    told.wait_for(AWAY)
    reach.stop()


def test_a_standby_is_of_no_use(monkeypatch: pytest.MonkeyPatch, shared: str) -> None:
    monkeypatch.setattr("engine.store.reach._ASKED", b"SELECT true, false")
    told = Told()
    reach = Reach(shared, told)
    told.wait_for(READ_ONLY)
    reach.stop()
