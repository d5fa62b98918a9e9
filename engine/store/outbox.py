"""Operations on the outbox: letters to reply addresses, each kept until its receiver has it.

A letter is an application acknowledgment that is an exchange of its own (enhanced mode, HL7 v2 ch. 2.9.3).
Letters of one address go out in the order in which they were posted: only the oldest one that waits is ever
due, and the others stay behind it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, func, or_, select, update

from engine.errors import StoreError
from engine.store import locks
from engine.store.dialect import Identity, insert_unless_known
from engine.store.owners import member_of, orphaned
from engine.store.schema import UtcDateTime, outbox


class LetterStatus(StrEnum):
    """WAITING for an attempt; the others are final."""

    WAITING = "WAITING"
    DELIVERED = "DELIVERED"
    REFUSED = "REFUSED"
    GIVEN_UP = "GIVEN_UP"


@dataclass(frozen=True, slots=True)
class NewLetter:
    """What to deliver, and where. ``payload`` is unframed, ``control_id`` its MSH-10.

    ``wait_for_accept``: it is delivered when an accept acknowledgment says so. After a failure the pauses
    double from ``first`` to ``longest``; ``give_up`` is counted from now. Seconds, all three.
    """

    host: str
    port: int
    payload: bytes = field(repr=False)  # patient data must not get into a log
    control_id: str
    wait_for_accept: bool = True
    first: float = 5.0
    longest: float = 600.0
    give_up: float = 259_200.0


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter in the outbox. ``attempts`` counts those that have ended; ``reason`` is why the last one
    failed."""

    id: int
    message_id: int
    host: str
    port: int
    payload: bytes = field(repr=False)
    control_id: str
    wait_for_accept: bool
    first: float
    longest: float
    attempts: int
    due_at: dt.datetime
    give_up_at: dt.datetime
    status: LetterStatus
    reason: str
    created_at: dt.datetime
    updated_at: dt.datetime

    @property
    def address(self) -> tuple[str, int]:
        """Where it goes."""
        return self.host, self.port


_WAITING = outbox.c.status == LetterStatus.WAITING.value
_OLDEST = select(func.min(outbox.c.id)).where(_WAITING).group_by(outbox.c.host, outbox.c.port)
_DUE = (
    select(outbox)
    .where(outbox.c.id.in_(_OLDEST), outbox.c.due_at <= bindparam("now", type_=UtcDateTime))
    .order_by(outbox.c.due_at, outbox.c.id)
    .limit(bindparam("limit", type_=Integer))
)
_FREE = or_(outbox.c.member_id == bindparam("member", type_=Identity), orphaned(outbox.c.member_id))
_TO_TAKE = _DUE.with_only_columns(outbox.c.id).where(_FREE).with_for_update(skip_locked=True)
_TAKE = (
    update(outbox)
    .where(outbox.c.id.in_(locks.once(_TO_TAKE)), _WAITING)
    .values(member_id=bindparam("member"))
    .returning(outbox)
)
_FREE_ALL = (
    update(outbox)
    .where(_WAITING, outbox.c.member_id.is_not(None), orphaned(outbox.c.member_id))
    .values(member_id=None)
)
_NEXT_DUE = select(func.min(outbox.c.due_at)).where(
    outbox.c.id.in_(_OLDEST), outbox.c.due_at > bindparam("after", type_=UtcDateTime)
)
_END_ATTEMPT = update(outbox).where(outbox.c.id == bindparam("letter"), _WAITING)


def post(connection: Connection, calls: Sequence[tuple[int, NewLetter]]) -> Sequence[None]:
    """Put letters into the outbox, due now; the first one of each message stays."""
    now = dt.datetime.now(dt.UTC)
    rows = [_row(message_id, letter, now) for message_id, letter in calls]
    if rows:
        connection.execute(insert_unless_known(connection, outbox), rows)
    return [None] * len(calls)


def due_letters(connection: Connection, now: dt.datetime, limit: int) -> list[Letter]:
    """Of each address the oldest letter that waits, if it is due. On a shared journal it is this engine's to
    deliver from then on; none of another engine's is among them."""
    member = member_of(connection)
    if member is None:
        return [letter(row) for row in connection.execute(_DUE, {"now": now, "limit": limit})]
    taken = connection.execute(_TAKE, {"now": now, "limit": limit, "member": member}).all()
    return [letter(row) for row in sorted(taken, key=lambda row: (row.due_at, row.id))]


def free(connection: Connection) -> None:
    """Let others deliver what engines had in hand that are not alive any more."""
    connection.execute(_FREE_ALL)


def next_due(connection: Connection, after: dt.datetime) -> dt.datetime | None:
    """When the first of the oldest letters becomes due that was not at ``after``."""
    return connection.execute(_NEXT_DUE, {"after": after}).scalar()


def delivered(connection: Connection, letter_id: int) -> None:
    """Its receiver has it."""
    _end_attempt(connection, letter_id, status=LetterStatus.DELIVERED.value, reason="")


def refused(connection: Connection, letter_id: int, reason: str) -> None:
    """Its receiver does not want it."""
    _end_attempt(connection, letter_id, status=LetterStatus.REFUSED.value, reason=reason)


def defer(connection: Connection, letter_id: int, due_at: dt.datetime, reason: str) -> None:
    """Try again later."""
    _end_attempt(connection, letter_id, due_at=due_at, reason=reason)


def give_up(connection: Connection, letter_id: int, reason: str) -> None:
    """Try no more."""
    _end_attempt(connection, letter_id, status=LetterStatus.GIVEN_UP.value, reason=reason)


def _end_attempt(connection: Connection, letter_id: int, **changes: Any) -> None:
    """Nothing happens to a letter that does not wait, or that another engine has taken over: a status is
    final, whoever comes late."""
    statement = _END_ATTEMPT.values(
        attempts=outbox.c.attempts + 1, updated_at=dt.datetime.now(dt.UTC), member_id=None, **changes
    )
    member = member_of(connection)
    if member is not None:
        statement = statement.where(outbox.c.member_id == member)
    connection.execute(statement, {"letter": letter_id})


def _row(message_id: int, letter: NewLetter, now: dt.datetime) -> dict[str, Any]:
    return {
        "message_id": message_id,
        "host": letter.host,
        "port": letter.port,
        "payload": letter.payload,
        "control_id": letter.control_id,
        "wait_for_accept": letter.wait_for_accept,
        "first": letter.first,
        "longest": letter.longest,
        "attempts": 0,
        "due_at": now,
        "give_up_at": now + dt.timedelta(seconds=letter.give_up),
        "status": LetterStatus.WAITING.value,
        "reason": "",
        "created_at": now,
        "updated_at": now,
    }


def letter(row: Row[Any]) -> Letter:
    """The letter in a row of `outbox`; StoreError where its status is none of ours."""
    columns = dict(row._mapping)
    del columns["member_id"]
    try:
        status = LetterStatus(columns.pop("status"))
    except ValueError as exc:
        raise StoreError(f"letter {row.id} in the journal has an unknown status") from exc
    return Letter(status=status, **columns)
