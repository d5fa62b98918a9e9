"""An MLLP client: sends messages over one connection and returns their acknowledgments."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import suppress

from engine.errors import ForefetchError
from engine.hl7.mllp import (
    CARRIAGE_RETURN_PATIENCE,
    NEED_DATA,
    BlockReceived,
    Decoder,
    JunkSkipped,
    frame,
)

_CHUNK = 2**16
_MAX_ACKNOWLEDGMENT_BYTES = 16 * 2**20


class SendError(ForefetchError):
    """Not every message was acknowledged. ``acknowledgments`` are those received before, in order."""

    def __init__(self, text: str, acknowledgments: Sequence[bytes] = ()) -> None:
        self.acknowledgments = tuple(acknowledgments)
        super().__init__(text)


async def send(
    host: str,
    port: int,
    payloads: Sequence[bytes],
    *,
    pipelined: bool = False,
    timeout: float = 30.0,  # noqa: ASYNC109  (of each acknowledgment, not of the call)
    connect_timeout: float = 5.0,
) -> list[bytes]:
    """Send ``payloads`` in order over one connection; their acknowledgments in order, both without framing.

    Each message waits for the acknowledgment of the one before, unless ``pipelined``. ``timeout`` is in seconds
    for each acknowledgment. Raises ``SendError``.
    """
    reader, writer = await _connect(host, port, connect_timeout)
    acknowledgments: list[bytes] = []
    answers = _Acknowledgments(reader)
    try:
        for batch in [payloads] if pipelined else [[payload] for payload in payloads]:
            async for acknowledgment in ():
                pass
    finally:
        writer.close()
    return acknowledgments
