"""One DIMSE request and its responses, which pass here one by one: this is where most faults strike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Never

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_MOVE, C_STORE, DimseServiceType
from pynetdicom.dsutils import encode
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.status import STATUS_FAILURE, STATUS_SUCCESS, STATUS_WARNING, code_to_category

from engine.simulator.fault_fields import Kind
from engine.simulator.faults import Fault
from engine.simulator.script import Struck
from engine.simulator.wire import Ended, Wire

SUCCESS = 0x0000
PENDING = 0xFF00
CANCEL = 0xFE00
_UNABLE_TO_PROCESS = 0xC000
_EVENTS = {C_ECHO: evt.EVT_C_ECHO, C_FIND: evt.EVT_C_FIND, C_MOVE: evt.EVT_C_MOVE, C_STORE: evt.EVT_C_STORE}
_ENDLESS_PAUSE = 0.2  # s between the pending responses of a fault that names no delay


@dataclass(slots=True)
class Tally:
    """The sub-operations of a C-MOVE (PS3.7 table 9.1-4)."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_instances: list[str] = field(default_factory=list)

    def add(self, status: int | None, instance: str) -> None:
        """Count one C-STORE by its status, None where there was no response."""
        self.remaining -= 1
        category = STATUS_FAILURE if status is None else code_to_category(status)
        if category == STATUS_SUCCESS:
            self.completed += 1
        elif category == STATUS_WARNING:
            self.warning += 1
        else:
            self.failed += 1
            self.failed_instances.append(instance)

    def counters(self, status: int) -> dict[str, int]:
        """What a response of this status states. Only a pending one and a cancel have a remainder."""
        counts = {"completed": self.completed, "failed": self.failed, "warning": self.warning}
        if status in (PENDING, CANCEL):
            return {"remaining": self.remaining, **counts}
        unsent = self.remaining if code_to_category(status) in (STATUS_FAILURE, STATUS_WARNING) else 0
        return {**counts, "failed": self.failed + unsent}


class Exchange:
    """A request at the SCP. Any method may raise Ended; nothing is to be sent then.

    ``event`` is pynetdicom's view of the request, which decodes its data set.
    """

    def __init__(self, wire: Wire, request: DimseServiceType, context: PresentationContext) -> None:
        self.request: Any = request
        self.event = Event(
            wire.association, _EVENTS[type(request)], {"request": request, "context": context.as_tuple}
        )
        self.wire = wire
        self.struck = Struck()
        self.tally: Tally | None = None  # of a C-MOVE whose sub-operations have begun
        self._context = context
        self._objects = self._responses = 0
        self._last: Dataset | None = None

    @property
    def calling_ae_title(self) -> str:
        return self.wire.association.requestor.ae_title

    @property
    def responses(self) -> int:
        """The pending responses that were sent, but for those of the fault ``endless``."""
        return self._responses

    @property
    def canceled(self) -> bool:
        """Whether a C-CANCEL has come that is to be heeded."""
        return self._cancel_id in self.wire.association.dimse.cancel_req

    def begin(self) -> None:
        """Before anything is done for the request."""
        self._strike(0, 0)

    def pause(self) -> None:
        """Before a response or an object of a node that is slow."""
        slow = self.struck.by(Kind.DELAY)
        self.wire.wait(slow.delay or 0 if slow else 0, self._cancel_id)

    def object_done(self) -> None:
        """After a sub-operation, before the pending response that tells of it."""
        self._objects += 1
        self._strike(self._objects, self._responses)

    def pending(self, identifier: Dataset | None = None) -> None:
        self._last = identifier
        self._send(self._response(PENDING, identifier))
        self._responses += 1
        self._strike(self._objects, self._responses)

    def final(self, status: int) -> None:
        """The last response, unless a fault is still to strike before it."""
        many = 1 << 32
        self._strike(many, many)
        self._send(self._final(status))

    def fail(self) -> None:
        """Say that the node itself has failed (PS3.4 table C.4-2: unable to process)."""
        self._send(self._final(_UNABLE_TO_PROCESS))

    def _strike(self, objects: int, responses: int) -> None:
        fault = self.struck.ending
        if fault is None or fault.fault is Kind.EMPTY:
            return
        if (fault.after_objects or 0) <= objects and (fault.after_responses or 0) <= responses:
            self._end(fault)

    def _end(self, fault: Fault) -> Never:
        match fault.fault:
            case Kind.ABORT:
                self.wire.abort()
            case Kind.CLOSE:
                self.wire.close()
            case Kind.STALL:
                self.wire.send_half(self._final(SUCCESS), self._context_id)
            case Kind.STATUS:
                self._send(self._final(fault.status or SUCCESS))
            case Kind.ENDLESS:
                self._go_on(fault.delay or _ENDLESS_PAUSE)
        raise Ended

    def _go_on(self, pause: float) -> None:
        """Pending responses until a C-CANCEL, or the end of the connection."""
        while not self.canceled:
            repeated = self._last
            if repeated is None and isinstance(self.request, C_FIND):
                repeated = self.event.identifier  # a pending C-FIND response has to have one
            self._send(self._response(PENDING, repeated))
            self.wire.wait(pause, self._cancel_id)
        self._send(self._response(CANCEL))

    def _final(self, status: int) -> DimseServiceType:
        fault = self.struck.by(Kind.STATUS)
        failed = list(fault.failed_instances) if fault else []
        if self.tally is not None and not failed and status != SUCCESS:
            failed = self.tally.failed_instances
        identifier = None
        if failed:
            identifier = Dataset()
            identifier.FailedSOPInstanceUIDList = failed
        return self._response(status, identifier, fault.comment if fault else "")

    def _response(
        self, status: int, identifier: Dataset | None = None, comment: str = ""
    ) -> DimseServiceType:
        response: Any = type(self.request)()
        response.MessageIDBeingRespondedTo = self.request.MessageID
        response.AffectedSOPClassUID = self.request.AffectedSOPClassUID
        if isinstance(response, C_STORE):
            response.AffectedSOPInstanceUID = self.request.AffectedSOPInstanceUID
        response.Status = status
        response.ErrorComment = comment or None
        for name, count in self._counters(status).items():
            setattr(response, f"NumberOf{name.capitalize()}Suboperations", count)
        if identifier is not None:
            syntax = self._context.transfer_syntax[0]
            content = encode(identifier, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
            response.Identifier = BytesIO(content or b"")
        return response  # type: ignore[no-any-return]

    def _counters(self, status: int) -> Mapping[str, int]:
        honest = self.tally.counters(status) if self.tally is not None else {}
        fault = self.struck.by(Kind.COUNTERS) or self.struck.by(Kind.STATUS)
        if fault is None:
            return honest
        if fault.leave_out == "all" or (fault.leave_out == "final" and status != PENDING):
            honest = {}
        return honest if status == PENDING else {**honest, **fault.counters}

    def _send(self, response: DimseServiceType) -> None:
        if self.wire.lost:
            raise Ended
        self.wire.association.dimse.send_msg(response, self._context_id)

    @property
    def _cancel_id(self) -> int | None:
        """The message ID whose C-CANCEL is heeded."""
        ignored = self.struck.by(Kind.IGNORE_CANCEL) is not None
        return None if ignored else self.request.MessageID

    @property
    def _context_id(self) -> int:
        assert self._context.context_id is not None
        return self._context.context_id
