"""One archive: which of its waiting tasks may start now."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from engine.dicom.node import Archive
from engine.dispatcher.entrance import Admitted, Entrance
from engine.dispatcher.newcomers import Newcomers
from engine.dispatcher.tidy import Tidy
from engine.errors import StoreError
from engine.move import Client
from engine.retrieve.gate import Closed, Gate, Scope
from engine.retrieve.outcome import SubOperations, TaskStatus
from engine.retrieve.task import Expected, RetrieveTask
from engine.stop import Stop
from engine.store import Sieve, Store

_log = logging.getLogger(__name__)
STORE_RETRY = 1.0  # seconds between attempts after the store failed
_BACK_OFF = dt.timedelta(seconds=1)  # after "local limit exceeded"; doubles up to
_LONGEST_BACK_OFF = dt.timedelta(minutes=1)
_IN_OTHER_HANDS = 0.05  # seconds to leave tasks alone that other engines have in hand at this moment
_MOST_AT_ONCE = 256  # tasks that are turned away together
_FOR_THE_UNHURRIED = frozenset({Gate.WINDOW, Gate.RATE})  # what is expedited passes these


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclass(slots=True)
class Running:
    """A task under way, at this ``attempt``. ``stop`` ends it on the wire; ``withdrawn``: because nobody
    wants it any more; ``lost``: because another engine has taken it over.
    ``progress``: the last pending response, from the worker's thread; ``noted``: the last in the journal."""

    attempt: int = 0
    stop: Stop = field(default_factory=Stop)
    withdrawn: bool = False
    lost: bool = False
    worker: asyncio.Task[None] | None = None
    progress: SubOperations | None = None
    noted: SubOperations | None = None

    def tell(self, counters: SubOperations) -> None:
        """Called in the worker's thread."""
        self.progress = counters


