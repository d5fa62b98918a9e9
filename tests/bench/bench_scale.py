"""The same work on an empty journal and on a full one, side by side; then intake beside pruning, and without:
``python -m tests.bench.bench_scale [messages [seconds [directory]]]``.

A fifth of the messages (1,000,000) have a task, half of these wait. Both sides take turns; medians are told.
A million takes some GB and some minutes.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.store import Store, stock
from tests.bench.engine import serving
from tests.bench.full_journal import fill, rules
from tests.bench.load import Load, load, order
from tests.running import FOREFETCH
from tests.store import message, request

ROUNDS = 3
CLAIMS = 1000
AT_A_TIME = 8
ARRIVED = Outcome(TaskStatus.COMPLETED, Cause.ARRIVED, "it arrived", arrived=True)
VERBS = (
    ("tasks",),
    ("tasks", "--status", "FAILED"),
    ("tasks", "--message", "500000"),
    ("task", "1000"),
    ("cancel", "--status", "FAILED", "--yes"),
)
_salts: Iterator[int] = count(10)


@dataclass(frozen=True, slots=True)
class Taken:
    """What an engine took at 64 connections. ``started``: seconds until it listened, ``answered``: until it
    had answered its first message; ``memory``: the most, in MB."""

    load: Load
    started: float
    answered: float
    memory: float


def intake(folder: Path, seconds: float, retention: str = "off") -> Taken:
    """One start, one load, one stop."""
    begin = time.perf_counter()
    with serving(folder, rules(), retention=retention) as engine:
        load(engine.address, order(next(_salts)), connections=1, seconds=0, most=1)
        answered = time.perf_counter() - begin
        got = load(engine.address, order(next(_salts)), connections=64, seconds=seconds)
        return Taken(got, engine.started, answered, engine.memory())


async def claims(journal: Path) -> float:
    """Tasks a second that are asked for, claimed and finished, as a lane of eight does."""
    store = Store.open(journal)
    salt = next(_salts)
    asked = (
        message((salt, number), request(f"1.2.{salt}.{number}", archive="fast")) for number in range(CLAIMS)
    )
    await asyncio.gather(*(store.journal(it) for it in asked))

    async def carry_out(task_id: int) -> None:
        await store.claim(task_id)
        await store.finish(task_id, ARRIVED)

    begin = time.perf_counter()
    while waiting := await store.waiting("fast", AT_A_TIME):
        await asyncio.gather(*(carry_out(task.id) for task in waiting))
    spent = time.perf_counter() - begin
    await store.close()
    return CLAIMS / spent


def verb(folder: Path, *arguments: str) -> float:
    """Seconds that a verb takes."""
    begin = time.perf_counter()
    command = [*FOREFETCH, *arguments, "--config", str(folder / "routes.yaml")]
    subprocess.run(command, check=False, capture_output=True)
    return time.perf_counter() - begin


def tell(what: str, unit: str, *sides: list[float]) -> None:
    """Medians of both."""
    one, other = map(statistics.median, sides)
    print(f"{what:44} {one:9.2f} {other:9.2f} {unit:5} {other / one:6.2f}", flush=True)


def head(one: str, other: str) -> None:
    print(f"{'':44} {one:>9} {other:>9} {'':5} {'ratio':>6}")


def tell_taken(pairs: list[tuple[Taken, Taken]]) -> None:
    one, other = zip(*pairs, strict=True)
    tell("intake, 64 connections", "/s", [it.load.rate for it in one], [it.load.rate for it in other])
    for part in (50, 99):
        times = [[it.load.percentile(part) for it in side] for side in (one, other)]
        tell(f"  answered within, {part} of 100", "ms", *times)
    tell("start to listening", "s", [it.started for it in one], [it.started for it in other])
    tell("start to the first answer", "s", [it.answered for it in one], [it.answered for it in other])
    tell("most memory", "MB", [it.memory for it in one], [it.memory for it in other])


def side_by_side(empty: Path, full: Path, seconds: float) -> None:
    head("empty", "full")
    tell_taken([(intake(empty, seconds), intake(full, seconds)) for _ in range(ROUNDS)])
    journals = [folder / "journal.db" for folder in (empty, full)]
    rates = [[asyncio.run(claims(journal)) for journal in journals] for _ in range(ROUNDS)]
    tell("asked for, claimed and finished", "/s", *map(list, zip(*rates, strict=True)))
    for arguments in VERBS:
        times = [[verb(folder, *arguments) for _ in range(ROUNDS)] for folder in (empty, full)]
        tell(f"forefetch {' '.join(arguments)}", "s", *times)


def pruning(full: Path, seconds: float, keep: int) -> None:
    """Each start goes on where the last one was stopped; then how long it takes with nothing else to do."""
    head("without", "pruning")
    limits = f"{{messages: {keep}}}"
    tell_taken([(intake(full, seconds), intake(full, seconds, limits)) for _ in range(ROUNDS)])
    before = stock(full / "journal.db").messages
    with serving(full, rules(), retention=limits):
        time.sleep(seconds)
    gone = before - stock(full / "journal.db").messages
    print(f"pruned with nothing else to do: {gone / seconds:.0f} messages/s")


def main() -> None:
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 5.0
    directory = sys.argv[3] if len(sys.argv) > 3 else None
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        empty, full = Path(folder) / "empty", Path(folder) / "full"
        for one in (empty, full):
            one.mkdir()
        begin = time.perf_counter()
        fill(full / "journal.db", number=number, tasked=number // 5, waiting=number // 10)
        os.sync()
        size = (full / "journal.db").stat().st_size / 1e9
        print(f"{number} messages, {number // 5} tasks: {size:.1f} GB in {time.perf_counter() - begin:.0f} s")
        side_by_side(empty, full, seconds)
        pruning(full, seconds, number // 2)


if __name__ == "__main__":
    main()
