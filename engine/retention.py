"""Keeping the journal within its limits: old messages are pruned little by little, while others are taken."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config import Limits
from engine.errors import StoreError
from engine.logs import about
from engine.store import Stock, Store, stock

_log = logging.getLogger(__name__)
KEPT = dt.timedelta(hours=25)
"""What came or was done within this stays, whatever the limits say: budgets count what was moved today, and a
day may have so many hours."""
ALL = 2**62  # more messages than there are
_REST = 60.0  # seconds between sweeps
_PAUSE = 2  # times what a step took: then the journal is left to others
_RESTS = 10  # times what a sweep took, where that is more: much is old and has to stay
_TOLD_EVERY = 3600.0  # seconds between warnings that a limit cannot be kept


@dataclass(frozen=True, slots=True)
class Excess:
    """What may go for the sake of a limit: at most ``most`` messages that came ``before`` a time."""

    limit: str
    before: dt.datetime
    most: int


def excess(limits: Limits, held: Stock, now: dt.datetime) -> Excess | None:
    """What has to go for the sake of the limits; None: nothing, whatever its age."""
    if limits.messages is not None and held.messages > limits.messages:
        return Excess(f"messages: {limits.messages}", now - KEPT, held.messages - limits.messages)
    if limits.size is not None and held.size > limits.size:
        return Excess(f"size: {limits.size / 1e9:g}GB", now - KEPT, ALL)
    if limits.age is not None:
        return Excess("age", now - max(limits.age, KEPT), ALL)
    return None


class Retention:
    """Prunes a journal from time to time. Used from one event loop."""

    def __init__(
        self,
        store: Store,
        path: str | Path,
        limits: Limits,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """``path`` is that of the store. ``clock`` tells the time with its zone."""
        self._store = store
        self._path = path
        self._limits = limits
        self._clock = clock
        self._told = -_TOLD_EVERY
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Sweep now, and then again and again, where there is any limit."""
        if self._limits == Limits():
            return
        self._loop = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        """Leave the rest to the next start."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def sweep(self) -> int:
        """Go through what is old, from the oldest on, until the limits are kept or nothing more may go; how
        many messages went. StoreError: the journal cannot be read or written."""
        now, begin = self._clock(), time.monotonic()
        before = held = await asyncio.to_thread(stock, self._path)
        position = tasks = 0
        while over := excess(self._limits, held, now):
            step = await self._store.prune(position, over.before, now - KEPT, over.most)
            held = replace(held, messages=held.messages - step.messages, size=step.size)
            position, tasks = step.position, tasks + step.tasks
            if step.ended:
                break
            await asyncio.sleep(_PAUSE * step.spent)
        gone = before.messages - held.messages
        if gone:
            spent = time.monotonic() - begin
            sentence = "retention: %d messages and %d tasks were pruned in %.0f s"
            _log.info(sentence, gone, tasks, spent, extra=about("pruned"))
        self._tell(over, held)
        return gone

    def _tell(self, over: Excess | None, held: Stock) -> None:
        """Of a limit that cannot be kept."""
        if over is None or over.limit == "age" or time.monotonic() - self._told < _TOLD_EVERY:
            return
        self._told = time.monotonic()
        _log.warning(
            "retention: the journal has %d messages, %.1f GB, and cannot be kept within %s: what is younger "
            "than %g hours or has retrieves that have not ended stays; raise the limit",
            held.messages,
            held.size / 1e9,
            over.limit,
            KEPT.total_seconds() / 3600,
        )

    async def _serve(self) -> None:
        while True:
            begin = time.monotonic()
            try:
                await self.sweep()
            except StoreError as error:
                _log.error("retention: %s", error)
            except Exception:  # noqa: BLE001  nothing that goes wrong may end this: the disk would fill up
                _log.exception("retention failed by a fault of forefetch; trying again")
            await asyncio.sleep(max(_REST, _RESTS * (time.monotonic() - begin)))
