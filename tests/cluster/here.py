"""Engines in the process of a test, where what comes between what has to be chosen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from sqlalchemy.engine import make_url

from engine.app import Engine
from engine.config import parse
from engine.sender import connect
from tests.cluster.site import Site
from tests.cluster.wire import Wire
from tests.hospital import ALLOWED


class Answering(Protocol):
    """Whoever listens for HL7 messages."""

    @property
    def address(self) -> tuple[str, int]: ...


_PATIENCE = 30.0  # s
_POLL = 0.02


@asynccontextmanager
async def engines(around: Site, *stores: str, start: int = 0) -> AsyncIterator[Sequence[Engine]]:
    """One at each of these URLs, which may be several ways to one database. They call themselves HERE0,
    HERE1…"""
    async with AsyncExitStack() as stack:
        made = []
        for number, store in enumerate(stores, start):
            config = parse(around.routes(store, f"HERE{number}").read_text())
            made.append(await stack.enter_async_context(Engine(config, ALLOWED)))
        yield made


async def ask(engine: Answering, *messages: bytes) -> list[bytes]:
    """The first acknowledgment of each, all over one connection."""
    connection = await connect(*engine.address, 5)
    try:
        await connection.write(messages)
        return [await connection.acknowledgment() for _ in messages]
    finally:
        await connection.close()


def through(way: Wire, store: str) -> str:
    """The URL of a journal on this way."""
    return make_url(store).set(port=way.port).render_as_string(hide_password=False)


async def until(it_is_so: Callable[[], bool], what: str = "") -> None:
    """What other threads and processes bring about."""
    limit = time.monotonic() + _PATIENCE
    while not await asyncio.to_thread(it_is_so):
        assert time.monotonic() < limit, f"not within {_PATIENCE:g} s: {what}"
        await asyncio.sleep(_POLL)
