"""A line for programs: one JSON object, made by structlog."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

import structlog

from engine.logs.faults import place_of, sentence_of
from engine.logs.fields import fields_of

_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode
_RENDER = structlog.processors.JSONRenderer(serializer=lambda line, **_: _ENCODE(line))
_PLACES = structlog.processors.ExceptionRenderer(lambda exc_info: place_of(exc_info[1]))
_TEXTS = structlog.processors.ExceptionRenderer()


class JsonLines(logging.Formatter):
    """``timestamp`` (ISO 8601, in UTC), ``level``, ``logger``, ``event`` (the sentence), the fields, and
    ``exception``."""

    def __init__(self, *, texts: bool = False) -> None:
        """``texts``: faults with their text and traceback, which may have what is a patient's."""
        super().__init__()
        self._texts = texts

    def format(self, record: logging.LogRecord) -> str:
        """One object, in one line."""
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line: dict[str, Any] = {
            "timestamp": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage() if self._texts else sentence_of(record),
            **fields_of(record),
        }
        if record.exc_info:
            line["exc_info"] = record.exc_info
            line = dict((_TEXTS if self._texts else _PLACES)(None, "", line))
        rendered = _RENDER(None, "", line)
        return rendered if isinstance(rendered, str) else rendered.decode()
