"""TLS over an asyncio connection, which keeps what MLLP needs of it and asyncio's own TLS does not.

A sender may shut down its side and still get its answers: asyncio closes both directions then. ``drain``
waits for the kernel to take the bytes, and the handshake can be counted and bounded as any other step.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from typing import Any

from engine.tls.session import TlsSession

_CHUNK = 2**16


class TlsStream:
    """A StreamReader and a StreamWriter in one, as far as they are used here. For one event loop."""

    def __init__(
        self, reader: StreamReader, writer: StreamWriter, context: ssl.SSLContext, hostname: str
    ) -> None:
        """``hostname`` is the peer's."""
        self._reader = reader
        self._writer = writer
        self._session = TlsSession(context, hostname)
        self._plain = b""

    @property
    def transport(self) -> asyncio.WriteTransport:
        """Of the TCP connection."""
        return self._writer.transport

    async def handshake(self) -> None:
        """Raises OSError (ssl.SSLError; NoTls where the peer does not speak it). Bound it by a timeout."""
        self._session.receive(b"")
        await self._flush()
        while not self._session.established:
            if not await self._receive():
                raise ConnectionResetError("closed during the TLS handshake")

    async def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty when the peer has shut down its side, with close_notify (RFC 8446 6.1)
        or without: MLLP can tell itself whether a message is whole. Raises OSError."""
        while not self._plain and not self._session.ended and await self._receive():
            pass
        plain, self._plain = self._plain[:size], self._plain[size:]
        return plain

    def write(self, data: bytes) -> None:
        self._session.send(data)
        self._send()

    async def drain(self) -> None:
        await self._writer.drain()

    def write_eof(self) -> None:
        """Shut down our side (close_notify, then TCP's FIN); the peer may go on."""
        self._session.shut_down()
        self._send()
        self._writer.write_eof()

    async def wait_closed(self) -> None:
        await self._writer.wait_closed()

    def get_extra_info(self, name: str) -> Any:
        return self._writer.get_extra_info(name)

    async def _receive(self) -> bool:
        """Take in what the peer sends; false at its end. Raises OSError where it is no TLS, after the alert
        by which the peer learns why."""
        if self._session.fault is not None:
            raise self._session.fault
        sent = await self._reader.read(_CHUNK)
        if not sent:
            return False
        self._plain += self._session.receive(sent)
        await self._flush()
        if self._session.fault is not None and not self._plain:
            raise self._session.fault
        return True

    def _send(self) -> None:
        if words := self._session.to_send():
            self._writer.write(words)

    async def _flush(self) -> None:
        self._send()
        await self._writer.drain()
