"""Log lines on standard error, at little cost: there is one for each message."""

from __future__ import annotations

import logging
import time

_SHAPE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _Lines(logging.Formatter):
    """The time is put into words once a second."""

    _second = -1
    _words = ""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        second = int(record.created)
        if second != self._second:
            self._second, self._words = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        return f"{self._words},{int(record.msecs):03}"


def log_to_stderr(level: int) -> None:
    """What happens, for whoever runs a verb that serves. What no line tells, nobody looks up (Logging HOWTO,
    Optimization)."""
    logging._srcfile = None
    logging.logThreads = logging.logMultiprocessing = logging.logProcesses = False
    stream = logging.StreamHandler()
    stream.setFormatter(_Lines(_SHAPE))
    logging.basicConfig(level=level, handlers=[stream])
