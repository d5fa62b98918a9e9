"""Engines that share a journal: when one is among them, and what others see of it."""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from engine import __version__
from engine.place import is_shared
from engine.retrieve.outcome import TaskStatus
from engine.store.owners import ALIVE, member_of
from engine.store.reader import reading
from engine.store.schema import UtcDateTime, members, seals, tasks

LEASE = 15.0
"""Seconds without a beat after which an engine is taken for dead."""
_SILENT = 8.0  # seconds: two of its beats are missing
_KEPT = dt.timedelta(days=7)  # one that has left, or was lost, for those who ask what has happened


def register(connection: Connection, *, stand_in: bool, address: str = "") -> int:
    """A new engine on the journal; its number, which no other gets."""
    now = func.now()
    old = func.coalesce(members.c.left_at, members.c.lost_at)
    connection.execute(delete(members).where(old < dt.datetime.now(dt.UTC) - _KEPT))
    connection.execute(delete(seals).where(seals.c.member_id.not_in(select(members.c.id))))
    row = {
        "name": f"{socket.gethostname()}:{os.getpid()}",
        "address": address,
        "version": __version__,
        "stand_in": stand_in,
        "started_at": now,
        "beat": 0,
        "seen_at": now,
    }
    number: int = connection.execute(insert(members).values(row).returning(members.c.id)).scalar_one()
    return number


def name_address(connection: Connection, address: str) -> None:
    """Where this engine listens for HL7 messages, as ``host:port``."""
    this = members.c.id == member_of(connection)
    connection.execute(update(members).where(this).values(address=address))


def leave(connection: Connection, member_id: int) -> None:
    """It ends; what it owes goes on elsewhere."""
    connection.execute(update(members).where(members.c.id == member_id, *ALIVE).values(left_at=func.now()))


def is_alone(connection: Connection) -> bool:
    """Whether no other engine is alive."""
    others = select(members.c.id).where(*ALIVE, members.c.id != member_of(connection))
    return member_of(connection) is None or connection.execute(others.limit(1)).scalar() is None


def lose(connection: Connection, lost: Collection[int]) -> list[int]:
    """These are taken for dead, as far as no other has said so before: they may not write any more."""
    these = (
        select(members.c.id)
        .where(members.c.id.in_(lost), *ALIVE)
        .order_by(members.c.id)
        .with_for_update(skip_locked=True)
    )
    taken = list(connection.execute(these).scalars())
    if taken:
        connection.execute(update(members).where(members.c.id.in_(taken)).values(lost_at=func.now()))
    return taken


class MemberState(StrEnum):
    """How an engine does, as the others see it. ``SILENT``: it beats no more, and may soon be taken for
    lost."""

    ALIVE = "alive"
    SILENT = "silent"
    LEFT = "left"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Member:
    """An engine on a shared journal. ``name``: its host and process; ``address``: where it listens, empty
    while it does not; ``under_way``: how many tasks it carries out. ``now`` is the clock of the database, as
    the other times are."""

    id: int
    name: str
    address: str
    version: str
    stand_in: bool
    started_at: dt.datetime
    seen_at: dt.datetime
    left_at: dt.datetime | None
    lost_at: dt.datetime | None
    under_way: int
    now: dt.datetime

    @property
    def alive(self) -> bool:
        return self.left_at is None and self.lost_at is None

    @property
    def silent(self) -> float:
        """Seconds since its last beat."""
        return max(0.0, (self.now - self.seen_at).total_seconds())

    @property
    def state(self) -> MemberState:
        if self.lost_at is not None:
            return MemberState.LOST
        if self.left_at is not None:
            return MemberState.LEFT
        return MemberState.SILENT if self.silent >= _SILENT else MemberState.ALIVE

    @property
    def ended(self) -> dt.datetime | None:
        """When it left or was taken for lost."""
        return self.lost_at or self.left_at


def members_of(where: str | Path) -> list[Member]:
    """The engines on a journal, those that are alive first; those that have left or were lost stay for a
    week. None on SQLite, where `is_running` tells. StoreError as for `list_tasks`."""
    if not is_shared(where):
        return []
    mine = (tasks.c.member_id == members.c.id) & (tasks.c.status == TaskStatus.IN_PROGRESS.value)
    count = select(func.count()).where(mine).scalar_subquery()
    ended = func.coalesce(members.c.left_at, members.c.lost_at)
    query = (
        select(members, count.label("under_way"), func.now(type_=UtcDateTime).label("now"))
        .order_by(ended.is_not(None), ended.desc(), members.c.id)
        .limit(200)
    )
    with reading(where) as connection:
        return [
            Member(
                row.id,
                row.name,
                row.address,
                row.version,
                row.stand_in,
                row.started_at,
                row.seen_at,
                row.left_at,
                row.lost_at,
                row.under_way,
                row.now,
            )
            for row in connection.execute(query)
        ]


def anybody(where: str | Path, *, engines_only: bool) -> bool:
    """Whether an engine, or also a stand-in, is alive on a shared journal; False too where that cannot be
    asked. The last one of them may have been killed: nobody is left to take it for lost."""
    from engine.store import postgresql

    beating = func.now() - members.c.seen_at < dt.timedelta(seconds=LEASE)
    alive = select(members.c.id).where(*ALIVE, beating).limit(1)
    if engines_only:
        alive = alive.where(members.c.stand_in.is_(False))
    try:
        with postgresql.pool(str(where), read_only=True).connect() as connection:
            return connection.execute(alive).scalar() is not None
    except SQLAlchemyError:
        return False
