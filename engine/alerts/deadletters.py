"""Retrieves that have failed for good: many within a short while are one alert. Pure."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from engine.alerts.alert import Alert, Severity
from engine.alerts.ledger import Ledger
from engine.config.alerts import DeadLetterRule, Kind
from engine.retrieve.outcome import Cause, cure_for

KEY = Kind.DEAD_LETTERS.value
_NAMED = 5  # tasks that are named
_REMEMBERED = 10_000  # tasks of which it is noticed that they went well after all
_WHERE = "forefetch tasks --status FAILED"


class DeadLetters:
    """Those since it was last quiet. It is over when all have been retried well, or none fails for long."""

    def __init__(self, rule: DeadLetterRule, ledger: Ledger) -> None:
        self._rule = rule
        self._ledger = ledger
        self._forget()

    def _forget(self) -> None:
        self._count = 0
        self._causes: Counter[Cause] = Counter()
        self._named: list[int] = []
        self._open: set[int] = set()
        self._beyond = 0  # not remembered
        self._first: dt.datetime | None = None
        self._last: dt.datetime | None = None

    def failed(self, task: int, cause: Cause, now: dt.datetime) -> None:
        """A task has ended FAILED."""
        self._count += 1
        self._causes[cause] += 1
        if len(self._named) < _NAMED and task not in self._named:
            self._named.append(task)
        if task not in self._open:
            if len(self._open) < _REMEMBERED:
                self._open.add(task)
            else:
                self._beyond += 1
        self._first, self._last = self._first or now, now

    def mended(self, task: int) -> bool:
        """A task has ended otherwise; it may have failed before. Whether that was the last of them."""
        if task not in self._open:
            return False
        self._open.remove(task)
        if self._open or self._beyond:
            return False
        self._ledger.over(KEY, "every retrieve that had failed was tried again, and has not failed again")
        self._forget()
        return True

    def look(self, now: dt.datetime) -> None:
        """Tell the ledger how it stands."""
        if self._first is None or self._last is None:
            return
        self._first, self._last = (
            min(self._first, now),
            min(self._last, now),
        )  # the clock may have been set back
        if now >= self._last + self._rule.quiet:
            left = len(self._open) + self._beyond
            text = f"no retrieve has failed for a while; {left} that had failed have not ended otherwise yet"
            self._ledger.over(KEY, text, f"{_WHERE} shows them; forefetch retry tries them again")
            self._forget()
        elif now >= self._first + self._rule.gather:
            self._ledger.wrong(self._alert(), now)

    def hurry(self, now: dt.datetime) -> None:
        """Gather no more: nobody will look again."""
        if self._count:
            self._ledger.wrong(self._alert(), now)

    def due(self) -> dt.datetime | None:
        """When to look again."""
        if self._first is None or self._last is None:
            return None
        if not self._ledger.is_raised(KEY):
            return self._first + self._rule.gather
        return self._last + self._rule.quiet

    def _alert(self) -> Alert:
        one = self._count == 1
        causes = ", ".join(f"{count} {cause}" for cause, count in self._causes.most_common())
        more = ", …" if self._count > len(self._named) else ""
        tasks = f"{'task' if one else 'tasks'} {', '.join(map(str, self._named))}{more}"
        sentence = f"{self._count} {'retrieve has' if one else 'retrieves have'} failed: {causes} ({tasks})"
        commonest = cure_for(self._causes.most_common(1)[0][0])
        cure = f"{commonest + '; ' if commonest else ''}{_WHERE} shows them, then forefetch retry"
        return Alert(
            KEY, Kind.DEAD_LETTERS, Severity.WARNING, sentence, cure, self._count, tuple(self._named)
        )
