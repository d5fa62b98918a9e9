"""A TCP balancer as hospitals have them: each connection goes to the next engine that takes it.

It does not look into what it carries. An engine that is frozen takes connections all the same, since its
kernel does, and what is sent there hangs until the sender has had enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

Address = tuple[str, int]

_CHUNK = 2**16


class Balancer:
    """``addresses`` of the engines, to be changed at any time. ``carried``: connections so far; ``refused``:
    those for which nobody was there."""

    def __init__(self) -> None:
        self.addresses: list[Address] = []
        self.address: Address = ("", 0)
        self.carried = self.refused = 0
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        this = asyncio.current_task()
        assert this is not None
        self._open.add(this)
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            pass  # asyncio's streams would tell of it as of a fault
        finally:
            self._open.discard(this)
            await _abort(writer)

    async def stop(self) -> None:
        """Cut what is open."""
        for connection in self._open:
            connection.cancel()
        while self._open:
            await asyncio.wait(self._open)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await self._connect()
        if there is None:
            self.refused += 1
            return
        from_engine, to_engine = there
        ways = [
            asyncio.create_task(_pass_on(reader, to_engine)),
            asyncio.create_task(_pass_on(from_engine, writer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            await _abort(to_engine)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self.carried += 1
        start, addresses = self.carried, list(self.addresses)
        for number in range(len(addresses)):
            with suppress(OSError):
                return await asyncio.open_connection(*addresses[(start + number) % len(addresses)])
        return None


@asynccontextmanager
async def balancer() -> AsyncIterator[Balancer]:
    """One that listens on a port of the system's choice."""
    it = Balancer()
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0, backlog=256)
    async with server:
        it.address = server.sockets[0].getsockname()[:2]
        try:
            yield it
        finally:
            server.close()
            await it.stop()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()


async def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
