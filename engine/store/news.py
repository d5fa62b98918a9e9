"""What one engine tells the others that share its journal, in the transaction that makes it true.

One NOTIFY a transaction at most, and none where nobody else has to know: who gets none looks all the same,
but later. On SQLite there is nobody to tell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection

CHANNEL = "forefetch"
_MOST = 600  # messages that one notification names: PostgreSQL takes 8,000 bytes


@dataclass(slots=True)
class News:
    """``work``: tasks wait that did not, or a place came free; ``cancel``: what is under way is not wanted
    any more; ``messages``: those whose tasks have changed; ``many``: more of them than are named."""

    work: bool = False
    cancel: bool = False
    many: bool = False
    messages: set[int] = field(default_factory=set)

    def add(self, other: News) -> None:
        """Both."""
        self.work |= other.work
        self.cancel |= other.cancel
        self.many |= other.many
        self.messages |= other.messages

    @property
    def any(self) -> bool:
        return self.work or self.cancel or self.many or bool(self.messages)

    def text(self, by: int) -> str:
        """For NOTIFY."""
        many = self.many or len(self.messages) > _MOST
        named = [] if many else sorted(self.messages)
        return json.dumps([by, self.work, self.cancel, many, named], separators=(",", ":"))


EVERYTHING = News(work=True, cancel=True, many=True)


def read(text: str) -> tuple[int, News]:
    """Who tells, and what. What cannot be read, as of a later version, may be everything."""
    try:
        by, work, cancel, many, messages = json.loads(text)
        return int(by), News(bool(work), bool(cancel), bool(many), {int(it) for it in messages})
    except (ValueError, TypeError):
        return 0, EVERYTHING


def tell(
    connection: Connection, *, work: bool = False, cancel: bool = False, messages: Iterable[int] = ()
) -> None:
    """With the transaction at hand, where there is anybody to tell."""
    if connection.dialect.name != "postgresql":
        return
    news = News(work, cancel, False, set(messages))
    ticket = connection.get_execution_options().get("ticket")
    if ticket is not None:
        ticket.news.add(news)
    elif news.any:
        notify(connection, news.text(0))


def notify(connection: Connection, text: str) -> None:
    """Tell it when the transaction is committed."""
    connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, text))
