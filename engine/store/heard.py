"""What an engine hears of the others that share its journal."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.store.news import News


@dataclass(frozen=True, slots=True)
class Heard:
    """``lost``: engines that are taken for dead; ``cast_out``: others have taken us for dead, and we have
    come back under another number."""

    news: News = field(default_factory=News)
    lost: tuple[int, ...] = ()
    cast_out: bool = False
