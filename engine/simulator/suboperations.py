"""The association on which an archive sends what a C-MOVE asks for (PS3.4 C.4.2.2.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from socket import socket

from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom import AE, build_context, evt
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import DimseServiceType
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext

from engine.simulator.catalogue import HeldObject
from engine.simulator.wire import no_delay

_MAXIMUM_CONTEXTS = 128  # PS3.8 9.3.2.2: odd identifiers from 1 to 255
_LAST_MESSAGE_ID = 65535

Address = tuple[str, int]


def contexts(objects: Iterable[HeldObject]) -> list[PresentationContext]:
    """One a SOP class and transfer syntax; what is not compressed may go as Implicit VR too (PS3.5 10.1)."""
    pairs = dict.fromkeys((held.value("SOPClassUID"), held.transfer_syntax) for held in objects)
    return [
        build_context(sop_class, [syntax] if UID(syntax).is_compressed else [syntax, ImplicitVRLittleEndian])
        for sop_class, syntax in list(pairs)[:_MAXIMUM_CONTEXTS]
    ]


class _OnlyResponses(DIMSEServiceProvider):
    """Leaves a response to whom awaits it. pynetdicom's reactor thread, which awakes from one pause while the
    next one is asked for, may otherwise take it off the queue."""

    def get_msg(self, block: bool = False) -> tuple[None, None] | tuple[int, DimseServiceType]:
        return super().get_msg(block) if block else (None, None)


class SubOperations:
    """C-STOREs on one association to a move destination. To be closed, whether it came about or not."""

    def __init__(
        self,
        ae: AE,
        destination: tuple[str, Address],
        objects: Sequence[HeldObject],
        originator: tuple[str, int],
        watch: Callable[[Association], None],
    ) -> None:
        """Ask for the association, which ``watch`` gets before it is connected.

        ``destination`` is the AE title and the address, ``originator`` the AE title that asked for the
        C-MOVE and the message ID of its request (PS3.7 9.1.1.1).
        """
        self._originator = originator
        self._watch = watch
        self._socket: socket | None = None
        self._message_id = 0
        title, (host, port) = destination
        self._association = ae.associate(
            host,
            port,
            contexts=contexts(objects),
            ae_title=title,
            evt_handlers=[
                (evt.EVT_ACSE_SENT, self._before_connecting),
                (evt.EVT_CONN_OPEN, lambda event: no_delay(event.assoc)),
            ],
        )
        self._association.dimse = _OnlyResponses(self._association)

    @property
    def established(self) -> bool:
        return bool(self._association.is_established)

    def send(self, held: HeldObject) -> int | None:
        """The status of a C-STORE of the object, None where it could not be sent or was not answered."""
        dataset = held.read()
        self._notice_closing()
        self._message_id = self._message_id % _LAST_MESSAGE_ID + 1
        title, message_id = self._originator
        try:
            response = self._association.send_c_store(
                dataset, self._message_id, originator_aet=title, originator_id=message_id
            )
        except (RuntimeError, ValueError, AttributeError):
            return None  # not established any more, no presentation context, or not to be encoded
        return response.get("Status")  # type: ignore[no-any-return]

    def close(self) -> None:
        if self.established:
            self._association.release()
        elif self._socket is not None:
            self._socket.close()  # pynetdicom drops it open

    def _before_connecting(self, event: Event) -> None:
        connection = event.assoc.dul.socket
        asking = isinstance(event.primitive, A_ASSOCIATE)  # type: ignore[attr-defined]
        if asking and connection is not None:
            self._socket = connection.socket
            self._watch(event.assoc)

    def _notice_closing(self) -> None:
        """Let every C-STORE from now on fail at once if the connection is gone.

        pynetdicom may otherwise send the next object into a connection that has just been closed, and await
        an answer until the DIMSE timeout; nor does it always close its own end then.
        """
        if self._socket is None:
            return
        try:
            self._socket.getpeername()
        except OSError:
            self._socket.close()
            self._association.is_established = False
