"""A line for people: what it is about stands in its sentence."""

from __future__ import annotations

import logging
import time

from engine.logs.faults import place_of, sentence_of
from engine.logs.fields import AROUND

_COLOURS = {"DEBUG": "\x1b[2m", "WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[31m"}
_PLAIN = "\x1b[0m"


class ConsoleLines(logging.Formatter):
    """``2026-11-27 08:00:00,123 INFO    engine.intake: message 5 …``, in local time."""

    def __init__(self, *, texts: bool = False, colours: bool = False) -> None:
        """``texts``: faults with their text and traceback, which may have what is a patient's."""
        super().__init__()
        self._texts = texts
        self._colours = _COLOURS if colours else {}
        self._second = -1
        self._words = ""

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in it; a traceback has lines of its own."""
        fault = record.exc_info[1] if record.exc_info else None
        text = record.getMessage() if fault is None or self._texts else _without_text(record, fault)
        if outer := AROUND.get():
            text += f" ({', '.join(f'{name} {value}' for name, value in outer.items())})"
        if not text.isprintable():
            text = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
        second = int(record.created)
        if second != self._second:  # put into words once a second
            self._second, self._words = second, time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
        level = f"{record.levelname:7}"
        if colour := self._colours.get(record.levelname):
            level = f"{colour}{level}{_PLAIN}"
        line = f"{self._words},{int(record.msecs):03} {level} {record.name}: {text}"
        if record.exc_info and self._texts:
            line += f"\n{self.formatException(record.exc_info)}"
        return line


def _without_text(record: logging.LogRecord, fault: BaseException) -> str:
    return f"{sentence_of(record)}: {place_of(fault)}"
