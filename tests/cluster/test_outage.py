"""PostgreSQL is away for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.cluster.engines import Engine
from tests.cluster.here import ask, until
from tests.cluster.orders import Fate, Order, message
from tests.cluster.senders import Book, Senders
from tests.cluster.site import Content, Site, patient, site, study
from tests.hospital import field
from tests.postgres import Server

WEB = 'web: {listen: "127.0.0.1:0"}'


@asynccontextmanager
async def engine_of(around: Site, store: str) -> AsyncIterator[Engine]:
    engine = Engine(around.routes(store, "ALONE", web=WEB), "ALONE")
    try:
        await asyncio.to_thread(getattr, engine, "address")
        yield engine
    finally:
        await asyncio.to_thread(engine.end)


def is_ready(engine: Engine) -> bool:
    url = engine.running.wait_for(r"the operator's page is at (\S+)")[1]
    return httpx.get(f"{url.rstrip('/')}/health/ready", timeout=10).status_code == 200


async def test_while_it_is_away_senders_are_refused_and_everything_goes_on_by_itself(
    tmp_path: Path, durable: Server
) -> None:
    book = Book()
    plain = message("M1", "RE", patient("quick", 0), study_uid=study("quick", 0))
    enhanced = message("M2", "RE", patient("quick", 1), study_uid=study("quick", 1), letter=True)
    begun = message("M0", "RE", patient("slow", 0), study_uid=study("slow", 0), letter=True)
    store = durable.url(durable.new_database())
    async with (
        site(tmp_path, Content(), book.hear_letter) as around,
        engine_of(around, store) as engine,
    ):
        assert await asyncio.to_thread(is_ready, engine)
        (kept,) = await ask(engine, begun)
        await until(lambda: bool(around.main.carried), "the C-MOVE that is under way")
        await asyncio.to_thread(durable.stop)
        try:
            refused = await ask(engine, plain, enhanced)
            ready = await asyncio.to_thread(is_ready, engine)
            await until(lambda: around.main.carried[0].ended is not None, "the end of the C-MOVE")
        finally:
            await asyncio.to_thread(durable.start)
        senders = Senders(book, lambda: engine.address, 10)
        await senders.converse((Order("M1", plain, Fate.ARRIVES), Order("M2", enhanced, Fate.ARRIVES)))
        await until(lambda: {"M0", "M2"} <= book.letters.keys(), "the letters")
        await until(lambda: is_ready(engine), "that it is ready")
        assert await asyncio.to_thread(engine.stop) == 0
    assert field(kept, "MSA-1") == "CA"
    assert [field(it, "MSA-1") for it in refused] == ["AR", "CR"]
    assert not ready
    assert [field(book.answers[it][0], "MSA-1") for it in ("M1", "M2")] == ["AA", "CA"]
    assert [field(book.letters[it][0], "MSA-1") for it in ("M0", "M2")] == ["AA", "AA"]
    assert len(around.main.carried) == 3
