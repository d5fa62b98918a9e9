"""Whose work is whose, where engines share a journal.

``tasks.member_id`` says who carries a task out, ``messages.member_id`` who owes a message its application
acknowledgment, ``outbox.member_id`` who delivers a letter. On SQLite there is one engine: nobody is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, Connection, or_, select

from engine.store.news import News
from engine.store.schema import members

ALIVE = (members.c.left_at.is_(None), members.c.lost_at.is_(None))


@dataclass(slots=True)
class Ticket:
    """A transaction of an engine: in whose name it writes, and what the others are to be told with it.
    ``relies``: it has read what it will answer for, and has to end as one that writes, behind all before."""

    member_id: int | None = None
    news: News = field(default_factory=News)
    relies: bool = False


def member_of(connection: Connection) -> int | None:
    """In whose name a transaction writes; None: there is but one engine, or it is not one."""
    ticket = connection.get_execution_options().get("ticket")
    return ticket.member_id if isinstance(ticket, Ticket) else None


def rely(connection: Connection) -> None:
    """What this transaction has read may be in the server alone and on none of its standbys yet, as after a
    crash: its own end shall be behind that."""
    ticket = connection.get_execution_options().get("ticket")
    if isinstance(ticket, Ticket):
        ticket.relies = True


def orphaned(owner: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether nobody who is alive owns it."""
    return or_(owner.is_(None), owner.not_in(select(members.c.id).where(*ALIVE)))
