"""Faults of a program in the log: of which kind and where, without their text. Nobody knows what is in it:
what a tool was given, or what an archive said."""

from __future__ import annotations

import logging
import traceback


def place_of(fault: BaseException) -> str:
    """Such as ``KeyError at a.py:1 > b.py:2``."""
    frames = traceback.extract_tb(fault.__traceback__)
    places = " > ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
    return f"{type(fault).__name__} at {places}"


class WithoutText(logging.Filter):
    """For a handler: tracebacks become the place, in one line. Where a library logs one, its sentence goes
    too: the SDK's 2.0 repeats names that a client gave in it, and asyncio has the fault's text there."""

    def filter(self, record: logging.LogRecord) -> bool:
        """All are logged."""
        fault = record.exc_info[1] if record.exc_info else None
        if fault is not None:
            sentence = record.getMessage() if record.name.startswith("engine.") else "a fault"
            record.msg = f"{sentence}: {place_of(fault)}"
            record.args, record.exc_info, record.exc_text = (), None, None
        return True
