"""Faults of a program in the log: of which kind and where, without their text. Nobody knows what is in it:
a value of a message, what a tool was given, or what an archive said."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import TypeAlias

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def place_of(fault: BaseException) -> str:
    """Such as ``KeyError at a.py:1 > b.py:2``, and what it came of: ``, from OSError at c.py:3``."""
    return ", from ".join(_place(one) for one in _chain(fault))


def sentence_of(record: logging.LogRecord) -> str:
    """What the line says. Where a library logs a fault its sentence goes: the MCP SDK 2.0 repeats names in
    it that a client gave, and asyncio has the fault's text there."""
    return record.getMessage() if record.name.startswith("engine.") or not record.exc_info else "a fault"


def _chain(fault: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)


def _place(fault: BaseException) -> str:
    frames = traceback.extract_tb(fault.__traceback__)
    places = " > ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)
    return f"{type(fault).__name__} at {places}" if places else type(fault).__name__
