"""Several engines on one PostgreSQL beside one on SQLite, on this machine:
``python -m tests.bench.bench_nodes [seconds] [intake] [dispatch] [costs] [commits]``, each of them unless
some are named.

Engines, PostgreSQL, senders and archives share the cores: a rate here says how they share them, not what
nodes on machines of their own would do. For that there is the processor time that each part takes for a
message or a task, which depends less on what else goes on. The server keeps what it has committed (fsync).
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import nodes
from tests.bench.bench_costs import costs
from tests.bench.bench_drain import drain
from tests.bench.database import Observed
from tests.bench.load import Load
from tests.bench.nodes import Crowd, Nodes, Setup

SETUPS = (Setup("sqlite", 1), Setup("postgresql", 1), Setup("postgresql", 2), Setup("postgresql", 4))
CONNECTIONS = (64, 8, 1)
TURNS = 3
DELAYS = (0, 1, 10, 50)
"""Milliseconds that a commit takes longer."""


@dataclass(slots=True)
class Turns:
    """What several turns of one kind came to. Processor times in µs a message."""

    loads: list[Load] = field(default_factory=list)
    engines: list[float] = field(default_factory=list)
    database: list[float] = field(default_factory=list)
    senders: list[float] = field(default_factory=list)

    @property
    def middle(self) -> Load:
        return sorted(self.loads, key=lambda it: it.rate)[len(self.loads) // 2]

    def line(self, base: float) -> str:
        rates = sorted(it.rate for it in self.loads)
        at = self.middle
        parts = (statistics.median(it) for it in (self.engines, self.database, self.senders))
        return (
            f"{at.rate:8.0f} {at.rate / base:6.2f} {rates[0]:8.0f}-{rates[-1]:<6.0f}"
            f"{at.percentile(50):8.2f} {at.percentile(99):8.2f}" + "".join(f"{part:9.0f}" for part in parts)
        )


HEAD = (
    f"{'':16} {'conn':>4} {'per s':>8} {'ratio':>6} {'lowest-highest':>15} {'p50 ms':>7} {'p99 ms':>8}"
    + "".join(f"{name:>9}" for name in ("engines", "postgres", "senders"))
)


def measure(
    turns: Turns, here: Nodes, database: Observed, crowd: Crowd, connections: int, seconds: float
) -> None:
    """One turn."""
    before, base = here.processor(), database.processor()
    got, senders = crowd.send(here.addresses, connections, seconds)
    assert set(got.codes) == {"AA"}, got.codes
    messages = len(got.spent) / 1e6
    turns.loads.append(got)
    turns.engines.append((here.processor() - before) / messages)
    turns.database.append((database.processor() - base) / messages)
    turns.senders.append(senders / messages)


@contextmanager
def taking(database: Observed, setup: Setup, *, tasked: bool) -> Iterator[Nodes]:
    """Engines of a setup with an empty journal, ready for messages."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench")))
        store = "journal.db"
        if setup.store == "postgresql":
            _, store = stack.enter_context(database.journal())
        yield stack.enter_context(nodes.running(folder, nodes.intake(store, tasked=tasked), setup.engines))


def intake(seconds: float, *, tasked: bool) -> None:
    """All in turns, so that a busy machine is busy for all."""
    print(f"\nIntake: {'each message makes a task that waits' if tasked else 'no route matches'}\n{HEAD}")
    with Observed() as database, Crowd(max(it.engines for it in SETUPS)) as crowd, ExitStack() as stack:
        here = {it: stack.enter_context(taking(database, it, tasked=tasked)) for it in SETUPS}
        for connections in CONNECTIONS:
            found = {it: Turns() for it in SETUPS}
            for turn in range(TURNS + 1):
                for setup, engines in here.items():
                    into = found[setup] if turn else Turns()  # the first is left out
                    measure(into, engines, database, crowd, connections, seconds)
            base = found[SETUPS[0]].middle.rate
            for setup, turns in found.items():
                print(f"{setup!s:16} {connections:4} {turns.line(base)}", flush=True)


def commits(seconds: float) -> None:
    """What a slower commit, as of a standby far away, does to one engine. Turns of two seconds at least: of a
    shorter one too much is its beginning and its end."""
    print(f"\nSlower commits, one engine, no route matches\n{HEAD}")
    with (
        Observed() as database,
        Crowd(1) as crowd,
        taking(database, Setup("postgresql", 1), tasked=False) as engines,
    ):
        base: dict[int, float] = {}
        for delay in DELAYS:
            database.slow_commits(delay)
            for connections in CONNECTIONS:
                turns = Turns()
                for _ in range(TURNS):
                    measure(turns, engines, database, crowd, connections, max(seconds, 2.0))
                rate = base.setdefault(connections, turns.middle.rate)
                print(f"{f'+{delay} ms':16} {connections:4} {turns.line(rate)}", flush=True)


def main() -> None:
    words = sys.argv[1:]
    seconds = float(words.pop(0)) if words and words[0][0].isdigit() else 1.5
    for tasked in (False, True):
        if not words or "intake" in words:
            intake(seconds, tasked=tasked)
    if not words or "dispatch" in words:
        drain(SETUPS)
    if not words or "costs" in words:
        costs(seconds)
    if not words or "commits" in words:
        commits(seconds)


if __name__ == "__main__":
    main()
