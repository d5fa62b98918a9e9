"""What an intake is compared with, each a process of its own: ``python -m tests.bench.peers NAME FILE``.

``bare`` is the least that keeps a message before it answers: asyncio, SQLite with a group commit (WAL,
synchronous FULL), a fixed acknowledgment; nothing is read of the message. ``python-hl7`` is the server of
that package: it parses each message, builds its acknowledgment, and keeps nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hl7.mllp import HL7StreamReader, HL7StreamWriter, start_hl7_server

NAMES = ("bare", "python-hl7")
_END = b"\x1c\r"
_ACK = b"\x0bMSH|^~\\&|||||||ACK|1|P|2.5.1\rMSA|AA|1\r" + _END


@contextmanager
def peer(name: str, folder: Path) -> Iterator[tuple[str, int]]:
    """The address of one, which is ended after use."""
    command = [sys.executable, "-m", "tests.bench.peers", name, str(folder / "bare.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield "127.0.0.1", int(process.stdout.readline())
        finally:
            process.terminate()


class _Bare(asyncio.Protocol):
    def __init__(self, waiting: asyncio.Queue[tuple[bytes, asyncio.Transport]]) -> None:
        self._waiting = waiting
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *blocks, self._rest = (self._rest + data).split(_END)
        for block in blocks:
            self._waiting.put_nowait((block[1:], self._transport))


async def _bare(file: str) -> None:
    waiting: asyncio.Queue[tuple[bytes, asyncio.Transport]] = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(lambda: _Bare(waiting), "127.0.0.1", 0)
    _tell(server)
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE messages (id INTEGER PRIMARY KEY, raw BLOB)")

    def keep(rows: list[tuple[bytes]]) -> None:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO messages (raw) VALUES (?)", rows)
        connection.execute("COMMIT")

    while True:
        batch = [await waiting.get()]
        while not waiting.empty():
            batch.append(waiting.get_nowait())
        await asyncio.to_thread(keep, [(block,) for block, _ in batch])
        for _, transport in batch:
            transport.write(_ACK)


async def _python_hl7() -> None:
    async def serve(reader: HL7StreamReader, writer: HL7StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                message = await reader.readmessage()
                writer.writemessage(message.create_ack())
                await writer.drain()
        writer.close()

    _tell(await start_hl7_server(serve, host="127.0.0.1", port=0, encoding="utf-8"))
    await asyncio.Event().wait()


def _tell(server: asyncio.Server) -> None:
    print(server.sockets[0].getsockname()[1], flush=True)


if __name__ == "__main__":
    asyncio.run(_bare(sys.argv[2]) if sys.argv[1] == "bare" else _python_hl7())
