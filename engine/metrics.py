"""What the engine has done lately, in numbers without patient data."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from engine.events import Events


class Minute(NamedTuple):
    """One minute that began ``at``: messages that got an answer, those of them that were refused (AE, AR, CE,
    CR), studies that arrived, moves that failed, and objects that were sent."""

    at: dt.datetime
    messages: int = 0
    refused: int = 0
    arrived: int = 0
    failed: int = 0
    instances: int = 0


class Latency(NamedTuple):
    """Seconds from a message to its first answer, of late: for half of them, and for 99 in 100."""

    median: float
    p99: float


class Metrics:
    """Listens to what happens from construction on."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def recent(self, minutes: int = 60) -> list[Minute]:
        """So many minutes, the one that runs last; those in which nothing happened are there too."""
        raise NotImplementedError

    def latency(self) -> Latency | None:
        """None: no message has come lately."""
        raise NotImplementedError
