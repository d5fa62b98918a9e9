"""Programs that others wrote, as processes: found, started, awaited, ended by their process ID, logs kept."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import pytest

_START = 30.0  # seconds
_QUIET = 0.2  # seconds without a line
_END = 30.0
_POLL = 0.05
NODE_MODULES = Path(__file__).parents[2] / "build" / "peers" / "node_modules"
LOG_SHOWN = 8_000  # characters of a log, where something fails
_ANSWER = 60.0  # seconds for a command that runs to its end

_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# DCMTK, and Orthanc with it, leaves Nagle's algorithm on unless told otherwise: 80 ms for every small object.
_ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}

_running: list[Peer] = []


def binary(name: str, packages: str = "orthanc dcmtk") -> str:
    """Where a program of these packages of Debian is. pynetdicom installs commands of the same names beside
    Python, so that only the system's folders are searched."""
    beside_python = str(Path(sys.executable).parent)
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *_SYSTEM_PATH.split(":")]
    path = shutil.which(name, path=os.pathsep.join(it for it in folders if it != beside_python))
    if path is None:
        pytest.fail(f"{name} is not installed; install it with: apt-get install {packages}", pytrace=False)
    return path


def npm_package(name: str) -> Path:
    """The folder of a package that ``make peers`` has installed."""
    path = NODE_MODULES / name
    if not path.is_dir():
        pytest.fail(f"the npm package {name} is not installed; run: make peers", pytrace=False)
    return path


def script(name: str) -> str:
    """A console script of this environment."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.fail(f"{name} is not installed; install it with: pip install -e '.[dev]'", pytrace=False)
    return str(path)


@contextmanager
def closed_port() -> Iterator[int]:
    """A port, chosen by the system, that refuses every connection and that nothing else can take."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield int(holder.getsockname()[1])


def free_port() -> int:
    """A port for a process that is started at once."""
    with closed_port() as port:
        return port


def run(
    command: Sequence[str | Path], environment: Mapping[str, str] = _ENVIRONMENT
) -> subprocess.CompletedProcess[bytes]:
    """A command to its end, whatever its exit status; standard error is part of its output."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_ANSWER,
        env=environment,
        check=False,
    )


class Peer:
    """A process that serves until it is ended. Its output goes to ``log``."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.exit_status: int | None = None
        self._log = log
        self._mark = 0
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=log.parent,
            )

    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def mark(self) -> None:
        """From here on counts ``log_since_mark``."""
        self._mark = self._log.stat().st_size

    def mark_when_quiet(self) -> None:
        """The same, once the log has been quiet for a moment: a peer that forks for each association may
        write of an earlier one late."""
        size, self._mark = -1, self._log.stat().st_size
        while size != self._mark:
            time.sleep(_QUIET)
            size, self._mark = self._mark, self._log.stat().st_size

    def log_since_mark(self) -> str:
        return self._log.read_bytes()[self._mark :].decode("utf-8", "replace")

    def await_that(self, condition: Callable[[], bool], what: str, patience: float = _START) -> None:
        """Poll until it holds; fails where the process ends first, or after ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while not condition():
            if self._process.poll() is not None:
                self._fail(f"ended with status {self._process.returncode}")
            if time.monotonic() > deadline:
                self._fail(f"not {what} within {patience:g} s")
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL)

    def end(self) -> None:
        """SIGTERM, patience, then SIGKILL. The exit status is negative where a signal ended it."""
        self._process.terminate()
        try:
            self.exit_status = self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            self._fail(f"did not end within {_END:g} s of SIGTERM")

    def _fail(self, text: str) -> NoReturn:
        pytest.fail(f"{self.name}: {text}; the end of its log:\n{self.log()[-LOG_SHOWN:]}", pytrace=False)


@contextmanager
def serving(
    name: str,
    command: Sequence[str | Path],
    folder: Path,
    ready: Callable[[Peer], bool],
    environment: Mapping[str, str] = _ENVIRONMENT,
) -> Iterator[Peer]:
    """The process from when it is ready until the end of the block."""
    peer = Peer(name, command, folder / f"{name}.log", environment)
    _running.append(peer)
    try:
        peer.await_that(lambda: ready(peer), "ready")
        yield peer
    finally:
        _running.remove(peer)
        peer.end()


def running() -> tuple[Peer, ...]:
    """Those that serve at present."""
    return tuple(_running)
