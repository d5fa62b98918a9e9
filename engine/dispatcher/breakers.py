"""Leave nodes alone that fail again and again, and find out when they are back."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

from engine.dispatcher.lane import STORE_RETRY
from engine.dispatcher.meters import Meter, Meters
from engine.errors import ForefetchError, NodeError, StoreError
from engine.logs import Extra, about
from engine.retrieve.breaker import (
    BEARINGS,
    Breaker,
    BreakerRule,
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
from engine.retrieve.outcome import Cause, Outcome
from engine.retrieve.task import RetrieveTask
from engine.store import Situation, Store

_log = logging.getLogger(__name__)
_TURN = dt.timedelta(seconds=30)  # for an engine to ask a node whether it is there
_STEP = 5.0  # seconds between looks whether another engine has changed the pause
Change = Callable[[Breaker, dt.datetime], Breaker]


class Breakers:
    """``changed`` is called when a gate may have opened."""

    def __init__(self, store: Store, meters: Meters, changed: Callable[[], None]) -> None:
        self._store = store
        self._meters = meters
        self._changed = changed
        self._tasks: set[asyncio.Task[None]] = set()
        # Of their own: a node that is silent for long must not take the threads of everything else
        self._probers = ThreadPoolExecutor(meters.count, thread_name_prefix="probe")
        self._watched: list[Meter] = []
        self._tellings = 0  # changes that are being told to other engines
        self._told_at = dt.datetime.min.replace(tzinfo=dt.UTC)  # when the last one had been

    def note(self, task: RetrieveTask, outcome: Outcome) -> None:
        """Count what an outcome says of the archive and of the destination."""
        bearing = BEARINGS[outcome.cause]
        self._mark(self._meters.archives.get(task.request.archive), bearing.archive, outcome)
        if task.is_move:
            self._mark(self._meters.destinations.get(task.request.destination), bearing.destination, outcome)

    async def stop(self) -> None:
        """Ask no node any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._probers.shutdown(wait=False)

    def see(self, situation: Situation) -> None:
        """What other engines have found out."""
        if self._tellings or situation.now < self._told_at:
            return  # what was read may be older than what is written
        for meter in (*self._meters.archives.values(), *self._meters.destinations.values()):
            if meter.rule.breaker is None:
                continue
            before, meter.breaker = meter.breaker, situation.breakers.get(meter.node, Breaker())
            self._turned(meter, before)

    def _mark(self, meter: Meter | None, mark: Mark, outcome: Outcome) -> None:
        if meter is None or meter.rule.breaker is None or mark is Mark.NOTHING:
            return
        change: Change = _succeed
        if mark is Mark.AGAINST:
            change = partial(_fail, rule=meter.rule.breaker, text=outcome.text)
        elif meter.breaker == Breaker():
            return
        before, meter.breaker = meter.breaker, change(meter.breaker, _now())
        self._turned(meter, before, outcome.cause)
        if self._store.shared:
            self._tellings += 1
            self._spawn(self._tell_others(meter, change, outcome.cause))

    async def _tell_others(self, meter: Meter, change: Change, cause: Cause) -> None:
        """Of what was found out here. Others may know more: what comes of both counts."""
        try:
            before = meter.breaker
            await self._share(meter, change)
            self._turned(meter, before, cause)
        finally:
            self._tellings -= 1
            self._told_at = _now()

    async def _change(self, meter: Meter, change: Change) -> None:
        """For all who share the journal; for this engine alone while that is out of order."""
        if not (self._store.shared and await self._share(meter, change)):
            meter.breaker = change(meter.breaker, _now())

    async def _share(self, meter: Meter, change: Change) -> bool:
        """Whether it is changed for all who share the journal."""
        try:
            _, meter.breaker = await self._store.change_breaker(meter.node, change)
        except StoreError as error:
            sentence = "the state of %s could not be told to other engines: %s"
            _log.error(sentence, meter, error, extra=_about(meter, "failed"))
            return False
        return True

    def _turned(self, meter: Meter, before: Breaker, cause: Cause | None = None) -> None:
        """Where its state is another one than it was."""
        if meter.breaker.state is before.state:
            return
        if meter.breaker.state is not State.OPEN:
            if meter.breaker.state is State.CLOSED:
                _log.info("%s works again", meter, extra=_about(meter, "opened"))
            self._spawn(self._publish(meter))
        elif meter in self._watched:  # it worked for a moment
            self._spawn(self._publish(meter))
        else:
            self._watched.append(meter)
            self._spawn(self._watch(meter, cause))
        self._changed()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, meter: Meter, cause: Cause | None) -> None:
        """Until an open breaker's node answers again; then one trial at a time is let through. The log gets
        no words of the node's: they may be of a patient."""
        extra = _about(meter, "closed", cause)
        times = "once" if meter.breaker.failures == 1 else f"{meter.breaker.failures} times in a row"
        _log.warning("%s failed %s, last: %s", meter, times, cause or "at another engine", extra=extra)
        while meter.breaker.state is State.OPEN:
            await self._publish(meter)
            while (left := _pause(meter.breaker)) > 0:  # noqa: ASYNC110  seldom, and long
                await asyncio.sleep(min(left, _STEP))
            if probe_due(meter.breaker, _now()) and await self._is_our_turn(meter):
                await self._probe(meter)
        self._watched.remove(meter)
        self._changed()
        await self._publish(meter)

    async def _is_our_turn(self, meter: Meter) -> bool:
        """One engine asks a node at a time: the others wait until it has, or has had the time to."""
        if not self._store.shared:
            return True
        ours = False

        def take(breaker: Breaker, now: dt.datetime) -> Breaker:
            nonlocal ours
            ours = probe_due(breaker, now)
            return replace(breaker, until=now + _TURN) if ours else breaker

        await self._change(meter, take)
        return ours

    async def _probe(self, meter: Meter) -> None:
        """C-ECHO. A node that cannot be asked is given a trial at once. Nothing that goes wrong may end the
        watch: nothing would ever move there again."""
        try:
            if meter.probe is not None:
                await asyncio.get_running_loop().run_in_executor(self._probers, meter.probe)
        except ForefetchError as error:
            await self._not_yet(meter, error.plain if isinstance(error, NodeError) else str(error))
        except Exception as error:  # noqa: BLE001  see above
            _log.exception("%s could not be asked", meter, extra=_about(meter, "failed"))
            await self._not_yet(meter, f"fault in forefetch: {type(error).__name__}")
        else:
            await self._change(meter, _pass)

    async def _not_yet(self, meter: Meter, text: str) -> None:
        assert meter.rule.breaker is not None  # it is open
        _log.info("%s does not answer yet: %s", meter, text, extra=_about(meter, "asked"))
        rule = meter.rule.breaker
        await self._change(meter, lambda breaker, now: probe_failed(breaker, rule, now, text))

    async def _publish(self, meter: Meter) -> None:
        """For those who ask why nothing moves. That it moves again is told when it is noted, and nobody else
        would note it: an alert would last."""
        while not await self._noted(meter) and meter.breaker.state is not State.OPEN:  # noqa: ASYNC110
            await asyncio.sleep(STORE_RETRY)

    async def _noted(self, meter: Meter) -> bool:
        why = reason_of(meter.breaker, str(meter))
        try:
            if why is None:
                await self._store.open_gate(meter.scope.value, meter.name, Gate.BREAKER.value)
            else:
                until = meter.breaker.until
                await self._store.close_gate(meter.scope.value, meter.name, Gate.BREAKER.value, why, until)
        except StoreError as error:
            sentence = "the state of %s could not be noted: %s"
            _log.error(sentence, meter, error, extra=_about(meter, "failed"))
            return False
        return True


def _succeed(breaker: Breaker, now: dt.datetime) -> Breaker:
    return succeeded(breaker)


def _pass(breaker: Breaker, now: dt.datetime) -> Breaker:
    return probe_passed(breaker)


def _fail(breaker: Breaker, now: dt.datetime, *, rule: BreakerRule, text: str) -> Breaker:
    return failed(breaker, rule, now, text)


def _pause(breaker: Breaker) -> float:
    """Seconds until a node may be asked; none where it need not be."""
    if breaker.state is not State.OPEN or breaker.until is None:
        return 0.0
    return (breaker.until - _now()).total_seconds()


def _about(meter: Meter, step: str, cause: Cause | None = None) -> Extra:
    extra = about(step, gate=Gate.BREAKER.value)
    extra["fields"][meter.scope.value] = meter.name
    if cause is not None:
        extra["fields"]["cause"] = cause.value
    return extra


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
