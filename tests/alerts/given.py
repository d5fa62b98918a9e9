"""What tests of alerts have in common: a clock that is set, a configuration, notices."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from engine.alerts.alert import Alert, Notice, Severity, State
from engine.config import Config, parse

NOW = dt.datetime(2026, 11, 27, 10, 0, tzinfo=dt.UTC)  # a Friday
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)

ROUTES = """\
engine: {{store: {store}, time_zone: Europe/Helsinki, listen: "127.0.0.1:0"}}
archives: {{main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: 104}}}}
destinations: {{room: {{ae_title: ROOM}}}}
routes: [{{name: a, messages: ORM^O01, studies: [{{study: ZDS-1}}], from: main, to: room}}]
alerts: {{{alerts}}}
"""


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> dt.datetime:
        return self.now


def configured(folder: Path, alerts: str) -> Config:
    return parse(routes(folder, alerts), str(folder / "routes.yaml"))


def routes(folder: Path, alerts: str) -> str:
    return ROUTES.format(store=folder / "journal.db", alerts=alerts)


def alert(key: str = "breaker:archive:main", count: int = 0) -> Alert:
    return Alert(key, "breaker", Severity.CRITICAL, "archive main is away", "look at it", count, (4, 7))


def notice(state: State = State.RAISED, key: str = "breaker:archive:main", times: int = 1) -> Notice:
    return Notice(alert(key), state, NOW, NOW + MINUTE, times=times)
