"""Log lines on standard error, at little cost: there is one for each message."""

from __future__ import annotations

import asyncio
import logging
import time

_SHAPE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_GATHERED_FOR = 0.02  # seconds


def log_to_stderr(level: int) -> None:
    """What happens, for whoever runs a verb that serves. What no line tells, nobody looks up (Logging HOWTO,
    Optimization)."""
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    stream = _Gathering()
    stream.setFormatter(_Lines(_SHAPE))
    logging.basicConfig(level=level, handlers=[stream])


class _Lines(logging.Formatter):
    """The time is put into words once a second."""

    _second = -1
    _words = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        second = int(record.created)
        if second != self._second:
            self._second, self._words = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._words},{int(record.msecs):03}"


class _Gathering(logging.StreamHandler):  # type: ignore[type-arg]
    """What an event loop logs within some milliseconds is written at once: with every write a thread gives up
    the interpreter, and has to wait for the others until it gets it back. Warnings are written without delay,
    and so is what other threads log, each behind what came before."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._scheduled = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record) + self.terminator)
            loop = _running_loop()
            if loop is None or record.levelno >= logging.WARNING:
                self.flush()
            elif not self._scheduled:
                self._scheduled = True
                loop.call_later(_GATHERED_FOR, self.flush)
        except Exception:  # noqa: BLE001  as every handler of logging
            self.handleError(record)

    def flush(self) -> None:
        self.acquire()
        try:
            lines, self._lines, self._scheduled = self._lines, [], False
            if lines:
                self.stream.write("".join(lines))
            super().flush()
        finally:
            self.release()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
