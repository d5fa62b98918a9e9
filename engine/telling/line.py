"""A line to read, and how it may look where there are colours."""

from __future__ import annotations

from dataclasses import dataclass

from engine.retrieve.outcome import TaskStatus

STYLES = {
    TaskStatus.SCHEDULED: "",
    TaskStatus.HELD: "yellow",
    TaskStatus.IN_PROGRESS: "cyan",
    TaskStatus.COMPLETED: "green",
    TaskStatus.WARNING: "yellow",
    TaskStatus.FAILED: "red",
    TaskStatus.CANCELED: "magenta",
}


@dataclass(frozen=True, slots=True)
class Line:
    """``style``: a colour, ``bold`` or ``dim``; empty for a plain one."""

    text: str
    style: str = ""
