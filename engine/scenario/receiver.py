"""The reply addresses of a routes file, simulated: takes application acknowledgments (HL7 v2 ch. 2.9.3)."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from engine.hl7.ack import AckCode, Envelope, Reply, acknowledge
from engine.hl7.message import best_header
from engine.hl7.mllp import BlockReceived, Decoder, frame
from engine.hl7.mode import Condition, mode_of
from engine.scenario.conversation import Conversation

_CHUNK = 2**16
_MAX_BYTES = 16 * 2**20
_control_ids = (f"SCENARIO{number}" for number in itertools.count(1))


@asynccontextmanager
async def reply_receiver(conversation: Conversation) -> AsyncIterator[tuple[str, int]]:
    """Listen, on a port that the system chooses; what comes is given to the conversation."""

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        decoder = Decoder(_MAX_BYTES)
        try:
            while chunk := await reader.read(_CHUNK):
                decoder.receive_data(chunk)
                while isinstance(event := decoder.next_event(), BlockReceived):
                    await conversation.take(event.payload)
                    await _accept(event.payload, writer)
        except OSError:
            pass  # the engine has gone
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield host, port
    finally:
        server.close()
        with suppress(asyncio.CancelledError):
            await server.wait_closed()


async def _accept(payload: bytes, writer: StreamWriter) -> None:
    """CA, where it is asked for."""
    header = best_header(payload)
    if mode_of(header).accept is Condition.ALWAYS:
        envelope = Envelope(next(_control_ids), dt.datetime.now().astimezone())
        writer.write(frame(acknowledge(header, Reply(AckCode.CA, "taken"), envelope)))
        await writer.drain()
