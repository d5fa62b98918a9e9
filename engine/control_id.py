"""The MSH-10 of our own messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def control_ids(start: int) -> Iterator[str]:
    """MSH-10 values of our own: unique across restarts, since each run begins at its own time (nanoseconds
    since 1970) and counts at less than one a microsecond. 13 characters of 20 (HL7 v2 ch. 2.14.9.10)."""
    return (f"FF{_base36(number)}" for number in itertools.count(start // 1000))


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits
