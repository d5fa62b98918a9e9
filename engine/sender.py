"""An MLLP client: a connection to a receiver, and messages sent over one with their acknowledgments."""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import suppress

from engine.errors import ForefetchError
from engine.hl7.mllp import (
    CARRIAGE_RETURN_PATIENCE,
    BlockFault,
    BlockReceived,
    Decoder,
    JunkSkipped,
    ResyncFailed,
    frame,
)

_CHUNK = 2**16
_MAX_ACKNOWLEDGMENT_BYTES = 16 * 2**20


class SendError(ForefetchError):
    """Not every message was acknowledged. ``acknowledgments`` are those that came, in order."""

    def __init__(self, text: str, acknowledgments: Sequence[bytes] = ()) -> None:
        self.acknowledgments = tuple(acknowledgments)
        super().__init__(text)


async def send(
    host: str,
    port: int,
    payloads: Sequence[bytes],
    *,
    pipelined: bool = False,
    timeout: float = 30.0,
    connect_timeout: float = 5.0,
) -> list[bytes]:
    """Send ``payloads`` in order over one connection; their acknowledgments in order. None of them is framed.

    A message waits for the acknowledgment of the one before, unless ``pipelined``. ``timeout`` is in seconds
    for each acknowledgment. Raises ``SendError``.
    """
    connection = await connect(host, port, connect_timeout)
    acknowledgments: list[bytes] = []
    try:
        await _exchange(connection, payloads, acknowledgments, pipelined, timeout)
    except TimeoutError as exc:
        text = f"no acknowledgment within {timeout:g} s; look in the receiver's log, or allow more time"
        raise _error(text, acknowledgments, payloads) from exc
    except (OSError, EOFError) as exc:
        text = (
            "the receiver closed the connection before the acknowledgment; look in its log, then send again"
        )
        raise _error(text, acknowledgments, payloads) from exc
    except ValueError as exc:
        text = f"the acknowledgment is not MLLP ({exc}); check that the port is the receiver's HL7 port"
        raise _error(text, acknowledgments, payloads) from exc
    finally:
        await connection.close()
    return acknowledgments


def _error(text: str, acknowledgments: Sequence[bytes], payloads: Sequence[bytes]) -> SendError:
    return SendError(f"message {len(acknowledgments) + 1} of {len(payloads)}: {text}", acknowledgments)


async def connect(host: str, port: int, timeout: float) -> Connection:
    """A connection to a receiver, within ``timeout`` seconds. SendError says why there is none."""
    try:
        async with asyncio.timeout(timeout):
            return Connection(*await asyncio.open_connection(host, port))
    except TimeoutError as exc:
        text = f"{host} port {port} does not answer within {timeout:g} s; check the host and the firewall"
        raise SendError(text) from exc
    except ConnectionRefusedError as exc:
        text = f"nothing listens on {host} port {port}; check the port and that the receiver runs"
        raise SendError(text) from exc
    except OSError as exc:
        text = f"no connection to {host} port {port}: {exc.strerror or exc}; check the host and the network"
        raise SendError(text) from exc


async def _exchange(
    connection: Connection,
    payloads: Sequence[bytes],
    acknowledgments: list[bytes],
    pipelined: bool,
    timeout: float,
) -> None:
    for batch in [payloads] if pipelined else [[payload] for payload in payloads]:
        # Beside reading: a receiver whose acknowledgments are not read stops reading in turn
        writing = asyncio.create_task(connection.write(batch))
        try:
            for _ in batch:
                async with asyncio.timeout(timeout):
                    acknowledgments.append(await connection.acknowledgment())
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


class Connection:
    """An MLLP connection to a receiver. Its methods raise ``OSError`` where the network does."""

    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(_MAX_ACKNOWLEDGMENT_BYTES)

    async def write(self, payloads: Sequence[bytes]) -> None:
        """Frame and send these; what does not fit into the buffer is waited for."""
        for payload in payloads:
            self._writer.write(frame(payload))
            await self._writer.drain()

    async def flush(self) -> None:
        """Wait until the kernel has taken every byte."""
        self._writer.transport.set_write_buffer_limits(0)
        await self._writer.drain()

    async def close(self) -> None:
        """Close at once; what the kernel has taken is still delivered."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def acknowledgment(self) -> bytes:
        """The next one. Raises ``EOFError`` at the end of the stream, ``ValueError`` for a broken block."""
        ended = False
        while True:
            match self._decoder.next_event():
                case BlockReceived(payload):
                    return payload
                case JunkSkipped():
                    continue
                case BlockFault(kind):
                    raise ValueError(kind)
                case ResyncFailed():
                    raise ValueError("no block in it")
            if ended:
                raise EOFError
            ended = not await self._read()

    async def _read(self) -> bool:
        """Feed the decoder; False at the end of the stream."""
        patience = CARRIAGE_RETURN_PATIENCE if self._decoder.awaiting_carriage_return else None
        try:
            async with asyncio.timeout(patience):
                chunk = await self._reader.read(_CHUNK)
        except TimeoutError:
            self._decoder.accept_without_carriage_return()
            return True
        if chunk:
            self._decoder.receive_data(chunk)
        else:
            self._decoder.receive_eof()
        return bool(chunk)
