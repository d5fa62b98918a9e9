"""The association on which an archive sends what a C-MOVE asks for (PS3.4 C.4.2.2.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from socket import socket
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.events import Event, EventHandlerType
from pynetdicom.presentation import PresentationContext

from engine.simulator.catalogue import HeldObject
from engine.simulator.scp import no_delay

_MAXIMUM_CONTEXTS = 128  # PS3.8 9.3.2.2: odd identifiers from 1 to 255


def contexts(objects: Iterable[HeldObject]) -> list[PresentationContext]:
    """One a SOP class and transfer syntax; what is not compressed may go as Implicit VR too (PS3.5 10.1)."""
    pairs = dict.fromkeys((held.value("SOPClassUID"), held.transfer_syntax) for held in objects)
    return [
        build_context(sop_class, [syntax] if UID(syntax).is_compressed else [syntax, ImplicitVRLittleEndian])
        for sop_class, syntax in list(pairs)[:_MAXIMUM_CONTEXTS]
    ]


class SubOperationConnection:
    """Watches the connection to a destination for the archive.

    pynetdicom may otherwise send the next object into a connection that has just been closed, and await an
    answer until the DIMSE timeout; nor does it always close its own end then.
    """

    def __init__(self, originator: str) -> None:
        """``originator`` is the AE title that asked for the C-MOVE."""
        self._originator = originator
        self._association: Association | None = None
        self._socket: socket | None = None

    def handlers(self) -> list[EventHandlerType]:
        """What to bind to the association."""
        return [(evt.EVT_CONN_OPEN, no_delay), (evt.EVT_CONN_OPEN, self._opened)]

    def notice_closing(self) -> None:
        """Let every C-STORE from now on fail at once if the connection is gone."""
        if self._association is None or self._socket is None:
            return
        try:
            self._socket.getpeername()
        except OSError:
            self._socket.close()
            self._association.is_established = False

    def _opened(self, event: Event) -> None:
        self._association = event.assoc
        # PS3.7 9.3.1.1: the AE that invoked the C-MOVE; pynetdicom names the one that carries it out
        event.assoc.send_c_store = partial(  # type: ignore[method-assign]
            _send_for, event.assoc.send_c_store, self._originator
        )
        if event.assoc.dul.socket is not None:
            self._socket = event.assoc.dul.socket.socket


def _send_for(
    send: Callable[..., Dataset], originator: str, dataset: Any, *arguments: Any, **named: Any
) -> Dataset:
    return send(dataset, *arguments, **{**named, "originator_aet": originator})
