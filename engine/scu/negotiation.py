"""How an association came about, or why it did not."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from typing import Any

from pynetdicom import evt
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_ABORT, A_ASSOCIATE, A_P_ABORT

from engine.dicom.node import Node, Timeouts
from engine.errors import (
    AssociationAborted,
    AssociationRejected,
    NodeBusy,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    TlsFailed,
)
from engine.tls import client_context, looks_like_tls, reason

_PRESENTATION = 3  # PS3.8 table 9-21, Source: the presentation related service provider
_CONGESTION, _LOCAL_LIMIT = 1, 2  # its Reason/Diag.


class _Socket(socket.socket):
    """Keeps why it could not connect or read, and what came first: pynetdicom only logs it."""

    failure: OSError | None = None
    connected = False
    beginning = b""

    def connect(self, address: Any, /) -> None:
        try:
            super().connect(address)
        except OSError as exc:
            self.failure = exc
            raise
        self.failure = None
        self.connected = True

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            chunk = super().recv(buflen, flags)
        except OSError as exc:
            self.failure = exc
            raise
        self.beginning = self.beginning or chunk
        return chunk

    def shutdown(self, how: int, /) -> None:
        """The TCP connection, not TLS: another thread may be reading, whose TLS must not vanish."""
        with suppress(OSError):  # pynetdicom leaves a socket open that cannot be shut down
            socket.socket.shutdown(self, how)


class _TlsSocket(_Socket, ssl.SSLSocket):
    """The same with TLS on it; connected when the handshake is done. ``patience``: seconds for that."""

    patience: float | None = None

    def connect(self, address: Any, /) -> None:
        super().connect(address)
        self.settimeout(self.patience)
        try:
            self.do_handshake()
        except OSError as exc:
            self.failure = exc
            raise


class Negotiation:
    """Observes one A-ASSOCIATE negotiation: pynetdicom says whether it succeeded, not why it did not."""

    def __init__(self, node: Node, timeouts: Timeouts) -> None:
        """Raises TlsFailed where the node has TLS settings that cannot be used."""
        self._node = node
        self._timeouts = timeouts
        self._connected = False
        self._answer: Any = None
        self._context = _context(node)
        self._provider: DULServiceProvider
        self.socket: _Socket  # from before it is connected

    def observers(self) -> list[Any]:
        return [
            (evt.EVT_ACSE_SENT, self._before_connecting),
            (evt.EVT_CONN_OPEN, self._on_connection),
            (evt.EVT_ACSE_RECV, self._on_answer),
        ]

    def _before_connecting(self, event: evt.Event) -> None:
        if isinstance(event.primitive, A_ASSOCIATE):  # type: ignore[attr-defined]
            self._provider = event.assoc.dul
            transport: Any = self._provider.socket
            self.socket = transport.socket = self._wrap(_Socket(fileno=transport.socket.detach()))

    def _wrap(self, plain: _Socket) -> _Socket:
        """With TLS where the node has it (PS3.15 B). pynetdicom's ``tls_args`` would put a socket of its own
        in place of ours."""
        if self._context is None or self._node.tls is None:
            return plain
        hostname = self._node.tls.name_of(self._node.host)
        wrapped = self._context.wrap_socket(plain, server_hostname=hostname, do_handshake_on_connect=False)
        assert isinstance(wrapped, _TlsSocket)
        wrapped.patience = self._timeouts.acse
        return wrapped

    def _on_connection(self, event: evt.Event) -> None:
        self._connected = True
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket.settimeout(self._timeouts.acse)

    def _on_answer(self, event: evt.Event) -> None:
        self._answer = event.primitive  # type: ignore[attr-defined]

    def failure(self) -> NodeError:
        """Why there is no association.

        pynetdicom closes the connection after a rejection or an abort, and where that was quick, takes it for
        one that failed and leaves the answer where it is.
        """
        name, answer = self._node.name, self._answer or self._provider.peek_next_pdu()
        if not self._connected:
            return self._tls_failure(self.socket.failure) if self.socket.connected else self._unreachable()
        if isinstance(answer, A_ASSOCIATE) and answer.result == 0:
            return AssociationRejected(name, "accepts none of the presentation contexts")
        if isinstance(answer, A_ASSOCIATE) and answer.result in (1, 2):
            return self._rejection(answer)
        if isinstance(answer, A_ABORT):
            return AssociationAborted(name, "aborted the association while it was negotiated (A-ABORT)")
        if isinstance(self.socket.failure, ssl.SSLError):  # in TLS 1.3 our certificate is refused that late
            return self._tls_failure(self.socket.failure)
        if self._context is None and looks_like_tls(self.socket.beginning):
            return TlsFailed(name, "speaks TLS and we do not; give it a tls section in routes.yaml")
        if answer is None:
            return self._silence()
        if isinstance(answer, A_P_ABORT) and not answer.provider_reason:
            return self._closed()
        return AssociationAborted(name, "answered A-ASSOCIATE with something that is not DICOM")

    def _silence(self) -> NodeTimeout:
        return NodeTimeout(self._node.name, f"no answer to A-ASSOCIATE for {self._timeouts.acse:g} s")

    def _closed(self) -> NodeError:
        name = self._node.name
        if isinstance(self.socket.failure, TimeoutError):  # while reading, and closed by us
            return self._silence()
        if self._context is not None:
            text = "closed the connection after the TLS handshake; it may want a certificate that it trusts"
            return TlsFailed(name, f"{text} (tls.certificate), as its log should say")
        text = "closed the connection while the association was negotiated"
        if not self.socket.beginning:  # most TLS servers do so when they are not spoken to in TLS
            text += "; if that port is for TLS, give it a tls section in routes.yaml"
        return AssociationAborted(name, text)

    def _rejection(self, answer: A_ASSOCIATE) -> AssociationRejected:
        why = f"{answer.reason_str} ({answer.result_str}, {answer.source_str})"
        text = f"rejected the association: {why}"
        if answer.result_source == _PRESENTATION and answer.diagnostic in (_CONGESTION, _LOCAL_LIMIT):
            return NodeBusy(self._node.name, text)
        if self._node.identity is not None:
            text += "; it was told a user identity: check identity in routes.yaml"
        return AssociationRejected(self._node.name, text)

    def _tls_failure(self, cause: OSError | None) -> TlsFailed:
        place = f"{self._node.host}:{self._node.port}"
        error = TlsFailed(self._node.name, f"no TLS with {place}: {reason(cause or OSError())}")
        error.__cause__ = cause
        return error

    def _unreachable(self) -> NodeUnreachable:
        cause = self.socket.failure
        place = f"{self._node.host}:{self._node.port}"
        if isinstance(cause, TimeoutError):
            text = f"no TCP connection to {place} within {self._timeouts.connect:g} s"
        else:
            text = f"no TCP connection to {place}: {cause.strerror if cause else 'unknown reason'}"
        error = NodeUnreachable(self._node.name, text)
        error.__cause__ = cause
        return error


def _context(node: Node) -> ssl.SSLContext | None:
    """Made anew for each association, so that a certificate that was renewed on the disk is used."""
    if node.tls is None:
        return None
    try:
        context = client_context(node.tls, node.host)
    except OSError as exc:
        text = f"our TLS settings cannot be used ({exc}); check tls in routes.yaml (forefetch check)"
        raise TlsFailed(node.name, text) from exc
    context.sslsocket_class = _TlsSocket
    return context
