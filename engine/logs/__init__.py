"""Log lines: the standard library's logging, with fields, written to standard error at little cost.

``fields`` has what a line is about, ``faults`` how a fault is told without its text, ``console`` and
``structured`` how a line looks, ``stream`` where it goes.
"""

from __future__ import annotations

from engine.logs.faults import place_of
from engine.logs.fields import Extra, Fields, about, concerning
from engine.logs.stream import Format, log_to_stderr, writer

__all__ = ["Extra", "Fields", "Format", "about", "concerning", "log_to_stderr", "place_of", "writer"]
