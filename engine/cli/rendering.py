"""How acknowledgments look on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def print_ack(out: Console, name: str, ack: bytes) -> bool:
    """An acknowledgment; whether it is positive."""
    from engine.telling.acknowledgment import acknowledgment_lines, read_acknowledgment

    told = read_acknowledgment(ack)
    for line in acknowledgment_lines(name, told):
        out.print(line.text, style=line.style)
    return told.positive
