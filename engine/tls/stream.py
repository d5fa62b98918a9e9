"""TLS over an asyncio connection, which keeps what MLLP needs of it and asyncio's own TLS does not.

A sender may shut down its side and still get its answers: asyncio closes both directions then. ``drain``
waits for the kernel to take the bytes, and the handshake can be counted and bounded as any other step.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from contextlib import suppress
from typing import Any

from engine.tls.context import NoTls, looks_like_tls

_CHUNK = 2**16


class TlsStream:
    """A StreamReader and a StreamWriter in one, as far as they are used here. For one event loop."""

    def __init__(
        self, reader: StreamReader, writer: StreamWriter, context: ssl.SSLContext, hostname: str | None = None
    ) -> None:
        """``hostname`` is the peer's where this side connects; None where it listens."""
        self._reader = reader
        self._writer = writer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=hostname is None, server_hostname=hostname
        )
        self._began = False
        self._failed = False

    @property
    def transport(self) -> asyncio.WriteTransport:
        """Of the TCP connection."""
        return self._writer.transport

    async def handshake(self) -> None:
        """Raises OSError (ssl.SSLError; NoTls where the peer does not speak it). Bound it by a timeout."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                if not await self._receive():
                    raise ConnectionResetError("closed during the TLS handshake") from None
            except ssl.SSLError:
                self._failed = True
                await self._flush()  # the alert, by which the peer learns why
                raise
            else:
                return await self._flush()

    async def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty when the peer has shut down its side, with close_notify (RFC 8446 6.1)
        or without: MLLP can tell itself whether a message is whole. Raises OSError."""
        while not self._failed:
            try:
                return self._tls.read(size)
            except ssl.SSLWantReadError:
                self._send()  # TLS has words of its own
                if not await self._receive():
                    return b""
            except ssl.SSLZeroReturnError:
                return b""
        return await self._reader.read(size)  # of no meaning, but the peer gets the alert if it is read

    def write(self, data: bytes) -> None:
        self._tls.write(data)
        self._send()

    async def drain(self) -> None:
        await self._writer.drain()

    def write_eof(self) -> None:
        """Shut down our side (close_notify, then TCP's FIN); the peer may go on."""
        with suppress(ssl.SSLError):  # it has not shut down its side, which need not be
            self._tls.unwrap()
        self._send()
        self._writer.write_eof()

    async def wait_closed(self) -> None:
        await self._writer.wait_closed()

    def get_extra_info(self, name: str) -> Any:
        return self._writer.get_extra_info(name)

    async def _receive(self) -> bool:
        """Take in what the peer sends; false at its end, of which TLS is not told: it would write no more."""
        chunk = await self._reader.read(_CHUNK)
        if chunk and not self._began and not looks_like_tls(chunk[:1] + b"\x03"):
            self._failed = True
            raise NoTls("the peer does not speak TLS")
        self._began = self._began or bool(chunk)
        self._incoming.write(chunk)
        return bool(chunk)

    def _send(self) -> None:
        if self._outgoing.pending:
            self._writer.write(self._outgoing.read())

    async def _flush(self) -> None:
        self._send()
        await self._writer.drain()
