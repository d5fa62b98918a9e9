"""A notice in words: for people, and as JSON for programs (docs/operating.md)."""

from __future__ import annotations

import datetime as dt
from typing import Any

from engine.alerts.alert import Notice, State

VERSION = 1
"""Of the JSON; a key that goes or changes its meaning makes it another one, a new key does not."""


def payload(notice: Notice, source: str) -> dict[str, Any]:
    """As JSON. Times are in UTC. ``source``: which Forefetch this is."""
    alert = notice.alert
    return {
        "version": VERSION,
        "source": source,
        "key": alert.key,
        "kind": str(alert.kind),
        "state": notice.state.value,
        "severity": alert.severity.value,
        "sentence": alert.sentence,
        "cure": alert.cure,
        "text": text(notice, source),
        "since": _utc(notice.since),
        "at": _utc(notice.at),
        "times": notice.times,
        "reminder": notice.reminder,
        "tasks": list(alert.tasks),
    }


def title(notice: Notice) -> str:
    """One line: how it stands and what it is."""
    reminder = f", reminder {notice.reminder}" if notice.reminder else ""
    severity = f" ({notice.alert.severity}{reminder})" if notice.state is State.RAISED else ""
    return f"{notice.state.value}{severity}: {notice.alert.sentence}"


def text(notice: Notice, source: str) -> str:
    """All of it, in a few lines."""
    lines = [f"{source}: {title(notice)}"]
    if notice.alert.cure:
        lines.append(f"What you can do: {notice.alert.cure}.")
    if notice.times > 1 or (notice.times and notice.state is State.RESOLVED):
        often = "once" if notice.times == 1 else f"{notice.times} times"
        lines.append(f"It was raised {often} since the last notice.")
    lines.append(f"Since {_local(notice.since)}; told at {_local(notice.at)}.")
    return "\n".join(lines)


def _utc(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat(timespec="seconds")


def _local(time: dt.datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S%z}"
