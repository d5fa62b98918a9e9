"""An MLLP client: a connection to a receiver, and messages sent over one with their acknowledgments."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from engine.errors import ForefetchError, MessageError
from engine.hl7.ack import AckCode
from engine.hl7.message import Message, best_header
from engine.hl7.mllp import (
    CARRIAGE_RETURN_PATIENCE,
    BlockFault,
    BlockReceived,
    Decoder,
    JunkSkipped,
    ResyncFailed,
    frame,
)
from engine.hl7.mode import Condition, Mode, mode_of
from engine.hl7.path import FieldPath
from engine.tls import Tls, client_context, reason
from engine.tls.stream import TlsStream

_CHUNK = 2**16
_LINGER = 1.0  # seconds for a receiver to close after our last message
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
    tls: Tls | None = None,
) -> list[bytes]:
    """Send ``payloads`` in order over one connection; their acknowledgments as they come. None is framed.

    One for each message; in enhanced mode as many as MSH-15 and MSH-16 ask for (HL7 v2 ch. 2.9.3), where one
    that depends on success or error may stay away. A message waits for what the one before has asked for,
    unless ``pipelined``. ``timeout`` is in seconds for each acknowledgment. Raises ``SendError``.
    """
    connection = await connect(host, port, connect_timeout, tls)
    acknowledgments: list[bytes] = []
    try:
        await _exchange(connection, payloads, acknowledgments, pipelined, timeout)
    except TimeoutError as exc:
        text = f"no acknowledgment within {timeout:g} s; look in the receiver's log, or allow more time"
        raise _error(text, acknowledgments, payloads) from exc
    except ssl.SSLError as exc:
        raise _error(f"the connection ended: {reason(exc)}", acknowledgments, payloads) from exc
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


async def connect(host: str, port: int, timeout: float, tls: Tls | None = None) -> Connection:
    """A connection to a receiver, within ``timeout`` seconds, and as long again for TLS. SendError says why
    there is none."""
    context = None if tls is None else _context(tls, host)
    reader, writer = await _open(host, port, timeout)
    if tls is None or context is None:
        return Connection(reader, writer)
    stream = TlsStream(reader, writer, context, tls.name_of(host))
    try:
        async with asyncio.timeout(timeout):
            await stream.handshake()
    except BaseException as exc:
        await Connection(stream, stream).close()
        if isinstance(exc, OSError):
            raise SendError(f"no TLS with {host} port {port}: {reason(exc)}") from exc
        raise
    return Connection(stream, stream)


def _context(tls: Tls, host: str) -> ssl.SSLContext:
    try:
        return client_context(tls, host)
    except OSError as exc:
        raise SendError(f"our TLS settings cannot be used ({exc}); check the files and the hostname") from exc


async def _open(host: str, port: int, timeout: float) -> tuple[StreamReader, StreamWriter]:
    try:
        async with asyncio.timeout(timeout):
            return await asyncio.open_connection(host, port)
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
        awaited = _Awaited(batch)
        try:
            while awaited:
                async with asyncio.timeout(timeout):
                    acknowledgments.append(await connection.acknowledgment())
                awaited.take(acknowledgments[-1])
        except TimeoutError:
            if not awaited.optional:
                raise
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


_STEPS = FieldPath.parse("MSA-1"), FieldPath.parse("MSA-2")
_CONDITIONAL = frozenset({Condition.ERROR, Condition.SUCCESS})


class _Awaited:
    """The acknowledgments that are still to come for messages that were sent; false when there are none."""

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self._modes: list[tuple[str, Mode]] = []
        for payload in payloads:
            header = best_header(payload)
            mode = mode_of(header)
            if not mode.enhanced or {mode.accept, mode.application} != {Condition.NEVER}:
                self._modes.append((header.control_id, mode))

    def __bool__(self) -> bool:
        return bool(self._modes)

    @property
    def optional(self) -> bool:
        """Whether nothing has to come any more, though something may."""
        return all(mode.enhanced and mode.application in _CONDITIONAL for _, mode in self._modes)

    def take(self, acknowledgment: bytes) -> None:
        """One has come: of the message that MSA-2 names, else of the oldest. A CA is not the last one where
        an application acknowledgment is asked for."""
        code, control_id = _told(acknowledgment)
        named = (at for at, (own, _) in enumerate(self._modes) if own == control_id)
        at = next(named, 0)
        own, mode = self._modes[at]
        if code == AckCode.CA and mode.application is not Condition.NEVER:
            self._modes[at] = (own, replace(mode, accept=Condition.NEVER))
        else:
            del self._modes[at]


def _told(acknowledgment: bytes) -> tuple[str, str]:
    try:
        message = Message(acknowledgment)
    except MessageError:
        return "", ""
    code, control_id = (message.first(path) for path in _STEPS)
    return code, control_id


class Connection:
    """An MLLP connection to a receiver. Its methods raise ``OSError`` where the network does."""

    def __init__(self, reader: StreamReader | TlsStream, writer: StreamWriter | TlsStream) -> None:
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

    async def end(self) -> None:
        """Say that nothing more comes, and let the receiver close: to close with its answer unread would
        reset the connection, and may cost it what was sent (RFC 1122, 4.2.2.13)."""
        with suppress(OSError, TimeoutError):
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER):
                while await self._reader.read(_CHUNK):
                    pass

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
