"""Small bar charts as numbers for an SVG."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import NamedTuple

from engine.metrics import Minute

STEP, HEIGHT = 10, 64
"""Units of the picture: from bar to bar, and of the highest bar."""


class Bar(NamedTuple):
    """One minute: what is good stands at the bottom, what is bad on top of it."""

    x: int
    good: float
    bad: float
    title: str


class Chart(NamedTuple):
    """``peak``: the most of one minute; ``total``, ``bad``: of all of them."""

    bars: tuple[Bar, ...]
    peak: int
    total: int
    bad: int

    @property
    def width(self) -> int:
        return max(1, len(self.bars)) * STEP


def messages(minutes: Sequence[Minute], zone: dt.tzinfo) -> Chart:
    """Answered messages, and the refused ones among them."""
    return _chart([(it.at, it.messages - it.refused, it.refused) for it in minutes], zone, "refused")


def studies(minutes: Sequence[Minute], zone: dt.tzinfo) -> Chart:
    """Studies that arrived, and moves that failed."""
    return _chart([(it.at, it.arrived, it.failed) for it in minutes], zone, "failed")


def _chart(counts: Sequence[tuple[dt.datetime, int, int]], zone: dt.tzinfo, word: str) -> Chart:
    peak = max((good + bad for _, good, bad in counts), default=0)
    scale = HEIGHT / max(peak, 1)
    bars = tuple(
        Bar(
            number * STEP,
            round(good * scale, 1),
            round(bad * scale, 1),
            f"{at.astimezone(zone):%H:%M}: {good + bad}" + (f", {bad} {word}" if bad else ""),
        )
        for number, (at, good, bad) in enumerate(counts)
    )
    return Chart(bars, peak, sum(good + bad for _, good, bad in counts), sum(bad for *_, bad in counts))
