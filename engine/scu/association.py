"""One association to a node: how it is opened, used for one operation at a time, and ended without a leak."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_MOVE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind as FIND,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove as MOVE,
)
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from engine.dicom.identifiers import valid_ae_title
from engine.dicom.node import Node, Timeouts
from engine.dicom.status import is_pending
from engine.errors import AssociationAborted, AssociationRejected, NodeUnreachable
from engine.scu.dimse import BoundedProvider, Bounds, Operation, Unanswered
from engine.scu.identity import negotiation_items
from engine.scu.negotiation import Negotiation
from engine.scu.prompt import PromptEntity, PromptProvider

_log = logging.getLogger(__name__)

_LINGER = 1.0  # seconds for an A-ABORT to leave before the socket is shut
_LAST_MESSAGE_ID = 65535  # PS3.7 E.1: US

_TRANSFER_SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian]  # none that unfolds to any size

VERIFICATION = (Verification,)  # PS3.4 A.4
STUDY_ROOT = (Verification, FIND, MOVE)  # PS3.4 C.6.2

Response = tuple[Dataset, Dataset | None]  # status related elements, identifier
OnPending = Callable[[Dataset, Dataset | None], None]


class NodeAssociation:
    """An established association. Not for two threads at once.

    After any error of an operation it must be ended with ``abort``.
    """

    def __init__(
        self,
        node: Node,
        calling_ae_title: str,
        timeouts: Timeouts,
        sop_classes: Sequence[UID] = STUDY_ROOT,
    ) -> None:
        """Open it. Raises IdentifierError (an AE title), NodeUnreachable, TlsFailed, AssociationRejected,
        NodeBusy, AssociationAborted, NodeTimeout, and NodeError for a user identity that is not to be had."""
        self._node = node
        self._message_id = 0
        self.spent = False  # set: to be released, not used again
        self._negotiation = Negotiation(node, timeouts)
        self._association = self._request(valid_ae_title(calling_ae_title), timeouts, sop_classes)
        if not self._association.is_established:
            self._end()
            raise self._negotiation.failure()
        if self._unconfirmed():
            self.abort()
            text = "did not confirm our user identity; it may not check it (identity.confirm in routes.yaml)"
            raise AssociationRejected(node.name, text)
        with suppress(OSError):  # closed already, as the first operation will notice
            self._negotiation.socket.settimeout(timeouts.dimse + 1)  # for a PDU whose rest never comes
        self._dimse = BoundedProvider(self._association, node, timeouts)
        self._association.dimse = self._dimse
        self._provider.end_operation()

    def _unconfirmed(self) -> bool:
        """Who does not support user identity accepts without a response to it (PS3.7 D.3.3.7)."""
        identity = self._node.identity
        return identity is not None and identity.confirm and self._association.acceptor.user_identity is None

    def _request(self, calling: str, timeouts: Timeouts, sop_classes: Sequence[UID]) -> Association:
        called = valid_ae_title(self._node.ae_title)
        entity = PromptEntity(ae_title=calling)
        entity.connection_timeout = timeouts.connect
        entity.acse_timeout = timeouts.acse
        entity.network_timeout = None  # would end associations that only wait for their next operation
        for sop_class in sop_classes:
            entity.add_requested_context(sop_class, _TRANSFER_SYNTAXES)
        try:
            return entity.associate(
                self._node.host,
                self._node.port,
                ae_title=called,
                ext_neg=list(negotiation_items(self._node)),
                evt_handlers=self._negotiation.observers(),
            )
        except (socket.gaierror, UnicodeError) as exc:
            text = f"the host name {self._node.host} cannot be resolved"
            raise NodeUnreachable(self._node.name, text) from exc
        except OSError as exc:
            text = f"no connection could be made: {exc.strerror}"
            raise NodeUnreachable(self._node.name, text) from exc

    @property
    def is_established(self) -> bool:
        """Whether it stands. A primitive that waits while no operation is under way can only be its end
        (PS3.8 7.2 to 7.4), which pynetdicom has not come round to yet."""
        association = self._association
        return bool(association.is_established) and association.dul.peek_next_pdu() is None

    @property
    def _provider(self) -> PromptProvider:
        provider = self._association.dul
        assert isinstance(provider, PromptProvider)
        return provider

    def echo(self, bounds: Bounds) -> Response:
        """C-ECHO (PS3.7 9.1.5)."""

        def send(message_id: int) -> Iterable[Response]:
            return [(self._association.send_c_echo(message_id), None)]

        return self._exchange("C-ECHO", C_ECHO, Verification, bounds, send, lambda *_: None)

    def find(self, query: Dataset, bounds: Bounds, pending: OnPending) -> Response:
        """C-FIND (PS3.4 C.4.1): each result goes to ``pending``; the final response is returned."""

        def send(message_id: int) -> Iterable[Response]:
            return self._association.send_c_find(query, FIND, message_id, priority=0)

        return self._exchange("C-FIND", C_FIND, FIND, bounds, send, pending)

    def move(
        self, query: Dataset, destination: str, priority: int, bounds: Bounds, pending: OnPending
    ) -> Response:
        """C-MOVE (PS3.4 C.4.2): each pending response goes to ``pending``; the final one is returned."""

        def send(message_id: int) -> Iterable[Response]:
            return self._association.send_c_move(query, destination, MOVE, message_id, priority)

        return self._exchange("C-MOVE", C_MOVE, MOVE, bounds, send, pending)

    def _exchange(
        self,
        name: str,
        kind: type[C_ECHO] | type[C_FIND] | type[C_MOVE],
        sop_class: UID,
        bounds: Bounds,
        send: Callable[[int], Iterable[Response]],
        pending: OnPending,
    ) -> Response:
        context_id = self._context(sop_class)
        self._message_id = self._message_id % _LAST_MESSAGE_ID + 1
        operation = Operation(name, kind, self._message_id, context_id, bounds)
        self._dimse.operation = operation
        self._provider.begin_operation(operation.may_be_sent)
        try:
            for status, identifier in self._sent(send):
                if not is_pending(status.Status):
                    self._provider.end_operation()
                    return status, identifier
                pending(status, identifier)
        finally:
            self._dimse.operation = None
        raise AssociationAborted(self._node.name, f"ended {name} without a final response")

    def _sent(self, send: Callable[[int], Iterable[Response]]) -> Iterable[Response]:
        try:
            return send(self._message_id)
        except RuntimeError as exc:  # pynetdicom: not established any more
            raise Unanswered(self._node.name, "closed the connection before the request was sent") from exc

    def _context(self, sop_class: UID) -> int:
        for context in self._association.accepted_contexts:
            if context.abstract_syntax == sop_class and context.context_id is not None:
                return context.context_id
        raise AssociationRejected(self._node.name, f"does not accept {sop_class.name} (presentation context)")

    def release(self) -> None:
        """A-RELEASE (PS3.8 7.2); a node that does not answer it is aborted after the ACSE timeout."""
        self._association.release()
        self._end()

    def abort(self) -> None:
        """A-ABORT (PS3.8 7.3), unless the node has ended the association already."""
        association = self._association
        if association.dul.is_alive() and not association.is_aborted and not association.acse.is_aborted():
            association.is_established = False  # or its reactor may still answer a release of the node
            association.abort(block=False)
        self._end()

    def _end(self) -> None:
        """See to it that both threads and the socket are gone, in whatever state the peer left them."""
        association = self._association
        association.dul.join(_LINGER)
        if association.dul.is_alive():  # reading a PDU of which the rest does not come
            self._negotiation.socket.shutdown(socket.SHUT_RDWR)
            association.dul.join(_LINGER)
        if association.dul.is_alive():
            _log.error("%s: the thread of an association does not end", self._node.name)
        else:
            association.kill()
            if association.is_alive():
                association.join(_LINGER)
        self._negotiation.socket.close()
