"""`forefetch` as a process of its own, and what it logs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.nursery import forked

FOREFETCH = (sys.executable, "-c", "from engine.cli import main; main()")
"""As anybody starts it."""


class Running:
    """A process that logs to standard error. ``lines`` are what it has logged so far."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first log line that matches."""

        def found() -> re.Match[str] | None:
            return next((match for line in self.lines if (match := re.search(pattern, line))), None)

        with self._news:
            self._news.wait_for(lambda: found() or not self._reader.is_alive(), 30)
            match = found()
        assert match is not None, f"no {pattern!r} in:\n{''.join(self.lines)}"
        return match

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens for messages."""
        match = self.wait_for(r"listening on ([\d.]+):(\d+)")
        return match[1], int(match[2])

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        self._reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


@contextmanager
def running(
    *words: str, environment: Mapping[str, str], program: Sequence[str] | None = None
) -> Iterator[Running]:
    """``words`` of the command line; the rest of the environment is that of the tests. ``program``: unless it
    is given, a ``forefetch`` from the nursery."""
    process = Running([*(program or forked()), *words], environment)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)
