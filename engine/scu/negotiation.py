"""How an association came about, or why it did not."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from pynetdicom import evt
from pynetdicom.pdu_primitives import A_ABORT, A_ASSOCIATE, A_P_ABORT

from engine.dicom.node import Node, Timeouts
from engine.errors import AssociationAborted, AssociationRejected, NodeError, NodeTimeout, NodeUnreachable


class _Socket(socket.socket):
    """Keeps the reason why it could not connect, which pynetdicom only logs."""

    failure: OSError | None = None

    def connect(self, address: Any, /) -> None:
        try:
            super().connect(address)
        except OSError as exc:
            self.failure = exc
            raise

    def shutdown(self, how: int, /) -> None:
        with suppress(OSError):  # pynetdicom leaves a socket open that cannot be shut down
            super().shutdown(how)


class Negotiation:
    """Observes one A-ASSOCIATE negotiation: pynetdicom says whether it succeeded, not why it did not."""

    def __init__(self, node: Node, timeouts: Timeouts) -> None:
        self._node = node
        self._timeouts = timeouts
        self._connected = False
        self._answer: Any = None
        self.socket: _Socket  # from before it is connected

    def observers(self) -> list[Any]:
        return [
            (evt.EVT_ACSE_SENT, self._before_connecting),
            (evt.EVT_CONN_OPEN, self._on_connection),
            (evt.EVT_ACSE_RECV, self._on_answer),
        ]

    def _before_connecting(self, event: evt.Event) -> None:
        if isinstance(event.primitive, A_ASSOCIATE):  # type: ignore[attr-defined]
            transport: Any = event.assoc.dul.socket
            self.socket = transport.socket = _Socket(fileno=transport.socket.detach())

    def _on_connection(self, event: evt.Event) -> None:
        self._connected = True
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.socket.settimeout(self._timeouts.acse)

    def _on_answer(self, event: evt.Event) -> None:
        self._answer = event.primitive  # type: ignore[attr-defined]

    def failure(self) -> NodeError:
        """Why there is no association."""
        name, answer = self._node.name, self._answer
        if not self._connected:
            return self._unreachable()
        if answer is None:
            return NodeTimeout(name, f"no answer to A-ASSOCIATE for {self._timeouts.acse:g} s")
        if isinstance(answer, A_ASSOCIATE) and answer.result == 0:
            return AssociationRejected(name, "accepts none of the presentation contexts")
        if isinstance(answer, A_ASSOCIATE) and answer.result in (1, 2):
            reason = f"{answer.reason_str} ({answer.result_str}, {answer.source_str})"
            return AssociationRejected(name, f"rejected the association: {reason}")
        if isinstance(answer, A_ABORT):
            return AssociationAborted(name, "aborted the association while it was negotiated (A-ABORT)")
        if isinstance(answer, A_P_ABORT) and not answer.provider_reason:
            return AssociationAborted(name, "closed the connection while the association was negotiated")
        return AssociationAborted(name, "answered A-ASSOCIATE with something that is not DICOM")

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
