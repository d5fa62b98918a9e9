"""The MLLP server: it accepts senders, as many as it may, and drains them when it is to stop."""

from __future__ import annotations

import asyncio
import logging
import ssl
from asyncio import StreamReader, StreamWriter

from engine.connection import CHUNK, Connection, ListenerSettings, Receiver
from engine.errors import ForefetchError
from engine.tls import Tls, server_context
from engine.tls.stream import TlsStream

__all__ = ["ListenError", "Listener", "ListenerSettings", "Receiver"]

_MOST_ENDING = 4
"""So many times the limit of connections may be there in all, with those that only wait for answers."""

logger = logging.getLogger(__name__)


class ListenError(ForefetchError):
    """The listener cannot have its address."""


class Listener:
    """Accepts connections and answers their messages by means of ``receiver``."""

    def __init__(self, settings: ListenerSettings, receiver: Receiver) -> None:
        self._settings = settings
        self._receiver = receiver
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._accepting = False
        self._connections: dict[asyncio.Task[None], Connection] = {}

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as bound. Raises ``RuntimeError`` unless listening."""
        if self._server is None or not self._server.sockets:
            raise RuntimeError("the listener is not listening")
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def start(self) -> None:
        """Listen. Raises ``ListenError`` where the address is in use or not of this machine, and for TLS
        files that cannot be used."""
        host, port = self._settings.host, self._settings.port
        self._context = _context(self._settings.tls)
        self._accepting = True
        try:
            self._server = await asyncio.start_server(self._accept, host, port, limit=CHUNK)
        except OSError as exc:
            raise ListenError(
                f"cannot listen on {_join(host, port)}: {exc.strerror or exc}; "
                "stop the program that uses it, or change the listener's host and port"
            ) from exc
        logger.info("listening on %s%s", _join(*self.address), " with TLS" if self._context else "")

    async def drain(self, timeout: float) -> None:
        """Accept and read no more, answer what was received, then close. ``timeout`` is in seconds."""
        self._stop_accepting()
        for connection in self._connections.values():
            connection.stop_reading()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=timeout)
            if late:
                logger.warning("closing %d connections that are not done after %g s", len(late), timeout)
        await self.close()

    async def close(self) -> None:
        """Close at once. What has no answer yet gets none; its sender has to send it again."""
        self._stop_accepting()
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    def _stop_accepting(self) -> None:
        self._accepting = False
        if self._server is not None:
            self._server.close()

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        peer = _join(*(writer.get_extra_info("peername") or ("unknown", 0))[:2])
        limit = self._settings.max_connections
        if not self._accepting:
            writer.transport.abort()
            return
        open_ones = sum(not connection.ended for connection in self._connections.values())
        if open_ones >= limit or len(self._connections) >= _MOST_ENDING * limit:
            writer.transport.abort()
            logger.warning("%s turned away: the limit is %d connections (max_connections)", peer, limit)
            return
        if self._context is None:
            connection = Connection(reader, writer, peer, self._settings, self._receiver)
        else:  # here, not by asyncio: a handshake under way counts as a connection
            stream = TlsStream(reader, writer, self._context)
            connection = Connection(stream, stream, peer, self._settings, self._receiver)
        task = asyncio.create_task(connection.run())
        self._connections[task] = connection
        task.add_done_callback(self._forget)
        logger.info("%s connected (%d open)", peer, len(self._connections))

    def _forget(self, task: asyncio.Task[None]) -> None:
        # A task that was canceled before its first step has not closed anything
        self._connections.pop(task).abort()


def _context(tls: Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    try:
        return server_context(tls)
    except OSError as exc:
        raise ListenError(f"the TLS files of the listener cannot be used: {exc}; check engine.tls") from exc


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
