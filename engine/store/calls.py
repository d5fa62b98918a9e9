"""Retrieves that somebody asks for by hand, and waits for: kept as messages are, each with a task that the
dispatcher carries out. From outside, as `verbs`: an engine notices within a second (`Store.changes`)."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from engine.routing.meaning import NO_NUMBER, Meaning, Number, Occasion
from engine.store import locks
from engine.store.messages import NewMessage, journal, keep_ack
from engine.store.occasions import Withdrawn, keys, withdraw
from engine.store.reader import opened, reading
from engine.store.tasks import tasks_of

_TAKEN_BACK = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "who asked for it does not wait any more")


@dataclass(frozen=True, slots=True)
class Call:
    """One that was asked for. ``number`` is its own name, as an order has one."""

    message_id: int
    number: str

    @property
    def occasion(self) -> Occasion:
        return Occasion("call", Number(self.number), NO_NUMBER)


def ask(where: str | Path, request: RetrieveRequest, who: str) -> Call:
    """Keep a call, with a task SCHEDULED now or one alike that is there already.

    StoreError: there is no journal, or it cannot be written.
    """
    call = Call(0, uuid.uuid4().hex)
    told = {"studies": str(request.selector), "from": request.archive, "to": request.destination}
    message = NewMessage(
        received_at=dt.datetime.now(dt.UTC),
        peer=who,
        fingerprint=hashlib.sha256(call.number.encode()).digest(),
        sending_application="",
        sending_facility="",
        control_id=call.number,
        message_type=", ".join(request.routes),
        version="",
        raw=json.dumps(told).encode(),
        decision="{}",
        requests=(request,),
        meaning=Meaning(occasions=(call.occasion,)),
    )
    with opened(where, read_only=False) as connection, connection.begin():
        (kept,) = journal(connection, [(message,)])
    return Call(kept.message_id, call.number)


def standing_of(where: str | Path, call: Call) -> RetrieveTask:
    """The task of a call as it stands. StoreError as for `ask`."""
    with reading(where) as connection:
        (task,) = tasks_of(connection, call.message_id)
    return task


def take_back(where: str | Path, call: Call) -> Withdrawn:
    """Nobody waits for it any more: its task ends CANCELED, is canceled on the wire, or stays for others who
    want it too. StoreError as for `ask`."""
    with opened(where, read_only=False) as connection, connection.begin():
        locks.hold(connection, keys([call.occasion]))
        return withdraw(connection, 0, (call.occasion,), dt.datetime.now(dt.UTC), _TAKEN_BACK)


def keep_answer(where: str | Path, call: Call, text: str, code: str) -> None:
    """What was said of it in the end, as the acknowledgment of a message is kept. StoreError as for `ask`."""
    with opened(where, read_only=False) as connection, connection.begin():
        keep_ack(connection, [(call.message_id, text.encode(), code, None)])
