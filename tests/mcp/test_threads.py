"""Tools that wait for archives keep nobody else from an answer."""

from __future__ import annotations

import asyncio
import socket
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.mcp.assistant import assistant
from tests.mcp.questions import query, routes_of

CALLS = 45
THREADS_OF_THE_SDK = 40


@asynccontextmanager
async def silent(connections: int) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A port where an association is never answered; set once so many connections are there. All end with
    this."""
    there = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def keep(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if len(writers) >= connections:
            there.set()

    server = await asyncio.start_server(keep, "127.0.0.1", 0, family=socket.AF_INET)
    try:
        yield server.sockets[0].getsockname()[1], there
    finally:
        server.close()
        for writer in writers:
            writer.close()


async def test_ping_is_answered_while_more_calls_wait_for_an_archive_than_the_sdk_has_threads(
    tmp_path: Path,
) -> None:
    """The SDK writes every answer by one of its threads."""
    async with silent(THREADS_OF_THE_SDK) as (port, there):
        routes = routes_of(tmp_path, port)
        routes.write_text(routes.read_text().replace("acse: 2s", "acse: 50s"))
        async with assistant(routes, {}) as client, asyncio.timeout(90):
            calls = [asyncio.create_task(query(client, patient_id=f"P{number}")) for number in range(CALLS)]
            await there.wait()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the newest protocol has no ping
                async with asyncio.timeout(15):
                    await client.send_ping()
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
