"""Operations on messages: keep each once, and keep the acknowledgment that was given first."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Boolean, Connection, and_, bindparam, or_, select, update

from engine.errors import StoreError
from engine.hl7.message import Header
from engine.retrieve.task import RetrieveRequest
from engine.routing.meaning import NO_MEANING, Meaning
from engine.store import links, locks, occasions, rapid, schema
from engine.store.dialect import Identity
from engine.store.links import attach
from engine.store.occasions import NO_EFFECT, NOTHING_WITHDRAWN, Effect, Withdrawn
from engine.store.outbox import NewLetter, post
from engine.store.owners import member_of, orphaned, rely


class NewMessage(NamedTuple):
    """A message as it came, what was decided on it and what it asks for.

    ``fingerprint`` says which messages are the same one: `fingerprint`, over sender, MSH-10 and content.
    ``raw`` are the exact bytes of the block. ``decision`` is the explanation as JSON. ``ack`` is given
    where the answer is known already. In enhanced mode ``accept_ack`` is the first step's, and
    ``application_due`` says that an application acknowledgment is wanted.
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
    accept_ack: bytes | None = None
    application_due: bool = False
    meaning: Meaning = NO_MEANING


class Journaled(NamedTuple):
    """Where a message is kept. ``new`` is false where it was known: then the acknowledgments and ``task_ids``
    (in order, with those that its questions led to) are what the first one has got so far. ``withdrawn`` are
    the tasks of earlier messages that this one has taken back. ``decision`` is the explanation of a known
    one, ``effect`` what it did to earlier ones, ``ack_code`` is MSA-1 of its acknowledgment."""

    message_id: int
    new: bool
    ack: bytes | None
    task_ids: tuple[int, ...]
    accept_ack: bytes | None = None
    withdrawn: Withdrawn = NOTHING_WITHDRAWN
    decision: str = ""
    effect: Effect = NO_EFFECT
    ack_code: str = ""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A message that is owed an application acknowledgment."""

    message_id: int
    raw: bytes
    received_at: dt.datetime
    decision: str
    effect: Effect = NO_EFFECT


_DIGITS = re.compile("[0-9]+")
_ADD = rapid.Insert(schema.messages, unless_known=["fingerprint"], without=["effect", "member_id"])
_ADD_OWNED = rapid.Insert(schema.messages, unless_known=["fingerprint"], without=["effect"])
_SINCE = select(schema.messages.c.id).where(schema.messages.c.id >= bindparam("start"))
_KNOWN = select(schema.messages).where(
    schema.messages.c.fingerprint.in_(bindparam("fingerprints", expanding=True))
)
_TASK_IDS = select(schema.links.c.message_id, schema.links.c.task_id).where(
    schema.links.c.message_id.in_(bindparam("messages", expanding=True))
)
_KEEP_EFFECT = (
    update(schema.messages)
    .where(schema.messages.c.id == bindparam("message"))
    .values(effect=bindparam("told"))
)
_TO_TAKE_UP = (
    select(schema.messages.c.id)
    .where(
        schema.OWED,
        or_(
            orphaned(schema.messages.c.member_id),
            and_(
                bindparam("mine", type_=Boolean).is_(True),
                schema.messages.c.member_id == bindparam("member", type_=Identity),
            ),
        ),
    )
    .order_by(schema.messages.c.id)
    .with_for_update(key_share=True, skip_locked=True)  # also while a task is added to it
)
_UNANSWERED = (
    update(schema.messages)
    .where(schema.messages.c.id.in_(locks.once(_TO_TAKE_UP)))
    .values(member_id=bindparam("member"))
    .returning(schema.messages)
)
_KEEP_ACK = rapid.Fill(schema.messages, ["ack", "ack_code", "acked_at"], unless="ack")
_ACKS = select(schema.messages.c.id, schema.messages.c.ack).where(
    schema.messages.c.id.in_(bindparam("messages", expanding=True))
)


def fingerprint(raw: bytes, header: Header) -> bytes:
    """Of a message: MSH-7 to the second (zeros for what it does not say), the beginning of MSH-10, and the
    SHA-256 of its bytes. Digests alone lie anywhere in an index, and each message would write a page of its
    own; so those of one time lie together, in the order in which most senders number them."""
    number = header.control_id[:20].encode("utf-8", "replace")
    return _sent(header.time[:14]) + number + hashlib.sha256(raw).digest()


@lru_cache(maxsize=64)
def _sent(time: str) -> bytes:
    digits = _DIGITS.match(time)
    return int(digits[0].ljust(14, "0") if digits else 0).to_bytes(8, "big")


def journal(connection: Connection, calls: Sequence[tuple[NewMessage]]) -> Sequence[Journaled]:
    """Keep the messages that are not known yet, and their tasks."""
    now = dt.datetime.now(dt.UTC)
    first: dict[bytes, NewMessage] = {}
    for (message,) in calls:
        first.setdefault(message.fingerprint, message)
    locks.hold(connection, chain.from_iterable(map(_keys, first.values())))
    new = _carry(connection, _add(connection, list(first.values()), now), now)
    # Taken out by the first caller: to the others of this batch the message is known.
    pairs = [(message.fingerprint, new.pop(message.fingerprint, None)) for (message,) in calls]
    known = _known(connection, {key for key, kept in pairs if kept is None})
    if known:
        rely(connection)
    return [kept or known[key] for key, kept in pairs]


def _keys(message: NewMessage) -> Iterator[object]:
    """Of all that other messages may be about as well."""
    yield from links.keys(message.requests)
    yield from occasions.keys(message.meaning.occasions)
    yield from occasions.keys(message.meaning.withdrawn)


def _add(
    connection: Connection, messages: Sequence[NewMessage], now: dt.datetime
) -> list[tuple[int, NewMessage]]:
    """Write those that are not known yet; in their order, each with its number."""
    ids = rapid.take_ids(connection, schema.messages, len(messages))
    numbered = list(zip(ids, messages, strict=True))
    rows = [_message_row(number, message, now) for number, message in numbered]
    owner = member_of(connection)
    if owner is None:
        added = _ADD.run(connection, rows)
    else:
        owned = [{**row, "member_id": owner if row["application_due"] else None} for row in rows]
        added = _ADD_OWNED.run(connection, owned)
    if added == len(numbered):
        return numbered
    new = set(connection.execute(_SINCE, {"start": ids[0]}).scalars())
    return [(number, message) for number, message in numbered if number in new]


def keep_ack(
    connection: Connection, calls: Sequence[tuple[int, bytes, str, NewLetter | None]]
) -> Sequence[bytes]:
    """Keep the acknowledgments of messages that have none, and post their letters; the ones that are kept.

    A letter whose acknowledgment is not the one that is kept is dropped: only one answer goes out.
    """
    now = dt.datetime.now(dt.UTC)
    first: dict[int, dict[str, Any]] = {}
    for message, ack, code, _ in calls:
        first.setdefault(message, {"id": message, "ack": ack, "ack_code": code, "acked_at": now})
    if _KEEP_ACK.run(connection, list(first.values())) == len(first):
        kept = {message: row["ack"] for message, row in first.items()}
    else:
        kept = dict(connection.execute(_ACKS, {"messages": list(first)}).all())
        rely(connection)
    for message, *_ in calls:
        if message not in kept:
            raise StoreError(f"the journal has no message {message}")
    letters = [
        (message, letter) for message, ack, _, letter in calls if letter is not None and ack == kept[message]
    ]
    post(connection, letters)
    return [kept[message] for message, *_ in calls]


def unanswered(connection: Connection, mine: bool = False) -> list[Unanswered]:
    """Messages in enhanced mode whose application acknowledgment is still to come, and which no engine owes
    that is alive, oldest first. They are owed by this one from now on. ``mine``: those too that it owes."""
    rows = connection.execute(_UNANSWERED, {"member": member_of(connection), "mine": mine}).all()
    return [
        Unanswered(row.id, row.raw, row.received_at, row.decision, _effect_of(row.effect))
        for row in sorted(rows, key=lambda row: row.id)
    ]


def _effect_of(told: str | None) -> Effect:
    return NO_EFFECT if told is None else Effect(**json.loads(told))


def _message_row(number: int, message: NewMessage, now: dt.datetime) -> dict[str, Any]:
    answered = message.ack is not None
    return {
        "id": number,
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
        "accept_ack": message.accept_ack,
        "application_due": message.application_due,
        "ack": message.ack,
        "ack_code": message.ack_code if answered else None,
        "acked_at": now if answered else None,
    }


def _carry(
    connection: Connection, added: Sequence[tuple[int, NewMessage]], now: dt.datetime
) -> dict[bytes, Journaled]:
    """What new messages mean and ask for, in their order; what is kept of each, by fingerprint.

    Most messages take nothing back; those that do must see the tasks of the ones before them.
    """
    kept: dict[bytes, Journaled] = {}
    start = 0
    for position, (_, message) in enumerate(added):
        if message.meaning.withdrawn or message.meaning.merges:
            kept |= _attach(connection, added[start:position], now)
            kept |= _effect(connection, *added[position], now)
            start = position + 1
    return kept | _attach(connection, added[start:], now)


def _effect(
    connection: Connection, message_id: int, message: NewMessage, now: dt.datetime
) -> dict[bytes, Journaled]:
    """A message that takes back or merges, and then what it asks for itself."""
    withdrawn = occasions.withdraw(connection, message_id, message.meaning.withdrawn, now)
    occasions.merge(connection, message_id, message.meaning.merges, now)
    effect = Effect(
        len(withdrawn.canceled), len(withdrawn.running), len(withdrawn.wanted), len(message.meaning.merges)
    )
    connection.execute(_KEEP_EFFECT, {"message": message_id, "told": json.dumps(asdict(effect))})
    kept = _attach(connection, [(message_id, message)], now)
    return {key: one._replace(withdrawn=withdrawn, effect=effect) for key, one in kept.items()}


def _attach(
    connection: Connection, added: Sequence[tuple[int, NewMessage]], now: dt.datetime
) -> dict[bytes, Journaled]:
    wanted = [(message_id, request) for message_id, message in added for request in message.requests]
    served = _by_message(attach(connection, wanted, now).links)
    asking = [(message_id, message.meaning.occasions) for message_id, message in added if message.requests]
    occasions.keep(connection, asking)
    return {
        message.fingerprint: Journaled(
            message_id, True, message.ack, served.get(message_id, ()), message.accept_ack
        )
        for message_id, message in added
    }


def _known(connection: Connection, fingerprints: Iterable[bytes]) -> dict[bytes, Journaled]:
    """What the journal has of these messages, by fingerprint."""
    keys = list(fingerprints)
    if not keys:
        return {}
    found = connection.execute(_KNOWN, {"fingerprints": keys}).all()
    ids = _by_message(connection.execute(_TASK_IDS, {"messages": [row.id for row in found]}))
    return {
        row.fingerprint: Journaled(
            row.id,
            False,
            row.ack,
            ids.get(row.id, ()),
            row.accept_ack,
            decision=row.decision,
            effect=_effect_of(row.effect),
            ack_code=row.ack_code or "",
        )
        for row in found
    }


def _by_message(rows: Iterable[Sequence[int]]) -> dict[int, tuple[int, ...]]:
    """The numbers of tasks by that of their message, in order, from rows of both in any order."""
    ids: dict[int, list[int]] = {}
    for message_id, task_id in rows:
        ids.setdefault(message_id, []).append(task_id)
    return {message_id: tuple(sorted(of_message)) for message_id, of_message in ids.items()}
