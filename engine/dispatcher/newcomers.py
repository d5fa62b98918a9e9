"""Which tasks are new since the last look: each is seen once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.retrieve.task import RetrieveTask
from engine.store import Store

_LATE = 60.0
"""Seconds within which a task may appear behind one of a higher number: two engines on a shared journal are
given numbers in one order, and may commit in another."""
_MOST = 1000
"""Numbers that are waited for: after a gap as of another sequence there is nothing to wait for."""


@dataclass(slots=True)
class Newcomers:
    """Those behind the one of this number."""

    after: int = 0
    _missing: dict[int, float] = field(default_factory=dict)  # numbers of none yet, and since when

    async def look(self, store: Store, limit: int) -> Sequence[RetrieveTask]:
        """The next ones, at most ``limit`` and those that are late. StoreError: they come the next time."""
        also = list(self._missing) if store.shared else ()
        found = await store.newer(self.after, limit, also)
        if store.shared:
            self._note_missing({task.id for task in found})
        self.after = max(self.after, *(task.id for task in found), 0)
        return found

    def _note_missing(self, found: set[int]) -> None:
        now = time.monotonic()
        newest = max(found, default=0)
        behind = range(max(self.after + 1, newest - _MOST), newest)
        missing = dict.fromkeys(behind, now) | self._missing
        self._missing = {
            number: since for number, since in missing.items() if number not in found and now - since < _LATE
        }
