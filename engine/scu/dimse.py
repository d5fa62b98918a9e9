"""The wait for a DIMSE response, with everything that may end it.

pynetdicom waits for ``dimse_timeout`` in one piece, tells neither silence from a closed connection nor
either from an invalid response, and aborts in a way that never returns where the peer fell silent in the
middle of a PDU. Here the wait is cut in slices and every end has its own error.
"""

from __future__ import annotations

import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_MOVE, DimseServiceType
from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT, A_RELEASE

from engine.dicom.node import Node, Timeouts
from engine.dicom.status import CANCEL
from engine.errors import AssociationAborted, NodeError, NodeTimeout
from engine.stop import Stop

SLICE = 0.2  # seconds until a set ``canceled``, a deadline or a lost connection is noticed
CANCEL_GRACE = 10.0


class Unanswered(AssociationAborted):
    """The node ended the association before any response to the request came.

    On an association that was in use before, the node had most likely closed it in the meantime.
    """


class NotSent(Exception):
    """``canceled`` was set before the request was sent; the caller says what that means."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What ends an operation besides its final response.

    ``deadline`` is on the monotonic clock. When it has passed, or ``canceled`` or ``enough`` (no more results
    are wanted) is set, a C-CANCEL goes out and the node has ``grace`` seconds to end the operation. It is not
    aborted at once, for many archives go on with their sub-operations after an abort, and a C-CANCEL right
    before one may be lost.
    """

    deadline: float
    canceled: threading.Event | None = None
    grace: float = CANCEL_GRACE
    enough: threading.Event | None = None

    @property
    def cancel_wanted(self) -> bool:
        return any(event is not None and event.is_set() for event in (self.canceled, self.enough))

    def may_begin(self) -> bool:
        """Whether a request that cannot be taken back may be sent now."""
        return self.canceled.may_begin() if isinstance(self.canceled, Stop) else not self.cancel_wanted


@dataclass(slots=True)
class Operation:
    """A request that has no final response yet."""

    name: str
    response: type[C_ECHO] | type[C_FIND] | type[C_MOVE]
    message_id: int
    context_id: int
    bounds: Bounds
    answered: bool = False
    late: bool = False
    stop_by: float = math.inf
    withheld: bool = False

    def may_be_sent(self) -> bool:
        """Asked last thing before the request is complete, in the thread that sends it; where not, nothing
        has been asked for."""
        self.withheld = not self.bounds.may_begin()
        return not self.withheld


class BoundedProvider(DIMSEServiceProvider):
    """pynetdicom's DIMSE provider of one association, with a wait that is bounded and can be canceled."""

    def __init__(self, association: Association, node: Node, timeouts: Timeouts) -> None:
        super().__init__(association)
        self._node = node.name
        self._timeouts = timeouts
        self.operation: Operation | None = None

    def get_msg(self, block: bool = False) -> tuple[None, None] | tuple[int, DimseServiceType]:
        """The next response to the operation under way.

        Raises AssociationAborted (Unanswered before the first response), NodeTimeout and NotSent.
        """
        operation = self.operation
        if operation is None:
            return super().get_msg(block)
        if not block:  # pynetdicom's reactor thread, not stopped yet: the response is not for it
            return None, None
        self._wait(operation)
        context_id, message = super().get_msg()
        if context_id is None or message is None:
            raise self._lost(operation, self._ending() or "closed the connection")
        operation.answered = True
        if (
            not isinstance(message, operation.response)
            or not message.is_valid_response
            or message.MessageIDBeingRespondedTo != operation.message_id
        ):
            raise AssociationAborted(
                self._node, f"sent something else than a response to {operation.name}; association aborted"
            )
        if operation.late and message.Status == CANCEL:
            raise self._gave_up(operation)  # nobody but the deadline has canceled it
        return context_id, message

    def _wait(self, operation: Operation) -> None:
        silent_since = time.monotonic()
        while True:
            self._check(operation, silent_since)
            ending = self._ending()  # looked at before the queue: what came before the end still counts
            if self._arrived() and not operation.withheld:
                return
            if ending:
                raise self._lost(operation, ending)

    def _arrived(self) -> bool:
        with self.msg_queue.not_empty:
            return bool(self.msg_queue.queue) or self.msg_queue.not_empty.wait(SLICE)

    def _check(self, operation: Operation, silent_since: float) -> None:
        if operation.withheld:
            raise NotSent
        now = time.monotonic()
        bounds = operation.bounds
        if now >= operation.stop_by:
            raise self._gave_up(operation)
        if now >= silent_since + self._timeouts.dimse:
            text = f"no response to {operation.name} for {self._timeouts.dimse:g} s"
            raise NodeTimeout(self._node, text)
        if operation.stop_by == math.inf and (now >= bounds.deadline or bounds.cancel_wanted):
            operation.late = not bounds.cancel_wanted
            operation.stop_by = now + self._cancel(operation)

    def _cancel(self, operation: Operation) -> float:
        """Send a C-CANCEL (PS3.7 9.3.2.3 and 9.3.4.3); how many seconds to wait for what comes of it."""
        if operation.response is C_ECHO:  # cannot be canceled
            return 0.0
        with suppress(RuntimeError):  # the connection is lost, as the wait will notice
            self.assoc.send_c_cancel(operation.message_id, operation.context_id)
        return operation.bounds.grace

    def _gave_up(self, operation: Operation) -> NodeError:
        if operation.late:
            text = f"{operation.name} was not finished after {self._timeouts.total:g} s in all"
            return NodeTimeout(self._node, text)
        text = f"went on for {operation.bounds.grace:g} s after C-CANCEL; association aborted"
        return AssociationAborted(self._node, text)

    def _ending(self) -> str:
        """How the association ended, or empty while it stands."""
        primitive = self.dul.peek_next_pdu()
        if isinstance(primitive, A_ABORT):
            return "aborted the association (A-ABORT)"
        if isinstance(primitive, A_RELEASE):
            return "released the association while a response was awaited"
        if isinstance(primitive, A_P_ABORT) and primitive.provider_reason:
            return "sent what the DICOM upper layer does not allow; association aborted (A-P-ABORT)"
        if primitive is not None or not self.dul.is_alive():
            return "closed the connection while a response was awaited"
        return ""

    def _lost(self, operation: Operation, text: str) -> AssociationAborted:
        return (AssociationAborted if operation.answered else Unanswered)(self._node, text)
