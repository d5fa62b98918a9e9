"""pynetdicom's threads of an association, without their naps.

It has two for each: one looks every millisecond whether there is something to send or to receive, the other
whether the node has ended the association. Each operation waits for the first, and unused associations take
the processor (and Python's lock) from everything else. Here the first sleeps until it has something to do,
and the second, which matters only between two operations, until the first has something for it.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from ssl import SSLContext

from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider, _PDUType  # type: ignore[attr-defined]
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import _PDUPrimitiveType
from pynetdicom.transport import AddressInformation, AssociationSocket

_LONGEST = 0.25  # seconds of sleep, should a wake-up get lost
_NOT_CONNECTED = 0.001
_LAST_OF_DATA_SET = b"\2"
_CLOSING = "Sta13"  # PS3.8 table 9-10: waits for the connection to close, which pynetdicom does not


class PromptEntity(AE):
    """An AE whose associations have a `PromptProvider`."""

    def _create_socket(
        self, assoc: Association, address: AddressInformation, tls_args: tuple[SSLContext, str] | None
    ) -> AssociationSocket:
        """The first that is done with an association, before its threads are started. OSError: there is no
        room for another socket; in the thread it would leave who waits for the association waiting."""
        assoc.dul = provider = PromptProvider(assoc)
        assoc.acse_timeout, assoc.network_timeout = self.acse_timeout, self.network_timeout  # it keeps them
        try:
            return super()._create_socket(assoc, address, tls_args)
        except BaseException:
            provider.close_bell()
            raise


def _completes_request(pdu: _PDUType) -> bool:
    """Of a request with an identifier: by the message control header (PS3.8 E.2)."""
    items = pdu.presentation_data_value_items if isinstance(pdu, P_DATA_TF) else ()
    return any((it.presentation_data_value or b"").startswith(_LAST_OF_DATA_SET) for it in items)


class PromptProvider(DULServiceProvider):
    """The upper layer (PS3.8) of one association."""

    def __init__(self, association: Association) -> None:
        super().__init__(association)
        self._run_loop_delay = 0.0
        self._bell, self._ear = socket.socketpair()
        self._bell.setblocking(False)
        self._ear.setblocking(False)
        self._unused = False  # whether no operation is under way
        self._permits: Callable[[], bool] = lambda: True

    def begin_operation(self, permits: Callable[[], bool]) -> None:
        """What comes from now on is for the operation alone. ``permits`` is asked, in the thread, when all of
        a request has been sent but the last fragment of its identifier; where not, that is not sent, and the
        association has to be aborted. Between here and there a process may have stood still for minutes."""
        self._unused = False
        self._permits = permits

    def end_operation(self) -> None:
        """What comes from now on is for pynetdicom's reactor thread, which sleeps until then."""
        self._unused = True
        self.assoc._reactor_checkpoint.clear()
        self._rouse()

    def send_pdu(self, primitive: _PDUPrimitiveType) -> None:
        super().send_pdu(primitive)
        self._ring()

    def _send(self, pdu: _PDUType) -> None:
        if not _completes_request(pdu) or self._permits():
            super()._send(pdu)

    def kill_dul(self) -> None:
        super().kill_dul()
        self._ring()

    def run_reactor(self) -> None:
        """The thread."""
        try:
            super().run_reactor()
        finally:
            self.close_bell()
            self._rouse(ended=True)

    def close_bell(self) -> None:
        """For the thread that has ended, or does not begin."""
        self._bell.close()
        self._ear.close()

    def _ring(self) -> None:
        with suppress(OSError):  # it rings already, or the thread has ended
            self._bell.send(b"\0")

    def _is_transport_event(self) -> bool:
        """Called when there is nothing to send."""
        self._rouse()
        if self.event_queue.empty():
            self._sleep()
        return super()._is_transport_event()

    def _rouse(self, *, ended: bool = False) -> None:
        """Nobody else would look at what has come between two operations."""
        come = not self.to_user_queue.empty() or not self.assoc.dimse.msg_queue.empty()
        if self._unused and (come or ended):
            self.assoc._reactor_checkpoint.set()

    def _sleep(self) -> None:
        """Until there is something to send or to receive."""
        transport = self.socket
        if transport is None or transport.socket is None or not transport._is_connected:
            time.sleep(_NOT_CONNECTED)
        elif self.state_machine.current_state != _CLOSING and not transport.ready:
            with suppress(OSError, ValueError):  # closed meanwhile, as will be noticed
                ready, _, _ = select.select([transport.socket, self._ear], [], [], _LONGEST)
                if self._ear in ready:
                    self._ear.recv(64)
