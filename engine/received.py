"""A message that could be read: what was decided on it, what can be answered at once, what is kept of it."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from engine.explanation import as_json
from engine.hl7.ack import Reply
from engine.hl7.message import Header, Message
from engine.hl7.mode import Mode
from engine.retrieve import reply
from engine.retrieve.plan import PlanProblem
from engine.routing.meaning import Meaning
from engine.routing.router import Decision, Matched, plan_of
from engine.routing.rules import Acknowledge
from engine.store import NewMessage, fingerprint


class Received(NamedTuple):
    """A message that could be read, and what was decided on it. ``began``: when, by the monotonic clock."""

    message: Message
    decision: Decision
    mode: Mode
    peer: str
    at: dt.datetime
    problems: tuple[PlanProblem, ...]
    began: float

    @property
    def header(self) -> Header:
        return self.message.header

    @property
    def response(self) -> str:
        return self.decision.response if isinstance(self.decision, Matched) else ""


def immediate(decision: Decision) -> Reply | None:
    """The answer that needs no outcome, or None."""
    plan = plan_of(decision)
    if not plan.requests:
        if plan.problems:
            return reply.settled((), plan.problems)
        meaning = decision.meaning
        return None if meaning.cancels or meaning.withdrawn or meaning.merges else reply.no_route()
    if isinstance(decision, Matched) and decision.acknowledge is Acknowledge.ACCEPTED:
        return reply.accepted(len(plan.requests), plan.problems)
    return None


def record(
    received: Received, ack: bytes | None, answer: Reply | None, accept_ack: bytes | None
) -> NewMessage:
    """What the journal keeps. ``ack``: the acknowledgment of ``answer``, where that can be given at once;
    ``accept_ack``: that of enhanced mode's first step."""
    header, message = received.header, received.message
    return NewMessage(
        received_at=received.at,
        peer=received.peer,
        fingerprint=fingerprint(message.raw, header),  # sender and MSH-10 are part of the content
        sending_application=header.sending_application,
        sending_facility=header.sending_facility,
        control_id=header.control_id,
        message_type=header.message_type,
        version=header.version,
        raw=message.raw,
        decision=as_json(message, received.decision),
        requests=plan_of(received.decision).requests,
        ack=ack,
        ack_code=answer.code.value if answer is not None else "",
        accept_ack=accept_ack,
        application_due=received.mode.enhanced and received.mode.application.value != "NE",
        meaning=_carried_out(received),
    )


def _carried_out(received: Received) -> Meaning:
    """What is done of a message's meaning: a message that can ask for nothing new takes nothing back."""
    meaning = received.decision.meaning
    if received.problems and not plan_of(received.decision).requests:
        return meaning._replace(withdrawn=(), merges=())
    return meaning
