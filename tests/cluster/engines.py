"""Engines as processes: begun, killed, frozen."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.hospital import ALLOWED
from tests.nursery import forked
from tests.running import Running


class Engine:
    """One life of a ``forefetch serve``. ``calling`` is its AE title, by which an archive can tell it from
    others and from earlier lives. Times in seconds since the epoch."""

    def __init__(self, routes: Path, calling: str) -> None:
        self.calling = calling
        self.running = Running([*forked(), "serve", "-c", str(routes)], ALLOWED)
        self.frozen = False

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens. Blocks until it does."""
        return self.running.address

    @property
    def log(self) -> str:
        return "".join(self.running.lines[-60:])

    def freeze(self) -> float:
        """All its threads stand still, with whatever they hold; since when."""
        self.running.process.send_signal(signal.SIGTSTP)  # the launcher passes it on as SIGSTOP
        self.frozen = True
        return time.time()

    def thaw(self) -> None:
        self.running.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def kill(self) -> float:
        """At once, without a word; when. Blocks until it is dead."""
        when = time.time()
        self.running.end(signal.SIGKILL)
        return when

    def stop(self) -> int:
        """As an operator does. Its exit status."""
        return self.running.end(signal.SIGTERM)

    def end(self) -> None:
        """Whatever has become of it."""
        if self.running.process.poll() is None:
            self.running.end(signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Loss:
    """An engine that was killed, or frozen for longer than a lease: when, and what it had under way then
    (task and attempt), none where that could not be asked. ``address``: where it listened."""

    kind: str
    calling: str
    at: float
    address: str
    under_way: tuple[tuple[int, int], ...] = ()
