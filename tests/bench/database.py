"""What a PostgreSQL server has done, as the benches ask for it: statements, commits, bytes of its write-ahead
log, processor time, room on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Self

import psutil

from tests.postgres import Server

_EXTENSION = "pg_stat_statements"
_ORDINARY = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "30min",
}
_CALLS = "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements WHERE dbid = %s AND query {}"
_WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
_FSYNCS = (
    "SELECT coalesce(sum(fsyncs), 0)::bigint FROM pg_stat_io WHERE object = 'wal' AND context = 'normal'"
)
_PARTS = (
    'SELECT "resource_manager/record_type", count, record_size, fpi_size '
    "FROM pg_get_wal_stats(%s::pg_lsn, pg_current_wal_flush_lsn(), true) "
    "WHERE count > 0 ORDER BY combined_size DESC"
)
_SIZES = """
    SELECT c.relname, c.relkind = 'i', pg_relation_size(c.oid) FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'i') AND pg_relation_size(c.oid) > 0
    ORDER BY 3 DESC
"""
_TEXTS = """
    SELECT calls, rows, total_exec_time / calls, regexp_replace(query, '\\s+', ' ', 'g')
    FROM pg_stat_statements WHERE dbid = %s ORDER BY total_exec_time DESC LIMIT %s
"""
_UPDATES = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s"


@dataclass(frozen=True, slots=True)
class Spent:
    """What was done since the server started. ``statements``: all, with BEGIN and COMMIT, each of which is a
    round trip; ``wal``: bytes; ``processor``: seconds of all its processes."""

    statements: int
    commits: int
    wal: int
    fsyncs: int
    processor: float

    def __sub__(self, other: Self) -> Self:
        return type(self)(*(getattr(self, it.name) - getattr(other, it.name) for it in fields(self)))


class Observed:
    """A durable server with room for a bench. ``counting``: it counts statements, which costs them some
    microseconds each; otherwise `Spent` has none."""

    def __init__(self, *, counting: bool = False) -> None:
        loaded = {"shared_preload_libraries": _EXTENSION} if counting else {}
        self.server = Server(settings=_ORDINARY | loaded)
        self.counting = counting

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.remove()

    @contextmanager
    def journal(self) -> Iterator[tuple[str, str]]:
        """The name of a database with a fresh journal, and its URL."""
        name = self.server.take_journal()
        if self.counting:
            for extension in (_EXTENSION, "pg_walinspect"):
                self.server.execute(f"CREATE EXTENSION {extension}", database=name)
        try:
            yield name, self.server.url(name)
        finally:
            self.server.drop_database(name)

    def spent(self, name: str = "postgres") -> Spent:
        """So far; statements and commits in this database."""
        statements = commits = 0
        if self.counting:
            number = self._one("SELECT oid::bigint FROM pg_database WHERE datname = %s", name)
            statements = self._one(_CALLS.format("IS NOT NULL"), number, database=name)
            commits = self._one(_CALLS.format("= 'COMMIT'"), number, database=name)
        wal, fsyncs = self._one(_WAL), self._one(_FSYNCS)
        return Spent(statements, commits, wal, fsyncs, self.processor())

    def processor(self) -> float:
        """Seconds for which its processes have worked, those that have ended as well."""
        first, *children = self.server.processes()
        own = first.cpu_times()
        ended = own.children_user + own.children_system
        return float(own.user + own.system + ended) + sum(map(_processor_of, children))

    def position(self) -> str:
        """Where its log is now, for `parts_of_log`."""
        ((place,),) = self.server.execute("SELECT pg_current_wal_insert_lsn()::text")
        return str(place)

    def parts_of_log(self, since: str, name: str) -> list[tuple[str, int, int, int]]:
        """What was written into the log since a position, the largest first: kind, number, bytes, bytes of
        whole pages."""
        rows = self.server.execute(_PARTS, (since,), database=name)
        return [(str(kind), int(count), int(size), int(pages)) for kind, count, size, pages in rows]

    def sizes(self, name: str) -> list[tuple[str, bool, int]]:
        """Tables and indexes with their bytes, the largest first; whether it is an index."""
        return [
            (str(it), bool(index), int(size))
            for it, index, size in self.server.execute(_SIZES, database=name)
        ]

    def costliest(self, name: str, most: int) -> list[tuple[int, int, float, str]]:
        """Statements in a database, the costliest in all first: calls, rows, milliseconds of each, text."""
        number = self._one("SELECT oid::bigint FROM pg_database WHERE datname = %s", name)
        rows = self.server.execute(_TEXTS, (number, most), database=name)
        return [(int(calls), int(count), float(each), str(text)) for calls, count, each, text in rows]

    def slow_commits(self, milliseconds: int) -> None:
        """Have each commit wait so much longer before it is flushed, as a distant standby would; those that
        come meanwhile are flushed with it."""
        self.server.execute("ALTER SYSTEM SET commit_siblings = 0")
        self.server.execute(f"ALTER SYSTEM SET commit_delay = {1000 * milliseconds}")
        self.server.execute("SELECT pg_reload_conf()")

    def updates(self, name: str, table: str) -> tuple[int, int]:
        """Rows that were changed, and how many of these without a new entry in any index. Those of engines
        that run may be missing yet."""
        ((changed, hot),) = self.server.execute(_UPDATES, (table,), database=name)
        return int(changed), int(hot)

    def _one(self, query: str, *values: object, database: str = "postgres") -> int:
        ((value,),) = self.server.execute(query, values or None, database=database)
        return int(value)


def _processor_of(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:  # it has just ended
        return 0.0
    return float(times.user + times.system)
