"""What one engine tells the others that share its journal, in the transaction that makes it true.

One NOTIFY a transaction at most, and none where nobody else has to know: who gets none looks all the same,
but later. On SQLite there is nobody to tell.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from engine.retrieve.task import Expected

CHANNEL = "forefetch"
_LONGEST = 7_900  # characters: PostgreSQL takes less than 8,000 bytes


@dataclass(slots=True)
class News:
    """``work``: a place came free, or tasks wait that did not; ``expected``: tasks that are new; ``cancel``:
    what is under way is not wanted any more; ``messages``: those whose tasks have changed; ``many``: more has
    happened than can be told."""

    work: bool = False
    cancel: bool = False
    many: bool = False
    messages: set[int] = field(default_factory=set)
    expected: set[Expected] = field(default_factory=set)

    def add(self, other: News) -> None:
        """Both."""
        self.work |= other.work
        self.cancel |= other.cancel
        self.many |= other.many
        self.messages |= other.messages
        self.expected |= other.expected

    @property
    def any(self) -> bool:
        return self.work or self.cancel or self.many or bool(self.messages or self.expected)

    def text(self, by: int) -> str:
        """For NOTIFY."""
        expected = [] if self.work else sorted(map(_row, self.expected))
        told = _text([by, self.work, self.cancel, self.many, sorted(self.messages), expected])
        return told if len(told) <= _LONGEST else _text([by, True, self.cancel, True, [], []])


EVERYTHING = News(work=True, cancel=True, many=True)


def read(text: str) -> tuple[int, News]:
    """Who tells, and what. What cannot be read, as of another version, may be everything."""
    try:
        by, work, cancel, many, messages, expected = json.loads(text)
        tasks = {_expected(*row) for row in expected}
        return int(by), News(bool(work), bool(cancel), bool(many), {int(it) for it in messages}, tasks)
    except (ValueError, TypeError, AttributeError):
        return 0, EVERYTHING


def _row(task: Expected) -> tuple[str, str, Sequence[str], bool, str]:
    due = "" if task.due is None else task.due.isoformat()
    return task.archive, task.destination, task.routes, task.moves, due


def _expected(archive: str, destination: str, routes: Iterable[str], moves: bool, due: str) -> Expected:
    when = dt.datetime.fromisoformat(due) if due else None
    return Expected(archive, destination, tuple(routes), moves, when)


def _text(told: object) -> str:
    return json.dumps(told, separators=(",", ":"))


def tell(
    connection: Connection,
    *,
    work: bool = False,
    cancel: bool = False,
    messages: Iterable[int] = (),
    expected: Iterable[Expected] = (),
) -> None:
    """With the transaction at hand, where there is anybody to tell."""
    if connection.dialect.name != "postgresql":
        return
    news = News(work, cancel, False, set(messages), set(expected))
    ticket = connection.get_execution_options().get("ticket")
    if ticket is not None:
        ticket.news.add(news)
    elif news.any:
        notify(connection, news.text(0))


def notify(connection: Connection, text: str) -> None:
    """Tell it when the transaction is committed."""
    connection.exec_driver_sql("SELECT pg_notify(%s, %s)", (CHANNEL, text))
