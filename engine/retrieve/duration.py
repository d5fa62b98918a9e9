"""Durations as routes.yaml writes them: a number and a unit, such as ``20s`` or ``5m``."""

from __future__ import annotations

import datetime as dt
import re

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365.25 * 86_400}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[smhdwy])")
_LONGEST = 100 * _SECONDS["y"]  # from now it must still be a date


def parse_duration(text: str) -> dt.timedelta:
    """``20s``, ``5m``, ``2h``, ``3d``, ``1w``, ``5y`` (100 years at most). The unit must be there; ValueError
    says what is expected."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("a duration such as 20s, 5m, 2h, 3d or 5y")
    seconds = float(match["number"]) * _SECONDS[match["unit"]]
    if seconds > _LONGEST:
        raise ValueError("a duration of at most 100y")
    return dt.timedelta(seconds=seconds)


def duration_text(size: dt.timedelta) -> str:
    """The same in the largest unit that divides it, years left out (they are no whole days)."""
    for unit in ("w", "d", "h", "m", "s"):
        count, rest = divmod(size, dt.timedelta(seconds=_SECONDS[unit]))
        if count and not rest:
            return f"{count}{unit}"
    return f"{size.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
