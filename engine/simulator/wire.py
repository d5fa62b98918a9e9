"""An association as the acceptor sees it, and the ways to end it that pynetdicom does not have."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import DimseServiceType
from pynetdicom.events import Event
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import P_DATA

_SLICE = 0.01  # s; how soon a lost connection or a C-CANCEL is noticed


class Ended(Exception):
    """Nothing more is to be sent: a fault, the peer or a stop of the node has ended the exchange."""


class Wire:
    """One accepted association, from the moment its connection is open."""

    def __init__(self, association: Association) -> None:
        self.association = association
        self._send_pdu = association.dul.send_pdu
        self._held: list[P_DATA] | None = None
        self._queued = self._sent = 0
        association.dul.send_pdu = self._queue  # type: ignore[method-assign]
        association.bind(evt.EVT_PDU_SENT, self._count)
        no_delay(association)

    @property
    def lost(self) -> bool:
        """Whether the peer or :func:`cut` has ended the connection."""
        dul = self.association.dul
        return not dul.is_alive() or dul.state_machine.current_state == "Sta1"

    def wait(self, seconds: float, message_id: int | None = None) -> None:
        """Pause, until a C-CANCEL for the message at the longest. Ended where the connection is lost."""
        deadline = time.monotonic() + seconds
        while not self.lost:
            left = deadline - time.monotonic()
            if left <= 0 or message_id in self.association.dimse.cancel_req:
                return
            time.sleep(min(left, _SLICE))
        raise Ended

    def abort(self) -> None:
        """A-ABORT (PS3.8 7.3), after everything that was sent before."""
        self.association.abort()

    def close(self) -> None:
        """End the TCP connection without a word, after everything that was sent before."""
        self._flush()
        cut(self.association)

    def send_half(self, response: DimseServiceType, context_id: int) -> None:
        """The first half of the bytes of a response; its last PDU is never complete."""
        held: list[P_DATA] = []
        self._held = held
        self.association.dimse.send_msg(response, context_id)
        self._held = None
        self._flush()
        content = b"".join(P_DATA_TF(primitive).encode() for primitive in held)
        connection = self.association.dul.socket
        if connection is not None and connection.socket is not None:
            with contextlib.suppress(OSError):
                connection.socket.sendall(content[: len(content) // 2])

    def _queue(self, primitive: Any) -> None:
        if isinstance(primitive, P_DATA):
            if self._held is not None:
                self._held.append(primitive)
                return
            self._queued += 1
        self._send_pdu(primitive)

    def _count(self, event: Event) -> None:
        self._sent += isinstance(event.pdu, P_DATA_TF)

    def _flush(self) -> None:
        while self._sent < self._queued and not self.lost:
            time.sleep(_SLICE)


def no_delay(association: Association) -> None:
    """Send each PDU at once: with Nagle's algorithm a response waits for the peer's delayed ACK (40 ms)."""
    connection = association.dul.socket
    if connection is not None and connection.socket is not None:
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def cut(association: Association) -> socket.socket | None:
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
