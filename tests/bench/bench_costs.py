"""What a message and a task cost PostgreSQL: ``python -m tests.bench.bench_costs [seconds]``, and a part of
`tests.bench.bench_nodes`. Statements (each is a round trip), commits, fsyncs, bytes of its write-ahead log
and on its disk.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.bench import nodes
from tests.bench.bench_drain import archives, drained
from tests.bench.database import Observed
from tests.bench.nodes import Crowd, Setup

CONNECTIONS = (1, 8, 64)
TASKS = 600
_STATISTICS = 1.5  # seconds until what a session has done is in the statistics
_ENOUGH = 0.005  # of the log: smaller parts are not told


def costs(seconds: float) -> None:
    print("\nWhat a message costs PostgreSQL")
    print(
        f"{'':10} {'conn':>4} {'messages':>8} {'a commit':>9} {'statements':>10} {'a commit':>9} "
        f"{'WAL bytes':>9} {'fsyncs a commit':>16}"
    )
    with Observed(counting=True) as database:
        for tasked in (False, True):
            for connections in CONNECTIONS:
                _messages(database, connections, seconds, tasked=tasked)
        _life_of_tasks(database)


def _messages(database: Observed, connections: int, seconds: float, *, tasked: bool) -> None:
    with (
        database.journal() as (name, url),
        tempfile.TemporaryDirectory() as folder,
        Crowd(1) as crowd,
        nodes.running(Path(folder), nodes.intake(url, tasked=tasked), 1) as here,
    ):
        database.server.execute("CHECKPOINT")
        time.sleep(_STATISTICS)
        since, before = database.position(), database.spent(name)
        got, _ = crowd.send(here.addresses, connections, seconds)
        wal = database.spent(name).wal - before.wal
        time.sleep(_STATISTICS)
        crowd.send(here.addresses, 1, 0)  # one more, with which the session tells its statistics
        spent, count = database.spent(name) - before, len(got.spent)
        print(
            f"{'task' if tasked else 'no route':10} {connections:4} {count:8} {count / spent.commits:9.1f} "
            f"{spent.statements / count:10.2f} {spent.statements / spent.commits:9.1f} {wal / count:9.0f} "
            f"{spent.fsyncs / spent.commits:16.2f}",
            flush=True,
        )
        if connections == max(CONNECTIONS):
            _tell_parts(database, name, since, count, "message")
            _tell_sizes(database, name, count)


def _life_of_tasks(database: Observed) -> None:
    """Of tasks that were there before: claimed, moved, ended."""
    with (
        database.journal() as (name, url),
        tempfile.TemporaryDirectory() as folder,
        archives() as known,
    ):
        spent = drained(database, Setup("postgresql", 1), known, TASKS, url, Path(folder)).spent
        changed, hot = database.updates(name, "tasks")
        print(
            f"\nA task carried out: {spent.statements / TASKS:.1f} statements, {spent.commits / TASKS:.2f} "
            f"commits, {spent.wal / TASKS:.0f} WAL bytes; "
            f"{changed / TASKS:.2f} updates, {hot / max(1, changed):.0%} of them HOT"
        )
        _tell_statements(database, name)


def _tell_parts(database: Observed, name: str, since: str, count: int, what: str) -> None:
    print(f"  its log, bytes a {what}:")
    parts = database.parts_of_log(since, name)
    whole = sum(size + pages for _, _, size, pages in parts)
    for kind, number, size, pages in parts:
        if size + pages > _ENOUGH * whole:
            print(
                f"    {kind:24} {number / count:6.2f} records {size / count:6.0f} bytes "
                f"and {pages / count:5.0f} of whole pages"
            )


def _tell_sizes(database: Observed, name: str, count: int) -> None:
    print("  on its disk, bytes a message:")
    for relation, index, size in database.sizes(name)[:16]:
        print(f"    {relation:28} {'index' if index else 'table'} {size / count:7.0f}")


def _tell_statements(database: Observed, name: str) -> None:
    for calls, rows, each, text in database.costliest(name, 24):
        print(f"    {calls:6} times {rows:6} rows {each * 1000:7.0f} µs  {text[:90]}")


if __name__ == "__main__":
    costs(float(sys.argv[1]) if len(sys.argv) > 1 else 1.5)
