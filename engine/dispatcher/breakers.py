"""Leave nodes alone that fail again and again, and find out when they are back."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from engine.dispatcher.meters import Meter, Meters
from engine.errors import NodeError, StoreError
from engine.retrieve.breaker import (
    BEARINGS,
    Mark,
    State,
    failed,
    probe_due,
    probe_failed,
    probe_passed,
    succeeded,
)
from engine.retrieve.breaker import reason as reason_of
from engine.retrieve.gate import Gate
from engine.retrieve.outcome import Outcome
from engine.retrieve.task import RetrieveTask
from engine.store import Store

_log = logging.getLogger(__name__)


class Breakers:
    """``changed`` is called when a gate may have opened."""

    def __init__(self, store: Store, meters: Meters, changed: Callable[[], None]) -> None:
        self._store = store
        self._meters = meters
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()
        self._watched: list[Meter] = []

    def note(self, task: RetrieveTask, outcome: Outcome) -> None:
        """Count what an outcome says of the archive and of the destination."""
        bearing = BEARINGS[outcome.cause]
        self._mark(self._meters.archives.get(task.request.archive), bearing.archive, outcome.text)
        if task.is_move:
            self._mark(
                self._meters.destinations.get(task.request.destination), bearing.destination, outcome.text
            )

    async def stop(self) -> None:
        """Ask no node any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _mark(self, meter: Meter | None, mark: Mark, text: str) -> None:
        if meter is None or meter.rule.breaker is None or mark is Mark.NOTHING:
            return
        before = meter.breaker.state
        if mark is Mark.FOR:
            meter.breaker = succeeded(meter.breaker)
        else:
            meter.breaker = failed(meter.breaker, meter.rule.breaker, _now(), text)
        if meter.breaker.state is before:
            return
        if meter.breaker.state is State.OPEN and meter not in self._watched:
            self._watched.append(meter)
            self._spawn(self._watch(meter))
        else:
            _log.info("%s works again", meter)
            self._spawn(self._publish(meter))
        self._changed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, meter: Meter) -> None:
        """Until an open breaker's node answers again; then one trial at a time is let through."""
        _log.warning("%s", reason_of(meter.breaker, str(meter)))
        while meter.breaker.state is State.OPEN:
            await self._publish(meter)
            if meter.breaker.until is not None:
                await asyncio.sleep(max(0.0, (meter.breaker.until - _now()).total_seconds()))
            if probe_due(meter.breaker, _now()):
                await self._probe(meter)
        self._watched.remove(meter)
        await self._publish(meter)
        self._changed()

    async def _probe(self, meter: Meter) -> None:
        """C-ECHO. A node that cannot be asked is given a trial at once."""
        try:
            if meter.probe is not None:
                await asyncio.to_thread(meter.probe)
        except NodeError as error:
            assert meter.rule.breaker is not None  # it is open
            _log.info("%s does not answer yet: %s", meter, error.text)
            meter.breaker = probe_failed(meter.breaker, meter.rule.breaker, _now(), error.text)
        else:
            meter.breaker = probe_passed(meter.breaker)

    async def _publish(self, meter: Meter) -> None:
        """For those who ask why nothing moves."""
        why = reason_of(meter.breaker, str(meter))
        try:
            if why is None:
                await self._store.open_gate(meter.scope.value, meter.name, Gate.BREAKER.value)
            else:
                until = meter.breaker.until
                await self._store.close_gate(meter.scope.value, meter.name, Gate.BREAKER.value, why, until)
        except StoreError as error:
            _log.error("the state of %s could not be noted: %s", meter, error)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
