"""Operations on messages: keep each once, and keep the acknowledgment that was given first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from engine.errors import StoreError
from engine.retrieve.task import RetrieveRequest
from engine.store import schema
from engine.store.dialect import insert_unless_known
from engine.store.outbox import NewLetter, post
from engine.store.rows import task_row


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as it came, what was decided on it and what it asks for.

    ``fingerprint`` says which messages are the same one: SHA-256 over sender, MSH-10 and content.
    ``raw`` are the exact bytes of the block. ``decision`` is the explanation as JSON. ``ack`` is given
    where the answer is known already.
    """

    received_at: dt.datetime
    peer: str
    fingerprint: bytes
    sending_application: str
    sending_facility: str
    control_id: str
    message_type: str
    version: str
    raw: bytes
    decision: str
    requests: tuple[RetrieveRequest, ...]
    ack: bytes | None = None
    ack_code: str = ""


@dataclass(frozen=True, slots=True)
class Journaled:
    """Where a message is kept. ``new`` is false where it was known: then ``ack`` and ``task_ids`` (in order,
    with those that its questions led to) are what the first one has got so far."""

    message_id: int
    new: bool
    ack: bytes | None
    task_ids: tuple[int, ...]


_ADD_TASKS = insert(schema.tasks).returning(schema.tasks.c.message_id, schema.tasks.c.id)
_KNOWN = select(schema.messages.c.fingerprint, schema.messages.c.id, schema.messages.c.ack).where(
    schema.messages.c.fingerprint.in_(bindparam("fingerprints", expanding=True))
)
_TASK_IDS = select(schema.tasks.c.message_id, schema.tasks.c.id).where(
    schema.tasks.c.message_id.in_(bindparam("messages", expanding=True))
)
_KEEP_ACK = (
    update(schema.messages)
    .where(schema.messages.c.id == bindparam("message"), schema.messages.c.ack.is_(None))
    .values(ack=bindparam("bytes"), ack_code=bindparam("code"), acked_at=bindparam("now"))
)
_ACKS = select(schema.messages.c.id, schema.messages.c.ack).where(
    schema.messages.c.id.in_(bindparam("messages", expanding=True))
)


def journal(connection: Connection, calls: Sequence[tuple[NewMessage]]) -> Sequence[Journaled]:
    """Keep the messages that are not known yet, and their tasks."""
    now = dt.datetime.now(dt.UTC)
    first: dict[bytes, NewMessage] = {}
    for (message,) in calls:
        first.setdefault(message.fingerprint, message)
    added = connection.execute(
        insert_unless_known(connection, schema.messages).returning(
            schema.messages.c.fingerprint, schema.messages.c.id
        ),
        [_message_row(message, now) for message in first.values()],
    )
    new = _add_tasks(connection, [(message_id, first[key]) for key, message_id in added], now)
    # Taken out by the first caller: to the others of this batch the message is known.
    pairs = [(message.fingerprint, new.pop(message.fingerprint, None)) for (message,) in calls]
    known = _known(connection, {key for key, kept in pairs if kept is None})
    return [kept or known[key] for key, kept in pairs]


def keep_ack(
    connection: Connection, calls: Sequence[tuple[int, bytes, str, NewLetter | None]]
) -> Sequence[bytes]:
    """Keep the acknowledgments of messages that have none, and post their letters; the ones that are kept.

    A letter whose acknowledgment is not the one that is kept is dropped: only one answer goes out.
    """
    now = dt.datetime.now(dt.UTC)
    connection.execute(
        _KEEP_ACK,
        [{"message": message, "bytes": ack, "code": code, "now": now} for message, ack, code, _ in calls],
    )
    kept = dict(connection.execute(_ACKS, {"messages": [message for message, *_ in calls]}).all())
    for message, *_ in calls:
        if message not in kept:
            raise StoreError(f"the journal has no message {message}")
    letters = [
        (message, letter) for message, ack, _, letter in calls if letter is not None and ack == kept[message]
    ]
    post(connection, letters)
    return [kept[message] for message, *_ in calls]


def _message_row(message: NewMessage, now: dt.datetime) -> dict[str, Any]:
    answered = message.ack is not None
    return {
        "received_at": message.received_at,
        "peer": message.peer,
        "fingerprint": message.fingerprint,
        "sending_application": message.sending_application,
        "sending_facility": message.sending_facility,
        "control_id": message.control_id,
        "message_type": message.message_type,
        "version": message.version,
        "raw": message.raw,
        "decision": message.decision,
        "ack": message.ack,
        "ack_code": message.ack_code if answered else None,
        "acked_at": now if answered else None,
    }


def _add_tasks(
    connection: Connection, added: Sequence[tuple[int, NewMessage]], now: dt.datetime
) -> dict[bytes, Journaled]:
    """Add the tasks of new messages; what is kept of each message, by fingerprint."""
    rows = [
        task_row(request, now, message_id=message_id)
        for message_id, message in added
        for request in message.requests
    ]
    ids = _by_message(connection.execute(_ADD_TASKS, rows) if rows else ())
    return {
        message.fingerprint: Journaled(message_id, True, message.ack, ids.get(message_id, ()))
        for message_id, message in added
    }


def _known(connection: Connection, fingerprints: Iterable[bytes]) -> dict[bytes, Journaled]:
    """What the journal has of these messages, by fingerprint."""
    keys = list(fingerprints)
    if not keys:
        return {}
    found = connection.execute(_KNOWN, {"fingerprints": keys}).all()
    ids = _by_message(connection.execute(_TASK_IDS, {"messages": [message_id for _, message_id, _ in found]}))
    return {
        fingerprint: Journaled(message_id, False, ack, ids.get(message_id, ()))
        for fingerprint, message_id, ack in found
    }


def _by_message(rows: Iterable[Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """The numbers of tasks by that of their message, in order, from rows of both in any order."""
    ids: dict[int, list[int]] = {}
    for message_id, task_id in rows:
        ids.setdefault(message_id, []).append(task_id)
    return {message_id: tuple(sorted(of_message)) for message_id, of_message in ids.items()}
