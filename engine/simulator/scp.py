"""What the simulated archive and destination have in common: a DICOM node that listens, answers C-ECHO, and
can be stopped without leaving a socket or a thread behind."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable
from socketserver import BaseServer
from types import TracebackType
from typing import Any, Self

from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from engine.dicom.identifiers import valid_ae_title
from engine.errors import ForefetchError, NodeError

logger = logging.getLogger(__name__)

Address = tuple[str, int]

# pynetdicom logs whole C-FIND and C-MOVE identifiers unless it is told not to, and those are patient data.
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_RESPONSE_IDENTIFIERS = False

_MAXIMUM_ASSOCIATIONS = 100
_POLL = 0.05  # s; how soon the accepting thread sees that it has to end
_JOIN = 10.0  # s


class SimulatedNode:
    """A listening DICOM application entity. Port 0 lets the system choose; later starts keep that port.

    Calls to another called AE title are rejected (PS3.8 9.3.4, reason 7). With an ``ssl_context``, which may
    be set until the start, it speaks TLS only.
    """

    def __init__(
        self, ae_title: str, host: str, port: int, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self.ssl_context = ssl_context
        self.ae_title = valid_ae_title(ae_title)
        self._address: Address = (host, port)
        self._server: ThreadedAssociationServer | None = None
        self._acceptor: threading.Thread | None = None
        self._lock = threading.Lock()
        self._associations = 0
        self._ae = AE(self.ae_title)
        self._ae.require_called_aet = True
        self._ae.maximum_associations = _MAXIMUM_ASSOCIATIONS
        self._ae.connection_timeout = 5
        self._ae.add_supported_context(Verification)

    def _services(self) -> list[tuple[evt.InterventionEvent, Callable[[Event], Any]]]:
        """The DIMSE services and what answers them. The one place to put something in between, such as a
        fault: every request passes through one of these callables."""
        return [(evt.EVT_C_ECHO, lambda event: 0x0000)]

    @property
    def address(self) -> Address:
        """Host and port; after :meth:`stop` still those that were used. ForefetchError before a start."""
        if not self._address[1]:
            raise ForefetchError(f"{self.ae_title} has no port yet; start it first")
        return self._address

    @property
    def associations(self) -> int:
        """Associations accepted since this object was made. Exact once a peer has had its first answer."""
        return self._associations

    def start(self) -> Self:
        """Listen. NodeError where the address cannot be used. Starting twice is one start."""
        if self._server is not None:
            return self
        handlers: list[EventHandlerType] = [
            (evt.EVT_CONN_OPEN, no_delay),
            (evt.EVT_ACCEPTED, self._count),
            *self._services(),
        ]
        try:
            server = self._ae.make_server(
                self._address, ssl_context=self.ssl_context, evt_handlers=handlers, server_class=_Server
            )
        except OSError as exc:
            host, port = self._address
            raise NodeError(self.ae_title, f"cannot listen on {host}:{port}: {exc.strerror}") from exc
        host, port = server.server_address[:2]
        self._server, self._address = server, (str(host), int(port))
        self._acceptor = threading.Thread(
            target=server.serve_forever, args=(_POLL,), name=self.ae_title, daemon=True
        )
        self._acceptor.start()
        logger.info("%s listens on %s:%d", self.ae_title, *self._address)
        return self

    def stop(self) -> None:
        """Stop listening, cut what is open, and wait for every thread. Stopping twice is one stop.

        Peers see the connection close, as when a process dies (A-P-ABORT).
        """
        if self._server is None or self._acceptor is None:
            return
        self._server.shutdown()
        self._acceptor.join()
        associations = self._ae.active_associations
        connections = [_cut(association) for association in associations]
        for association in associations:
            association.join(_JOIN)
        for connection in connections:
            if connection is not None:
                connection.close()
        self._server = self._acceptor = None
        logger.info("%s has stopped", self.ae_title)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _count(self, event: Event) -> None:
        with self._lock:
            self._associations += 1


class _Server(ThreadedAssociationServer):
    request_queue_size = 64

    def shutdown(self) -> None:
        """Stop without pynetdicom's bookkeeping: this server was made by the AE, not started by it."""
        BaseServer.shutdown(self)
        self.server_close()


def no_delay(event: Event) -> None:
    """Send each PDU at once: with Nagle's algorithm a response waits for the peer's delayed ACK (40 ms)."""
    connection = event.assoc.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _cut(association: Association) -> socket.socket | None:
    """Shut the connection of an association down; both ends then see it close, whatever they are waiting for.

    pynetdicom's own abort leaves a thread that awaits a C-STORE response waiting until the DIMSE timeout,
    and does not always close the socket, which is therefore returned.
    """
    connection = association.dul.socket.socket if association.dul.socket is not None else None
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    if not association.is_established:
        association.dul.to_user_queue.put(None)  # what a thread gets that has awaited A-ASSOCIATE in vain
    return connection
