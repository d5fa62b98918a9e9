"""Where lines go: there is one for each message, so that they are gathered and written together."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import TextIO

from engine.logs.console import ConsoleLines
from engine.logs.faults import place_of

_log = logging.getLogger(__name__)
_GATHERED_FOR = 0.02  # seconds
# What they tell below a warning is of a session, or of what was asked: a path with a patient's ID, say
_TALKATIVE = ("mcp", "uvicorn", "sse_starlette", "httpx", "httpcore", "python_multipart")


class Format(StrEnum):
    """How a line looks."""

    CONSOLE = "console"
    JSON = "json"


def log_to_stderr(level: int, shape: Format = Format.CONSOLE) -> None:
    """What happens, for whoever runs a verb that serves. What no line tells, nobody looks up (Logging HOWTO,
    Optimization). At DEBUG the faults of a program have their text, which nobody else is shown."""
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    logging.basicConfig(level=level, handlers=[writer(shape, sys.stderr, texts=level <= logging.DEBUG)])
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook, threading.excepthook = log_end, log_end_of_thread


def log_end(kind: type[BaseException], fault: BaseException, trace: TracebackType | None) -> None:
    """A fault that ends the process is a line as any other, and not its text."""
    _log.critical("forefetch ends by a fault of its own", exc_info=(kind, fault, trace))


def log_end_of_thread(end: threading.ExceptHookArgs) -> None:
    """The same of a thread, whoever has begun it."""
    if end.exc_value is not None and not isinstance(end.exc_value, SystemExit):
        info = (end.exc_type, end.exc_value, end.exc_traceback)
        _log.error("a thread has ended by a fault", exc_info=info)


def writer(shape: Format, stream: TextIO, *, texts: bool = False) -> logging.Handler:
    """A handler that writes lines of a shape to a stream, in colours where it is a terminal. ``texts``:
    faults with their text."""
    handler = _Gathering(stream)
    if shape is Format.JSON:
        from engine.logs.structured import JsonLines

        handler.setFormatter(JsonLines(texts=texts))
    else:
        colours = stream.isatty() and "NO_COLOR" not in os.environ
        handler.setFormatter(ConsoleLines(texts=texts, colours=colours))
    return handler


class _Gathering(logging.StreamHandler[TextIO]):
    """What an event loop logs within some milliseconds is written at once: with every write a thread gives up
    the interpreter, and has to wait for the others until it gets it back. What other threads log goes with
    that, or is written without delay, as warnings are: each behind what came before."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._writes: asyncio.AbstractEventLoop | None = None  # it will, soon

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record) + self.terminator)
            loop = _running_loop()
            if record.levelno >= logging.WARNING or not (loop or self._written_soon):
                self.flush()
            elif loop is not None and self._writes is not loop:
                self._writes = loop
                loop.call_later(_GATHERED_FOR, self.flush)
        except Exception:  # noqa: BLE001  as every handler of logging
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        """Without the values that the line was to have, which logging itself would print."""
        fault = sys.exc_info()[1]
        if fault is not None:
            with suppress(OSError, ValueError):  # the stream itself may be what fails
                place = place_of(fault)
                self.stream.write(f"a line of {record.name} could not be written: {place}{self.terminator}")

    @property
    def _written_soon(self) -> bool:
        return self._writes is not None and self._writes.is_running()

    def flush(self) -> None:
        self.acquire()
        try:
            lines, self._lines, self._writes = self._lines, [], None
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
