"""One message: read, decide, plan, keep, wait for the outcome where it is wanted, acknowledge."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard
from weakref import WeakValueDictionary

from engine.answer import Answer
from engine.config import Config, ReplyRule, reply_rule
from engine.control_id import control_ids
from engine.dispatcher import Dispatcher
from engine.errors import ErrorCode, MessageError, StoreError
from engine.events import Events, MessageAnswered
from engine.explanation import problems_of
from engine.hl7.ack import AckCode, AckError, Envelope, Reply, Severity, acknowledge, code_of
from engine.hl7.batch import is_batch, messages_of_batch
from engine.hl7.message import Header, Message, best_header, has_msa, is_acknowledgment
from engine.hl7.mode import accept_code, mode_of
from engine.hl7.validation import require_valid
from engine.logs import about
from engine.outbox import Outbox
from engine.received import Received, immediate, record
from engine.retrieve import reply
from engine.routing.admission import examine
from engine.routing.router import Decision, Matched, decide, plan_of, routes_of
from engine.routing.rules import Acknowledge
from engine.store import Effect, Journaled, NewLetter, Store

_log = logging.getLogger(__name__)
_NOT_KEPT = "the message could not be kept; send it again later"
_NOT_TOLD = "the message is kept and carried out, but its outcome cannot be told now; send it again for it"
_STORE_RETRY = 1.0  # seconds
_FAULT = "fault in forefetch; send it again later (a message that was kept is not carried out twice)"


class Intake:
    """Answers HL7 messages, in original mode or in enhanced mode as each of them asks (HL7 v2 ch. 2.9)."""

    def __init__(
        self,
        *,
        config: Config,
        store: Store,
        dispatcher: Dispatcher,
        clock: Callable[[], dt.datetime],
        outbox: Outbox,
        profiles: Mapping[str, Any] | None = None,
        events: Events | None = None,
    ) -> None:
        """``clock`` gives the time with its zone; ``profiles`` are message profiles by their file. ``outbox``
        takes application acknowledgments that have a reply address."""
        self._config = config
        self._store = store
        self._dispatcher = dispatcher
        self._clock = clock
        self._outbox = outbox
        self._profiles = profiles or {}
        self._events = events or Events()
        self._control_ids = control_ids(time.time_ns())
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # at hl7apy
        self._batches: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # whose messages begin
        self._pending: dict[asyncio.Task[bytes | None], int] = {}  # by whose message's acknowledgment
        self._taking_up_failed = False

    async def start(self) -> None:
        """Take up the application acknowledgments that an earlier run still owed, and those that engines owe
        which have gone since."""
        self._dispatcher.inherit(self._take_up)
        await self._take_up()

    async def _take_up(self) -> None:
        """Where it fails, it may have been done all the same: the next time what nobody has in hand counts as
        well."""
        failed, self._taking_up_failed = self._taking_up_failed, True
        found = await self._store.unanswered(mine=failed)
        self._taking_up_failed = False
        in_hand = set(self._pending.values())
        for owed in (it for it in found if it.message_id not in in_hand):
            try:
                received = self._read(owed.raw, "journal", owed.received_at)
            except MessageError as error:
                number = owed.message_id
                sentence = "message %d cannot be read as it was; no acknowledgment: %d"
                _log.error(sentence, number, error.code, extra=about("refused", message=number))
                continue
            received = received._replace(problems=problems_of(owed.decision))
            self._in_background(received, owed.message_id, owed.effect)

    async def stop(self) -> None:
        """Leave what is still owed to the next start."""
        for task in self._pending:
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)

    async def receive(self, payload: bytes, peer: str) -> Answer:
        """The acknowledgments of a block, whatever it is and whatever happens here."""
        if not is_batch(payload):
            if self._batches and peer in self._batches:
                async with self._batches[peer]:
                    pass
            return await self._receive(payload, peer)
        messages = messages_of_batch(payload)
        if not messages:
            began = time.monotonic()
            answer = self._turned_down(payload, _nak(MessageError("the batch is empty", reject=True)))
            return self._counted(answer, "", began, peer)
        async with self._batches.setdefault(peer, asyncio.Lock()):
            answering = asyncio.gather(*(self._receive(it, peer) for it in messages))
            await asyncio.sleep(0)  # each has its place in the journal before what comes behind the batch
        answers = await answering
        return Answer(
            tuple(block for answer in answers for block in answer.now),
            tuple(later for answer in answers for later in answer.later),
        )

    def refuse(self, head: bytes, reason: str) -> bytes | None:
        """The NAK for a block that could not be taken whole; ``head`` is its beginning. None for an
        acknowledgment."""
        if is_acknowledgment(head):
            return None
        refusal = _nak(MessageError(reason, code=ErrorCode.INTERNAL, reject=True))
        self._events.tell(MessageAnswered(refusal.code.value, "", 0.0, ""))
        return self._ack(best_header(head), refusal)

    async def _receive(self, payload: bytes, peer: str) -> Answer:
        if has_msa(payload):
            return _unacknowledged(peer)
        began, kind = time.monotonic(), ""
        try:
            received = self._read(payload, peer, self._clock())
            kind = received.header.message_type
            if received.header.type_code == "ACK":
                return _unacknowledged(peer)
            answer = await self._take(received)
        except MessageError as error:
            sentence = "message from %s refused: HL7 error %d at %s"
            extra = about("refused", peer=peer)
            _log.warning(sentence, peer, error.code, error.location or "MSH", extra=extra)
            answer = self._turned_down(payload, _nak(error))
        except StoreError as error:
            _log.error("message from %s could not be kept: %s", peer, error, extra=about("failed", peer=peer))
            answer = self._turned_down(payload, _rejected(_NOT_KEPT))
        except Exception:  # noqa: BLE001  a fault of ours is answered too: the sender waits
            extra = about("failed", peer=peer)
            _log.exception("message from %s failed by a fault of forefetch", peer, extra=extra)
            answer = self._turned_down(payload, _rejected(_FAULT))
        return self._counted(answer, kind, began, peer)

    def _counted(self, answer: Answer, kind: str, began: float, peer: str) -> Answer:
        code = code_of(answer.now[0]) if answer.now else ""
        self._events.tell(MessageAnswered(code, kind, time.monotonic() - began, peer))
        return answer

    async def _take(self, received: Received) -> Answer:
        """Keep a message that can be read, and answer it."""
        examine(received.header, self._config.intake, self._config.table)
        if _validates(received.decision) or (self._turns and received.peer in self._turns):
            await self._validate(received)
        kept = await self._keep(received)
        if kept.ack is not None and not received.mode.enhanced:
            return Answer((kept.ack,))
        return await self._answer(received, kept)

    def _read(self, payload: bytes, peer: str, at: dt.datetime) -> Received:
        message = Message(payload, self._config.engine.default_charset)
        decision = decide(message, self._config.table, at)
        mode = mode_of(message.header)
        return Received(message, decision, mode, peer, at, plan_of(decision).problems, time.monotonic())

    async def _validate(self, received: Received) -> None:
        """MessageError for what is not valid where a route asks. Messages are kept in the order in which they
        came: those behind one that hl7apy looks at wait for it."""
        decision = received.decision
        async with self._turns.setdefault(received.peer, asyncio.Lock()):
            if _validates(decision):
                profiles = [self._profiles.get(profile) for profile in decision.profiles or ("",)]
                await asyncio.to_thread(require_valid, received.message, profiles)

    def _turned_down(self, payload: bytes, answer: Reply) -> Answer:
        """A message that is not taken; an acknowledgment gets none even so. In enhanced mode CE or CR; where
        no accept acknowledgment may be sent, the application acknowledgment is the only way to tell."""
        if is_acknowledgment(payload):
            return Answer()
        header = best_header(payload)
        mode = mode_of(header)
        if not mode.enhanced:
            return Answer((self._ack(header, answer),))
        if mode.accept.wants(success=False):
            return Answer((self._ack(header, _accept(answer)),))
        return Answer((self._ack(header, answer),) if mode.application.wants(success=False) else ())

    async def _keep(self, received: Received) -> Journaled:
        """Journal a message with what can be answered at once."""
        mode, header = received.mode, received.header
        accept = answer = None
        if mode.enhanced:
            if mode.accept.wants(success=True):
                accept = self._ack(header, Reply(AckCode.CA, "kept"), at=received.at)
        else:
            answer = immediate(received.decision)
        ack = None if answer is None else self._ack(header, answer, received.response, at=received.at)
        kept = await self._store.journal(record(received, ack, answer, accept))
        _log_kept(received, kept, answer)
        if kept.new:
            self._dispatcher.own(kept.task_ids)  # before any lane looks at them
            await self._dispatcher.withdraw(kept.withdrawn)
            self._dispatcher.expect(plan_of(received.decision).requests)
        return kept

    async def _answer(self, received: Received, kept: Journaled) -> Answer:
        """What to say of a message that is on the disk."""
        try:
            return await self._acknowledgments(received, kept)
        except StoreError as error:
            sentence = "message %d: its outcome cannot be read or kept: %s"
            extra = about("failed", message=kept.message_id)
            _log.error(sentence, kept.message_id, error, extra=extra)
            return Answer((self._ack(received.header, _rejected(_NOT_TOLD)),))

    async def _acknowledgments(self, received: Received, kept: Journaled) -> Answer:
        """A message that was known and has no acknowledgment yet is answered by what was decided then."""
        if not kept.new:
            received = received._replace(problems=problems_of(kept.decision))
        mode = received.mode
        if not mode.enhanced:
            return Answer((await self._outcome(received, kept),))
        now = (kept.accept_ack,) if kept.accept_ack is not None else ()
        if not mode.application.wants(success=True) and not mode.application.wants(success=False):
            return Answer(now)
        if kept.ack is None:
            told = self._in_background(received, kept.message_id, kept.effect)
        else:  # whatever has become of its tasks since
            told = asyncio.get_running_loop().create_future()
            told.set_result(
                kept.ack if mode.application.wants(success=AckCode(kept.ack_code).positive) else None
            )
        return Answer(now, () if self._reply_rule(received.header) else (told,))

    async def _outcome(self, received: Received, kept: Journaled) -> bytes:
        """Original mode: wait for the tasks, at most to the deadline. The first answer that is kept is the
        only one."""
        requests = plan_of(received.decision).requests
        if any(request.due is None for request in requests):
            deadline = received.decision.deadline if isinstance(received.decision, Matched) else 0.0
            waited = time.monotonic() - received.began
            await self._dispatcher.settled(kept.message_id, max(0.0, deadline - waited))
        answer = await self._settled(received, kept.message_id, kept.effect)
        ack = self._ack(received.header, answer, received.response)
        return await self._keep_ack(kept.message_id, ack, answer)

    async def _application(self, received: Received, message_id: int, effect: Effect) -> bytes | None:
        """Enhanced mode: the application acknowledgment, once every task has ended; None where its outcome is
        not asked for. While the store is out of order it is owed, and tried again."""
        while True:
            try:
                return await self._told(received, message_id, effect)
            except StoreError as error:
                sentence = "message %d is owed its application acknowledgment: %s"
                _log.error(sentence, message_id, error, extra=about("failed", message=message_id))
            await asyncio.sleep(_STORE_RETRY)

    async def _told(self, received: Received, message_id: int, effect: Effect) -> bytes | None:
        accepted = isinstance(received.decision, Matched) and (
            received.decision.acknowledge is Acknowledge.ACCEPTED
        )
        answer = immediate(received.decision) if accepted else None
        if answer is None:
            await self._dispatcher.settled(message_id, None)
            answer = await self._settled(received, message_id, effect)
        wanted = received.mode.application.wants(success=answer.code.positive)
        rule = self._reply_rule(received.header)
        if rule is None or not wanted:
            ack = self._ack(received.header, answer, received.response, accept_condition="NE")
            sent = await self._keep_ack(message_id, ack, answer)
            return sent if wanted else None
        await self._post(received, message_id, answer, rule)
        return None

    def _reply_rule(self, header: Header) -> ReplyRule | None:
        return reply_rule(self._config.replies, header.application, header.facility)

    async def _post(self, received: Received, message_id: int, answer: Reply, rule: ReplyRule) -> None:
        """An application acknowledgment that has an address of its own goes there, until it is taken."""
        condition = "AL" if rule.wait_for_accept else "NE"
        envelope = Envelope(next(self._control_ids), self._clock(), received.response, condition)
        ack = acknowledge(received.header, answer, envelope)
        letter = NewLetter(
            host=rule.host,
            port=rule.port,
            payload=ack,
            control_id=envelope.control_id,
            wait_for_accept=rule.wait_for_accept,
            first=rule.first,
            longest=rule.longest,
            give_up=rule.give_up,
        )
        await self._keep_ack(message_id, ack, answer, letter)
        self._outbox.wake()

    async def _settled(self, received: Received, message_id: int, effect: Effect) -> Reply:
        tasks = [self._dispatcher.as_held(task) for task in await self._store.tasks_of(message_id)]
        meaning = received.decision.meaning
        if tasks or received.problems:
            return reply.settled(tasks, received.problems)
        if meaning.cancels or meaning.withdrawn or meaning.merges:
            return reply.effect(effect.canceled, effect.running, effect.wanted, effect.merged)
        return reply.no_route()

    async def _keep_ack(
        self, message_id: int, ack: bytes, answer: Reply, letter: NewLetter | None = None
    ) -> bytes:
        sent = await self._store.keep_ack(message_id, ack, answer.code.value, letter)
        extra = about("answered", message=message_id, ack=answer.code.value)
        _log.info("message %d answered: %s", message_id, answer.code, extra=extra)
        return sent

    def _in_background(
        self, received: Received, message_id: int, effect: Effect
    ) -> asyncio.Future[bytes | None]:
        """Its application acknowledgment, also when the connection that waits for it is gone."""
        task = asyncio.create_task(self._application(received, message_id, effect))
        self._pending[task] = message_id
        task.add_done_callback(self._pending.pop)
        return asyncio.shield(task)

    def _ack(
        self,
        header: Header,
        answer: Reply,
        response: str = "",
        accept_condition: str = "",
        at: dt.datetime | None = None,
    ) -> bytes:
        """``at``: its MSH-7, where the time is known already."""
        envelope = Envelope(next(self._control_ids), at or self._clock(), response, accept_condition)
        return acknowledge(header, answer, envelope)


def _validates(decision: Decision) -> TypeGuard[Matched]:
    return isinstance(decision, Matched) and decision.validate


def _unacknowledged(peer: str) -> Answer:
    _log.info("acknowledgment from %s: not acknowledged", peer, extra=about("ignored", peer=peer))
    return Answer()


def _nak(error: MessageError) -> Reply:
    code = AckCode.AR if error.reject else AckCode.AE
    line = AckError(Severity.ERROR, error.code, error.text, error.location)
    return Reply(code, error.text, (line,))


def _rejected(text: str) -> Reply:
    return Reply(AckCode.AR, text, (AckError(Severity.ERROR, ErrorCode.INTERNAL, text),))


def _accept(answer: Reply) -> Reply:
    return Reply(accept_code(answer.code), answer.text, answer.errors)


def _log_kept(received: Received, kept: Journaled, answer: Reply | None) -> None:
    """What asks for nothing is most of a feed, and no news."""
    withdrawn = kept.withdrawn
    asks = bool(kept.task_ids or received.problems or withdrawn.canceled or withdrawn.running)
    level = logging.INFO if asks else logging.DEBUG
    if not _log.isEnabledFor(level):
        return
    number, kind, peer = kept.message_id, received.header.message_type, received.peer
    routes, tasks = routes_of(received.decision), kept.task_ids
    word = "kept" if kept.new else "seen before"
    step = "kept" if kept.new else "repeated"
    extra = about(step, message=number, type=kind, peer=peer, routes=routes, tasks=tasks)
    if answer is not None:
        extra["fields"]["ack"] = answer.code.value
    sentence = "message %d (%s) from %s %s: %s, %d tasks"
    _log.log(
        level, sentence, number, kind, peer, word, ", ".join(routes) or "no route", len(tasks), extra=extra
    )
    if withdrawn.canceled or withdrawn.running:
        sentence = "message %d takes back tasks: %d canceled, %d being stopped"
        extra = about("withdrew", message=number, tasks=(*withdrawn.canceled, *withdrawn.running))
        _log.info(sentence, number, len(withdrawn.canceled), len(withdrawn.running), extra=extra)
