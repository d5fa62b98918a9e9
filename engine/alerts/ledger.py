"""What is told of alerts, and when: once when one is raised, again while it lasts, once when it is over.

Between two notices of one alert is a pause, whatever happens: what comes and goes meanwhile is counted, and
told behind it. Pure: times are given.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from engine.alerts.alert import Alert, Notice, State

_NOTHING = dt.timedelta(0)


@dataclass(slots=True)
class _Entry:
    """An alert as it stands, and what was told of it: ``times`` raised since; ``told`` None: nothing yet."""

    alert: Alert
    since: dt.datetime
    active: bool = True
    times: int = 1
    told: State | None = None
    told_at: dt.datetime | None = None
    told_count: int = 0
    reminders: int = 0

    @property
    def untold(self) -> bool:
        """Whether anything happened that was not told."""
        if self.times:
            return True
        return self.alert.count > self.told_count if self.active else self.told is State.RAISED


class Ledger:
    """``repeat``: until a reminder; ``pause``: the least between two notices of one alert."""

    def __init__(self, repeat: dt.timedelta, pause: dt.timedelta) -> None:
        self._repeat = max(repeat, pause)
        self._pause = pause
        self._entries: dict[str, _Entry] = {}

    def is_raised(self, key: str) -> bool:
        """Whether it is wrong now, as far as is known."""
        entry = self._entries.get(key)
        return entry is not None and entry.active

    def wrong(self, alert: Alert, now: dt.datetime) -> None:
        """It is wrong now; what is said of it is news only where it was not wrong before, or counts more."""
        entry = self._entries.get(alert.key)
        if entry is None:
            self._entries[alert.key] = _Entry(alert, now)
            return
        entry.alert = alert
        if not entry.active:
            entry.active, entry.since = True, now
            entry.times += 1

    def over(self, key: str, sentence: str, cure: str = "") -> None:
        """It is not wrong any more, or was not."""
        entry = self._entries.get(key)
        if entry is not None and entry.active:
            entry.active = False
            entry.alert = replace(entry.alert, sentence=sentence, cure=cure)

    def notices(self, now: dt.datetime) -> list[Notice]:
        """What is to be told now. Each is given out once."""
        told = []
        for key, entry in list(self._entries.items()):
            if self._waits(entry, now):
                continue
            if entry.told_at is not None and not entry.untold:
                entry.told_at = min(entry.told_at, now)  # reminders are counted from here, too
            if entry.untold or (entry.active and now >= self._reminder_at(entry)):
                told.append(_notice(entry, now))
            elif not entry.active:
                del self._entries[key]
        return told

    def due(self) -> dt.datetime | None:
        """When there will be something to tell, if nothing else happens."""
        times = [self._due(entry) for entry in self._entries.values()]
        return min((time for time in times if time is not None), default=None)

    def _due(self, entry: _Entry) -> dt.datetime | None:
        if entry.told_at is None:
            return entry.since
        if entry.untold:
            return entry.told_at + self._pause
        return self._reminder_at(entry) if entry.active else None

    def _waits(self, entry: _Entry, now: dt.datetime) -> bool:
        """A clock that was set back makes nothing wait."""
        return entry.told_at is not None and _NOTHING <= now - entry.told_at < self._pause

    def _reminder_at(self, entry: _Entry) -> dt.datetime:
        return (entry.told_at or entry.since) + self._repeat


def _notice(entry: _Entry, now: dt.datetime) -> Notice:
    """Of an entry as it stands, which takes note of it."""
    entry.reminders = 0 if entry.untold else entry.reminders + 1
    state = State.RAISED if entry.active else State.RESOLVED
    notice = Notice(entry.alert, state, entry.since, now, entry.times, entry.reminders)
    entry.told, entry.told_at, entry.told_count, entry.times = state, now, entry.alert.count, 0
    return notice
