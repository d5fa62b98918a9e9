"""The MLLP server: it accepts senders, as many as it may, and drains them when it is to stop."""

from __future__ import annotations

import asyncio
import logging
import ssl

from engine.connection import Connection, ListenerSettings, Receiver, join
from engine.errors import ListenError
from engine.logs import about
from engine.tls import Tls, server_context
from engine.tls.channel import TlsChannel

__all__ = ["Listener", "ListenerSettings", "Receiver"]

_MOST_ENDING = 4
"""So many times the limit of connections may be there in all, with those that only wait for answers."""

logger = logging.getLogger(__name__)


class Listener:
    """Accepts connections and answers their messages by means of ``receiver``."""

    def __init__(self, settings: ListenerSettings, receiver: Receiver) -> None:
        self._settings = settings
        self._receiver = receiver
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._accepting = False
        self._connections: set[Connection] = set()

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
            self._server = await asyncio.get_running_loop().create_server(self._protocol, host, port)
        except OSError as exc:
            raise ListenError(
                f"cannot listen on {join(host, port)}: {exc.strerror or exc}; "
                "stop the program that uses it, or change the listener's host and port"
            ) from exc
        words = " with TLS" if self._context else ""
        logger.info("listening on %s%s", join(*self.address), words, extra=about("listening"))

    async def drain(self, timeout: float) -> None:
        """Accept and read no more, answer what was received, then close. ``timeout`` is in seconds."""
        self._stop_accepting()
        for connection in list(self._connections):
            connection.stop_reading()
        if self._connections:
            _, late = await asyncio.wait([it.done for it in self._connections], timeout=timeout)
            if late:
                logger.warning("closing %d connections that are not done after %g s", len(late), timeout)
        await self.close()

    async def close(self) -> None:
        """Close at once. What has no answer yet gets none; its sender has to send it again."""
        self._stop_accepting()
        for connection in self._connections:
            connection.cut_off()
        await asyncio.gather(*(it.done for it in self._connections))
        if self._server is not None:
            await self._server.wait_closed()

    def _stop_accepting(self) -> None:
        self._accepting = False
        if self._server is not None:
            self._server.close()

    def _protocol(self) -> asyncio.Protocol:
        connection = Connection(self._settings, self._receiver, self._admit)
        if self._context is None:
            return connection
        # Here, not by asyncio: a handshake under way counts as a connection
        return TlsChannel(self._context, connection, self._settings.frame_timeout)

    def _admit(self, connection: Connection) -> bool:
        """Whether one more connection may be served."""
        if not self._accepting:
            return False
        limit = self._settings.max_connections
        open_ones = sum(not it.ended for it in self._connections)
        if open_ones >= limit or len(self._connections) >= _MOST_ENDING * limit:
            sentence = "%s turned away: the limit is %d connections (max_connections)"
            logger.warning(sentence, connection.peer, limit, extra=about("turned away", peer=connection.peer))
            return False
        self._connections.add(connection)
        connection.done.add_done_callback(lambda _: self._connections.discard(connection))
        extra = about("connected", peer=connection.peer)
        logger.info("%s connected (%d open)", connection.peer, len(self._connections), extra=extra)
        return True


def _context(tls: Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    try:
        return server_context(tls)
    except OSError as exc:
        raise ListenError(f"the TLS files of the listener cannot be used: {exc}; check engine.tls") from exc
