"""MCP over standard input and output.

The SDK's own transport reads in a thread that no signal reaches, so that a server would not end before the
next line; and it drops what it cannot read, so that whoever sent it would wait for ever.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator
from typing import Any, cast

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage
from mcp.types import PARSE_ERROR, ErrorData, JSONRPCError

from engine.mcp.calls import ToolServer

_log = logging.getLogger("engine.mcp")

LONGEST = 4 * 2**20
"""Bytes of a line, as the SDK has it over HTTP."""

_CHUNK = 2**16
_AHEAD = 4  # chunks that are read before the ones before them are taken
_UNREADABLE = JSONRPCError(
    jsonrpc="2.0",
    id=None,
    error=ErrorData(
        code=PARSE_ERROR,
        message=f"this line is not one JSON-RPC message of at most {LONGEST} bytes; send one message a line",
    ),
)


async def serve_stdio(server: ToolServer, stop: asyncio.Event) -> None:
    """Serve until the end of standard input, or until ``stop``. Calls that are under way are canceled then,
    and have ended when this returns."""
    lines = Lines(0)
    lines.start()
    ending = asyncio.create_task(_end(server, lines, stop))
    _log.info("serving over standard input and output")
    try:
        # Of stdin, the SDK does no more than iterate over it
        async with stdio_server(stdin=cast(Any, lines)) as (received, sent):
            await _serve(server, received, sent)
    except* (BrokenPipeError, ConnectionResetError):
        _log.info("nobody reads standard output any more")
    finally:
        ending.cancel()


async def _end(server: ToolServer, lines: Lines, stop: asyncio.Event) -> None:
    await stop.wait()
    _log.info("stopping")
    await server.end_calls()
    lines.end()


async def _serve(
    server: ToolServer,
    received: MemoryObjectReceiveStream[SessionMessage | Exception],
    sent: MemoryObjectSendStream[SessionMessage],
) -> None:
    # Private, but it is how the SDK's own client runs a server on given streams, for want of another way
    protocol = server._lowlevel_server
    into, readable = anyio.create_memory_object_stream[SessionMessage | Exception]()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_answer_unreadable, received, into, sent)
        await protocol.run(readable, sent, protocol.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _answer_unreadable(
    received: MemoryObjectReceiveStream[SessionMessage | Exception],
    into: MemoryObjectSendStream[SessionMessage | Exception],
    sent: MemoryObjectSendStream[SessionMessage],
) -> None:
    """Pass on what can be read, and answer what cannot (JSON-RPC 2.0, 5.1)."""
    async with received, into:
        async for item in received:
            if isinstance(item, Exception):
                _log.warning("a line that is no JSON-RPC message")
                await sent.send(SessionMessage(_UNREADABLE))
            else:
                await into.send(item)


class Lines:
    """The lines of a file descriptor, for one event loop, until they end or are ended.

    A thread waits for them, so that any file can be read, and it is a daemon, since nothing interrupts it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = threading.Semaphore(_AHEAD)
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        threading.Thread(target=self._read, name="standard input", daemon=True).start()

    def end(self) -> None:
        """What was read so far is the last."""
        self._chunks.put_nowait(b"")

    def _read(self) -> None:
        chunk = b"-"
        while chunk:
            self._room.acquire()
            try:
                chunk = os.read(self._descriptor, _CHUNK)
            except OSError:  # closed, or a terminal that is gone
                chunk = b""
            try:
                self._loop.call_soon_threadsafe(self._chunks.put_nowait, chunk)
            except RuntimeError:  # the loop has ended
                return

    async def __aiter__(self) -> AsyncIterator[str]:
        """Without blank ones, and without bytes that are no UTF-8. One that is too long is cut, and thereby
        not readable."""
        rest = b""
        while chunk := await self._chunks.get():
            self._room.release()
            *lines, rest = (rest + chunk).split(b"\n")
            rest = rest[: LONGEST + 1]
            for line in lines:
                if line.strip():
                    yield line[:LONGEST].decode("utf-8", "replace")
