"""What keeping a message costs: ``python -m tests.bench.bench_store [directory]``.

Messages have 800 bytes, and are on the disk (fsync) before their callers go on. For so many callers at a
time: messages a second, how long one takes, and the processor's time of each in the thread of the event loop
and in that of the journal. The peer is bare sqlite3 with group commit: one table, the same bytes, no loop,
batches as large as there are callers; its time is what SQLite itself takes, most of it without the lock of
the interpreter. The directory should be on the disk that is meant; without one it is the system's for
temporary files.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config.build.relevance import vocabularies
from engine.config.models.relevance import BUILTIN
from engine.hl7.message import Header
from engine.retrieve.relevance import Relevance
from engine.retrieve.selector import PriorCriteria
from engine.retrieve.task import RetrieveRequest
from engine.routing.meaning import NO_MEANING, Meaning, Number, Occasion
from engine.store import NewMessage, Store, fingerprint
from tests.store import PRIORS, message, request

ROUNDS = {1: 1500, 8: 750, 64: 250}  # messages of each caller, by how many callers there are
JUDGED = PriorCriteria(relevance=Relevance(vocabularies({})[BUILTIN]))


@dataclass(frozen=True, slots=True)
class Figure:
    """Messages a second; milliseconds of one, and of the slowest in a hundred; and microseconds of the
    processor a message, in the thread that asks and in all others."""

    rate: float
    median: float
    slow: float
    here: float
    beside: float


def sample(number: int, *requests: RetrieveRequest) -> NewMessage:
    """A message of 800 bytes; ten are sent a second. One that asks for something does so for an order."""
    raw = f"MSH|^~\\&|RIS|{number}\r".encode().ljust(800, b"x")
    key = fingerprint(raw, Header(time=f"{20240506000000 + number // 10}", control_id=str(number)))
    order = Occasion("order", Number(f"P{number}", "RIS"), Number(f"F{number}", "RAD"), (f"ID{number}",))
    meaning = Meaning(occasions=(order,)) if requests else NO_MEANING
    return message(number, *requests, raw=raw, fingerprint=key, meaning=meaning)


def search(number: int) -> RetrieveRequest:
    """For a patient's priors, judged by the built-in vocabulary."""
    return request(replace(PRIORS, patient_id=str(number), criteria=JUDGED))


KINDS: dict[str, Callable[[int], NewMessage]] = {
    "no task": sample,
    "a study": lambda number: sample(number, request(f"1.2.{number}")),
    "a search": lambda number: sample(number, search(number)),
}


def clocks() -> tuple[float, float, float]:
    """On the wall, in this thread and in the whole process, seconds."""
    return time.perf_counter(), time.thread_time(), time.process_time()


def figure(count: int, spans: list[float], began: tuple[float, float, float]) -> Figure:
    wall, here, everywhere = (now - then for now, then in zip(clocks(), began, strict=True))
    slow = statistics.quantiles(spans, n=100)[98]
    each = 1e6 / count
    return Figure(
        count / wall, statistics.median(spans) * 1e3, slow * 1e3, here * each, (everywhere - here) * each
    )


async def kept(path: Path, callers: int, of_kind: Callable[[int], NewMessage]) -> Figure:
    """With so many callers, each of which waits for its last message."""
    messages = [of_kind(number) for number in range(callers * ROUNDS[callers])]
    spans: list[float] = []
    store = Store.open(path)

    async def caller(own: list[NewMessage]) -> None:
        for one in own:
            begin = time.perf_counter()
            await store.journal(one)
            spans.append(time.perf_counter() - begin)

    began = clocks()
    await asyncio.gather(*(caller(messages[name::callers]) for name in range(callers)))
    found = figure(len(messages), spans, began)
    await store.close()
    return found


def bare(path: Path, callers: int) -> Figure:
    """The peer: what every way to keep a message in SQLite has to pay."""
    messages = [sample(number) for number in range(callers * ROUNDS[callers])]
    rows = [
        (number, it.fingerprint, it.control_id, it.raw, it.decision) for number, it in enumerate(messages)
    ]
    spans: list[float] = []
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(
            "CREATE TABLE messages (id INTEGER PRIMARY KEY, key BLOB UNIQUE, a TEXT, b BLOB, c TEXT)"
        )
        began = clocks()
        for start in range(0, len(rows), callers):
            begin = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", rows[start : start + callers])
            database.execute("COMMIT")
            spans.append(time.perf_counter() - begin)
        return figure(len(rows), spans, began)


def main() -> None:
    directory = sys.argv[1] if len(sys.argv) > 1 else None
    print("          callers  messages/s  of bare   median ms   p99 ms   loop us  journal us")
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        for callers in ROUNDS:
            peer = bare(Path(folder) / f"bare-{callers}", callers)
            tell("bare", callers, peer, peer)
            for kind, of_kind in KINDS.items():
                found = asyncio.run(kept(Path(folder) / f"{kind}-{callers}", callers, of_kind))
                tell(kind, callers, found, peer)


def tell(kind: str, callers: int, found: Figure, peer: Figure) -> None:
    """One line of the table."""
    share = found.rate / peer.rate
    times = f"{found.median:10.2f} {found.slow:8.2f} {found.here:9.1f} {found.beside:10.1f}"
    print(f"{kind:10} {callers:6} {found.rate:11.0f} {share:8.2f} {times}", flush=True)


if __name__ == "__main__":
    main()
