"""One message: read, decide, plan, keep, wait for the outcome where a route asks to, acknowledge."""

from __future__ import annotations

import datetime as dt
import hashlib
import itertools
import logging
import time
from collections.abc import Callable, Iterator

from engine.config import Config
from engine.dispatcher import Dispatcher
from engine.errors import MessageError, StoreError
from engine.explanation import as_json
from engine.hl7.ack import AckCode, AckError, Reply, Severity, acknowledge
from engine.hl7.message import Header, Message, best_header
from engine.hl7.validation import faults_of
from engine.retrieve import reply
from engine.routing.router import Decision, Matched, decide, plan_of, routes_of
from engine.routing.rules import Acknowledge
from engine.store import Journaled, NewMessage, Store

_log = logging.getLogger(__name__)
_NOT_KEPT = "the message could not be kept; send it again later"
_FAULT = "fault in forefetch; send it again later (a message that was kept is not carried out twice)"
_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Intake:
    """Answers each HL7 message with the bytes of its acknowledgment (HL7 v2 ch. 2.9.2, original mode)."""

    def __init__(
        self, *, config: Config, store: Store, dispatcher: Dispatcher, clock: Callable[[], dt.datetime]
    ) -> None:
        """``clock`` gives the time with its zone."""
        self._config = config
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._control_ids = control_ids(time.time_ns())

    async def receive(self, payload: bytes, peer: str) -> bytes:
        """The ACK for one message, whatever it is and whatever happens here."""
        try:
            return await self._receive(payload, peer)
        except Exception:  # noqa: BLE001  a fault of ours is answered too: the sender waits
            _log.exception("message from %s failed by a fault of forefetch", peer)
            return self._ack(best_header(payload), _rejected(_FAULT))

    async def _receive(self, payload: bytes, peer: str) -> bytes:
        received = self._clock()
        try:
            message = Message(payload, self._config.engine.default_charset)
            decision = decide(message, self._config.routes, received)
            _validate(message, decision)
        except MessageError as error:
            _log.warning(
                "message from %s refused: HL7 error %d at %s", peer, error.code, error.location or "MSH"
            )
            return self._nak(best_header(payload), error)
        try:
            return await self._keep_and_answer(message, decision, peer, received)
        except StoreError as error:
            _log.error("message from %s could not be kept: %s", peer, error)
            return self._ack(message.header, _rejected(_NOT_KEPT))

    def refuse(self, head: bytes, reason: str) -> bytes:
        """The NAK for a block that could not be taken whole; ``head`` is its beginning."""
        return self._nak(best_header(head), MessageError(reason, code=207, reject=True))

    async def _keep_and_answer(
        self, message: Message, decision: Decision, peer: str, received: dt.datetime
    ) -> bytes:
        immediate = _immediate(decision)
        ack = self._ack(message.header, immediate) if immediate is not None else None
        kept = await self._store.journal(_record(message, decision, peer, received, ack, immediate))
        _log_kept(message.header, decision, kept, peer)
        if kept.new:
            self._dispatcher.wake({request.archive for request in plan_of(decision).requests})
        if kept.ack is not None:
            return kept.ack
        return await self._outcome(message.header, decision, kept.message_id, received)

    async def _outcome(
        self, header: Header, decision: Decision, message_id: int, received: dt.datetime
    ) -> bytes:
        """Wait for the tasks, at most to the deadline. The first answer that is kept is the only one."""
        deadline = decision.deadline if isinstance(decision, Matched) else 0.0
        waited = (self._clock() - received).total_seconds()
        await self._dispatcher.settled(message_id, max(0.0, deadline - waited))
        answer = reply.settled(await self._store.tasks_of(message_id), plan_of(decision).problems)
        ack = await self._store.keep_ack(message_id, self._ack(header, answer), answer.code.value)
        _log.info("message %d answered: %s", message_id, answer.code)
        return ack

    def _nak(self, header: Header, error: MessageError) -> bytes:
        code = AckCode.AR if error.reject else AckCode.AE
        line = AckError(Severity.ERROR, error.code, error.text, error.location)
        return self._ack(header, Reply(code, error.text, (line,)))

    def _ack(self, header: Header, answer: Reply) -> bytes:
        return acknowledge(header, answer, control_id=next(self._control_ids), time=self._clock())


def control_ids(start: int) -> Iterator[str]:
    """MSH-10 values of our own: unique across restarts, since each run begins at its own time (nanoseconds
    since 1970) and counts at less than one a microsecond. 13 characters of 20 (HL7 v2 ch. 2.14.9.10)."""
    return (f"FF{_base36(number)}" for number in itertools.count(start // 1000))


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits


def _validate(message: Message, decision: Decision) -> None:
    """hl7apy's view of the message, where a matched route asks for it."""
    if isinstance(decision, Matched) and decision.validate and (fault := faults_of(message)):
        raise MessageError(f"not valid for HL7 {message.header.version}: {fault}", code=100)


def _immediate(decision: Decision) -> Reply | None:
    """The answer that needs no outcome, or None."""
    if not isinstance(decision, Matched):
        return reply.no_route()
    plan = decision.plan
    if not plan.requests:
        return reply.settled((), plan.problems)
    if decision.acknowledge is Acknowledge.ACCEPTED:
        return reply.accepted(len(plan.requests), plan.problems)
    return None


def _rejected(text: str) -> Reply:
    return Reply(AckCode.AR, text, (AckError(Severity.ERROR, 207, text),))


def _record(
    message: Message,
    decision: Decision,
    peer: str,
    received: dt.datetime,
    ack: bytes | None,
    answer: Reply | None,
) -> NewMessage:
    header = message.header
    return NewMessage(
        received_at=received,
        peer=peer,
        fingerprint=hashlib.sha256(message.raw).digest(),  # sender and MSH-10 are part of the content
        sending_application=header.sending_application,
        sending_facility=header.sending_facility,
        control_id=header.control_id,
        message_type=header.message_type,
        version=header.version,
        raw=message.raw,
        decision=as_json(message, decision),
        requests=plan_of(decision).requests,
        ack=ack,
        ack_code=answer.code.value if answer is not None else "",
    )


def _log_kept(header: Header, decision: Decision, kept: Journaled, peer: str) -> None:
    _log.info(
        "message %d (%s) from %s %s: %s, %d tasks",
        kept.message_id,
        header.message_type,
        peer,
        "kept" if kept.new else "seen before",
        ", ".join(routes_of(decision)) or "no route",
        len(kept.task_ids),
    )
