"""Waiting tasks carried out by several engines: ``python -m tests.bench.bench_drain [tasks]``, and a part of
`tests.bench.bench_nodes`.

Archives that take 20 ms for each C-MOVE, in processes of their own, which need next to no processor. All
tasks fall due at one moment, when every engine is up.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest
from engine.store import NewMessage, Store
from engine.store.reader import reading
from engine.store.schema import tasks
from tests.bench import nodes
from tests.bench.database import Observed, Spent
from tests.bench.nodes import Nodes, Setup
from tests.bench.slow_archive import slow_archive

ARCHIVES, CONCURRENCY, MILLISECONDS = 4, 8, 20
TURNS = 2
TASKS = 1200
_START = 5.0  # seconds until engines are up, and more for each of them
_EACH = 3.0


@dataclass(frozen=True, slots=True)
class Drained:
    """Tasks a second from when they fell due to the end of the last one; processor time of the engines in
    seconds, and what the database did."""

    rate: float
    engines: float
    spent: Spent


@contextmanager
def archives() -> Iterator[Mapping[str, int]]:
    """The ports of some, by name."""
    with ExitStack() as stack:
        yield {f"archive{it}": stack.enter_context(slow_archive(MILLISECONDS)) for it in range(ARCHIVES)}


async def fill(store: str | Path, names: Sequence[str], count: int, due: dt.datetime) -> None:
    """So many messages, each with a task at one of these archives."""
    journal = Store.open(store)
    try:
        await asyncio.gather(
            *(journal.journal(_message(it, names[it % len(names)], due)) for it in range(count))
        )
    finally:
        await journal.close()


def _message(number: int, archive: str, due: dt.datetime) -> NewMessage:
    request = RetrieveRequest(Study(f"1.2.3.{number + 1}"), archive, "reading", ("all",), due=due)
    now, key = dt.datetime.now(dt.UTC), b"%036d" % number
    return NewMessage(now, "peer", key, "", "", str(number), "ORM^O01", "2.5.1", bytes(700), "{}", (request,))


def ended(store: str | Path, count: int) -> dt.datetime:
    """When the last of so many tasks has ended. Blocks until then."""
    query = select(func.count(), func.max(tasks.c.updated_at)).where(
        tasks.c.status == TaskStatus.COMPLETED.value
    )
    limit = time.monotonic() + 300
    while time.monotonic() < limit:
        with reading(store) as connection:
            done, last = connection.execute(query).one()
        if done == count:
            return last  # type: ignore[no-any-return]
        time.sleep(0.2)
    raise TimeoutError(f"{done} of {count} tasks in five minutes")


def drained(
    database: Observed, setup: Setup, known: Mapping[str, int], count: int, store: str, folder: Path
) -> Drained:
    """By the engines of a setup."""
    due = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=_START + setup.engines * _EACH + count / 1000)
    asyncio.run(fill(folder / store if setup.store == "sqlite" else store, list(known), count, due))
    with nodes.running(folder, nodes.dispatch(store, known, CONCURRENCY), setup.engines) as here:
        if dt.datetime.now(dt.UTC) > due:
            raise RuntimeError("the engines took too long to start")
        time.sleep((due - dt.datetime.now(dt.UTC)).total_seconds() - 0.1)
        return _watched(here, database, folder / store if setup.store == "sqlite" else store, count, due)


def _watched(here: Nodes, database: Observed, store: str | Path, count: int, due: dt.datetime) -> Drained:
    name = str(store).rpartition("/")[2]
    before, base = here.processor(), database.spent(name)
    last = ended(store, count)
    engines, spent = here.processor() - before, database.spent(name) - base
    return Drained(count / (last - due).total_seconds(), engines, spent)


def drain(setups: Sequence[Setup], count: int = TASKS) -> None:
    most = ARCHIVES * CONCURRENCY / MILLISECONDS * 1000
    print(
        f"\nDispatch: {count} tasks at {ARCHIVES} archives, "
        f"each {CONCURRENCY} at a time: at most {most:.0f}/s"
    )
    print(f"{'':16} {'per s':>8} {'ratio':>6} {'all turns':>16} {'engines':>9} {'postgres':>9} µs a task")
    found: dict[Setup, list[Drained]] = {it: [] for it in setups}
    with Observed() as database, archives() as known:
        for _ in range(TURNS):
            for setup in setups:
                with database.journal() as (_, url), tempfile.TemporaryDirectory() as folder:
                    store = url if setup.store == "postgresql" else "journal.db"
                    found[setup].append(drained(database, setup, known, count, store, Path(folder)))
    base = statistics.mean(it.rate for it in found[setups[0]])
    for setup, turns in found.items():
        rate = statistics.mean(it.rate for it in turns)
        engines = statistics.mean(it.engines for it in turns) / count * 1e6
        spent = statistics.mean(it.spent.processor for it in turns) / count * 1e6
        every = ", ".join(f"{it.rate:.0f}" for it in turns)
        print(
            f"{setup!s:16} {rate:8.0f} {rate / base:6.2f} {every:>16} {engines:9.0f} {spent:9.0f}", flush=True
        )


if __name__ == "__main__":
    drain(
        (Setup("sqlite", 1), Setup("postgresql", 1), Setup("postgresql", 2), Setup("postgresql", 4)),
        int(sys.argv[1]) if len(sys.argv) > 1 else TASKS,
    )