Run = Callable[["Lane", Admitted, Running], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Shut:
    """The gates that one turn of a lane has found closed for everything of their kind."""

    destinations: set[str] = field(default_factory=set)
    slowed: set[str] = field(default_factory=set)
    moves: bool = True
    unhurried: bool = True
    entirely: bool = False
    opens: dt.datetime | None = None
    rates: dict[tuple[str, str], Closed] = field(default_factory=dict)

    def note(self, task: RetrieveTask, verdict: Closed) -> None:
        """What a task was turned away for need not be asked again of those that it holds as well."""
        if verdict.until is not None and verdict.until > _now():
            self.opens = verdict.until if self.opens is None else min(self.opens, verdict.until)
        if verdict.gate is Gate.RATE:
            name = task.request.archive if verdict.scope is Scope.ARCHIVE else task.request.destination
            self.rates[verdict.scope.value, name] = verdict
        hurried_pass = verdict.gate in _FOR_THE_UNHURRIED
        if verdict.scope is Scope.DESTINATION:
            (self.slowed if hurried_pass else self.destinations).add(task.request.destination)
        elif hurried_pass:
            self.unhurried = False
        elif task.is_move and self.moves:
            self.moves = False
        else:
            self.entirely = True  # not even questions

    @property
    def somewhere(self) -> bool:
        """Whether anything is shut."""
        return self.entirely or not (self.moves and self.unhurried) or bool(self.destinations | self.slowed)

    def holds(self, task: Expected) -> bool:
        """Whether a new task, which nobody has expedited, would be turned away as well."""
        if not task.moves:
            return self.entirely
        here = self.entirely or not self.moves or not self.unhurried
        return here or task.destination in self.destinations | self.slowed

    def sieve(self, only: frozenset[str]) -> Sieve:
        destinations, slowed = frozenset(self.destinations), frozenset(self.slowed)
        return Sieve(self.moves, self.unhurried, destinations, slowed, only)


@dataclass(slots=True, eq=False)
class Lane:
    """An archive, its client, its worker threads and the tasks under way. ``only``: as of a `Sieve`."""

    archive: Archive
    client: Client
    store: Store
    entrance: Entrance
    workers: ThreadPoolExecutor
    tidy: Tidy
    aging: dt.timedelta
    only: frozenset[str] = frozenset()
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    running: dict[int, Running] = field(default_factory=dict)
    quiet_until: dt.datetime | None = None
    _pause: dt.timedelta = _BACK_OFF
    _newcomers: Newcomers = field(default_factory=Newcomers)  # not looked at yet for gates that need a person
    _told: set[tuple[str, str]] = field(default_factory=set)
    _shut: Shut | None = None  # what the last turn has found; None: it is going on
    _more: bool = True  # whether more may wait than the last turn had room for
    _looks_at: dt.datetime = field(default_factory=_now)  # the next time of itself

    async def serve(self, run: Run) -> None:
        """Keep the archive as busy as the gates allow. Nothing that goes wrong may end this: it would be
        missed only when images are."""
        self._newcomers = Newcomers(self.entrance.earlier)
        while True:
            self.wake.clear()
            self._shut = None
            try:
                self.tidy()
                began = _now()
                shut = await self._start_waiting(run)
                self._looks_at = await self._next_look(shut, began)
                self._shut = shut
            except StoreError as error:
                _log.error("archive %s: tasks cannot be started; trying again: %s", self.archive.name, error)
                await asyncio.sleep(STORE_RETRY)
                continue
            except Exception:  # noqa: BLE001  see above
                _log.exception("archive %s: tasks could not be started; trying again", self.archive.name)
                await asyncio.sleep(STORE_RETRY)
                continue
            with suppress(TimeoutError):  # looked at all the same: a task may be due, or a wake-up be lost
                async with asyncio.timeout((self._looks_at - _now()).total_seconds()):
                    await self.wake.wait()

    def expect(self, task: Expected) -> None:
        """A new task waits. It is not looked at where that would be in vain: before it is due, while the
        archive has all that it may have, or behind a gate that holds everything of its kind."""
        if self._shut is None or self.entrance.sifts:
            self.wake.set()
        elif self._free <= 0:
            self._more = True
        elif task.due is not None and task.due > _now():
            if task.due < self._looks_at:
                self.wake.set()
        elif not self._shut.holds(task) or self.entrance.rehearses(task.routes):
            self.wake.set()

    def came_free(self, *, here: bool) -> None:
        """A task has ended, at this archive or elsewhere: look whether others waited for that."""
        if self._shut is None or self._shut.somewhere or (here and self._more):
            self.wake.set()

    def back_off(self) -> dt.datetime:
        """The archive is at its own limit: start nothing until a time, later each time; that time."""
        self.quiet_until = _now() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_BACK_OFF)
        return self.quiet_until

    def relax(self) -> None:
        """The archive serves us."""
        self._pause = _BACK_OFF

    async def _next_look(self, shut: Shut, began: dt.datetime) -> dt.datetime:
        """When there may be something to do of itself: a task falls due, or has done so since the turn
        began; a gate opens; an association has been unused for long."""
        times = [_now() + dt.timedelta(seconds=self.archive.idle), shut.opens]
        if self._free > 0 or not self._more:
            times.append(await self.store.next_due(self.archive.name, began))
        return min(time for time in times if time is not None)

    async def _start_waiting(self, run: Run) -> Shut:
        """Start what may start, in the order of the store, until nothing more may; the gates that were found
        closed."""
        await self._sift()
        shut, limit, self._more = Shut(), self._free, True
        while self._free > 0 and self._more and not shut.entirely:
            if self.quiet_until is not None and self.quiet_until > _now():
                return Shut(entirely=True, opens=self.quiet_until)
            sieve = shut.sieve(self.only)
            most = limit + sum(it.lost for it in self.running.values())
            found = await self.store.waiting(self.archive.name, most, aging=self.aging, sieve=sieve)
            # Another engine's once, and waiting again, may still be being stopped here
            waiting = [task for task in found if task.id not in self.running]
            started, away = await self._try(waiting, shut, run)
            await self.entrance.turn_away(away)
            self._more = len(found) == most or started < len(waiting)
            limit = min(2 * limit, _MOST_AT_ONCE) if len(away) == len(waiting) else self._free
        await self._publish(shut.rates)
        return shut

    async def _sift(self) -> None:
        """New moves that need a person must not wait for a gate until that is asked for."""
        while self.entrance.sifts:
            newer = await self._newcomers.look(self.store, _MOST_AT_ONCE)
            if not newer:
                break
            await self.entrance.sift(task for task in newer if self._owns(task))

    def _owns(self, task: RetrieveTask) -> bool:
        """Whether it is a move that waits here."""
        mine = task.is_move and task.request.archive == self.archive.name
        in_hand = not self.only or self.only.issuperset(task.request.routes)
        return mine and in_hand and task.status is TaskStatus.SCHEDULED

    async def _publish(self, rates: dict[tuple[str, str], Closed]) -> None:
        """For those who ask why nothing moves. A breaker publishes itself; windows and limits can be seen."""
        for scope, name in self._told - rates.keys():
            await self.store.open_gate(scope, name, Gate.RATE.value)
        for (scope, name), verdict in rates.items():
            if (scope, name) not in self._told:
                await self.store.close_gate(scope, name, Gate.RATE.value, verdict.reason, verdict.until)
        self._told = set(rates)

    @property
    def _free(self) -> int:
        return self.archive.concurrency - len(self.running)

    async def _try(
        self, waiting: Sequence[RetrieveTask], shut: Shut, run: Run
    ) -> tuple[int, list[tuple[RetrieveTask, Closed]]]:
        """Start what may start of these: how many, and those that a gate turns away for what they are
        themselves."""
        started, away = 0, []
        for task in waiting:
            if self._free <= 0:
                break
            verdict = await self.entrance.enter(task)
            if isinstance(verdict, Admitted):
                self._start(verdict, run)
                started += 1
            elif verdict is not None and verdict.scope is Scope.TASK:
                away.append((task, verdict))
            elif verdict is not None:
                shut.note(task, verdict)
                break  # the others may be behind the same gate: asked for again without these
        else:
            if self.store.shared and waiting and not started and not away:
                await asyncio.sleep(_IN_OTHER_HANDS)
        return started, away

    def _start(self, admitted: Admitted, run: Run) -> None:
        running = self.running[admitted.task.id] = Running(
            admitted.task.attempts, Stop(partial(self.store.in_touch, admitted.member_id))
        )
        running.worker = asyncio.create_task(run(self, admitted, running))
