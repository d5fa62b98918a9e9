"""The MSH-10 of our own messages."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

_BASE36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def control_ids(start: int) -> Iterator[str]:
    """MSH-10 values of our own: the time of the run (``start``, nanoseconds since 1970, in microseconds), and
    a count. At most 20 characters (HL7 v2 ch. 2.14.9.10) for the first 4 billion of a run."""
    run = f"FF{_base36(start // 1000)}"
    return (f"{run}{number:X}" for number in itertools.count())


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _BASE36[digit] + digits
    return digits
