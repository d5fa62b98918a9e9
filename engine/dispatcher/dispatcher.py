"""The dispatcher: owns every task from SCHEDULED to its end."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from engine.dicom.node import Archive
from engine.dispatcher import lines
from engine.dispatcher.breakers import Breakers
from engine.dispatcher.company import Company
from engine.dispatcher.ending import LATER, Ending
from engine.dispatcher.entrance import Admitted, Entrance
from engine.dispatcher.lane import Lane, Running
from engine.dispatcher.meters import Meters, Peer, Probe
from engine.dispatcher.tidy import Tidy
from engine.dispatcher.waiters import Waiters
from engine.dispatcher.work import Place, Result, Work, aliases_of, fault_of
from engine.errors import StoreError
from engine.events import Events, Queried, TaskEnded, TransferBegan, TransferEnded
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.policy import BY_HAND, REHEARSAL, Policy, terms
from engine.retrieve.task import Expected, RetrieveRequest, RetrieveTask
from engine.store import Situation, Store, Withdrawn
from engine.store.store import DEFAULT_AGING

_log = logging.getLogger(__name__)
_LOOK = 0.5  # seconds between looks for what other processes have written to the journal
_SELDOM = 20  # looks between those at what is waited for in vain, where other engines look as well


class Dispatcher:
    """Carries out tasks until they have ended. Used from one event loop."""

    def __init__(
        self,
        *,
        store: Store,
        policy: Policy,
        archives: Mapping[str, Archive],
        clients: Mapping[str, Peer],
        places: Mapping[str, Place],
        aging: dt.timedelta = DEFAULT_AGING,
        verify_within: float = 10.0,
        by_hand: bool = False,
        events: Events | None = None,
    ) -> None:
        """``clients`` are those of the archives, ``places`` the destinations. ``verify_within``: seconds that
        a destination may take to index what has arrived. ``by_hand``: leave alone what nobody asks for by
        hand; it is for an engine. So is a move then where the switch is off: another stand-in may have it."""
        self._store = store
        self._policy = policy
        self._places = places
        self._finders = {name: place.finder for name, place in places.items() if place.finder is not None}
        self._tidies = [Tidy(name, finder) for name, finder in self._finders.items()]
        self._verify_within = verify_within
        self._by_hand = by_hand
        self._events = events or Events()
        self._waiters = Waiters(store, self.as_held, lambda: self._entrance.unsure)
        archive_probes: dict[str, Probe] = {name: client.echo for name, client in clients.items()}
        probes = {name: place.probe for name, place in places.items() if place.probe is not None}
        self._meters = Meters(policy, archive_probes, probes)
        self._breakers = Breakers(store, self._meters, self.wake_all)
        self._entrance = Entrance(
            store, policy, self._meters, self._waiters, self._refuse, self._came_free, self._events
        )
        moves = {BY_HAND} if policy.switch_on else set()
        only = frozenset({REHEARSAL, *moves}) if by_hand else frozenset()
        self._lanes = {
            name: Lane(
                archive,
                clients[name],
                store,
                self._entrance,
                ThreadPoolExecutor(archive.concurrency, thread_name_prefix=f"archive-{name}"),
                Tidy(name, clients[name]),
                aging,
                only,
            )
            for name, archive in archives.items()
        }
        self._ending = Ending(store, self._events, self._waiters, self._breakers, self)
        self._company = Company(store, self)
        self._strays: set[tuple[int, int]] = set()  # under way in our name, and not here, at the last look
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Take up what an earlier run left, then serve every archive."""
        left = await self._store.recover()
        self._entrance.earlier = await self._store.newest_task()
        if left:
            _log.info("%d tasks were under way when forefetch last stopped; they go on", left)
        await self.turn_away_unlisted()
        self._loops = [asyncio.create_task(lane.serve(self._run)) for lane in self._lanes.values()]
        self._loops.append(asyncio.create_task(self._watch()))
        self._company.start()
        self.wake_all()

    def wake(self, archives: Iterable[str]) -> None:
        """Tell that tasks may be waiting at these archives."""
        for name in archives:
            if name in self._lanes:
                self._lanes[name].wake.set()

    def expect(self, requests: Iterable[RetrieveRequest]) -> None:
        """Tell that new tasks wait that were made of these."""
        self.expect_all(request.expected for request in requests)

    def expect_all(self, tasks: Iterable[Expected]) -> None:
        """Tell that these wait, whoever has made them."""
        for task in tasks:
            if task.archive in self._lanes:
                self._lanes[task.archive].expect(task)

    def own(self, task_ids: Iterable[int]) -> None:
        """Tell that these tasks were planned here: by this routes.yaml they may be refused for good."""
        self._entrance.own(task_ids)

    async def withdraw(self, taken_back: Withdrawn) -> None:
        """Stop on the wire what was taken back, and tell who waits for what has ended by it."""
        self._stop_running(taken_back.running)
        for task_id in taken_back.canceled:
            self._waiters.settle(await self._store.settled_by(task_id))

    async def settled(self, message_id: int, timeout: float | None) -> bool:
        """Wait until every task of a message is final; whether it is. With a ``timeout`` (seconds) no longer
        than that, and no longer than something can come of it."""
        return await self._waiters.settled(message_id, timeout)

    def as_held(self, task: RetrieveTask) -> RetrieveTask:
        """A task with the gate that it waits at now, also where that holds more than this one."""
        return self._entrance.as_held(task)

    @property
    def busy(self) -> bool:
        """Whether a task is under way."""
        return any(lane.running for lane in self._lanes.values())

    async def stop(self, timeout: float) -> None:
        """Start nothing more; give moves under way ``timeout`` seconds, then cancel them. A canceled one is
        SCHEDULED again and goes on at the next start."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._company.stop()
        await self._breakers.stop()
        running = [task for lane in self._lanes.values() for task in lane.running.values()]
        workers = [task.worker for task in running if task.worker is not None]
        if workers:
            _log.info("waiting up to %g s for %d retrieves under way", timeout, len(workers))
            await asyncio.wait(workers, timeout=timeout)
        self._ending.stopping = True
        for task in running:
            task.stop.set()
        for client in [*(lane.client for lane in self._lanes.values()), *self._finders.values()]:
            client.stop()
        for closed in await asyncio.gather(*self._closings(), *workers, return_exceptions=True):
            if isinstance(closed, Exception):
                _log.error("an association may be left open: %s", type(closed).__name__)
        for lane in self._lanes.values():
            await asyncio.to_thread(lane.workers.shutdown)

    def _closings(self) -> list[Awaitable[None]]:
        """All at once: each may have to wait for a node that is silent. What is in use is released by those
        who use it."""
        tidies = [*(lane.tidy for lane in self._lanes.values()), *self._tidies]
        clients = [*(lane.client for lane in self._lanes.values()), *self._finders.values()]
        return [*(it.stop() for it in tidies), *(asyncio.to_thread(it.close) for it in clients)]

    def _stop_running(self, task_ids: Iterable[int]) -> None:
        for lane in self._lanes.values():
            for task_id in task_ids:
                if task_id in lane.running:
                    lane.running[task_id].withdrawn = True
                    lane.running[task_id].stop.set()

    def inherit(self, heir: Callable[[], Awaitable[None]]) -> None:
        """Have it called when another engine on the journal has gone and may have left something."""
        self._company.heirs.append(heir)

    def see(self, situation: Situation) -> None:
        """What goes on at archives and destinations, of all engines."""
        self._entrance.see(situation)
        self._breakers.see(situation)

    def tell(self, messages: Iterable[int] | None) -> None:
        """Something has changed for these messages, or for any."""
        self._waiters.tell(self._waiters.messages if messages is None else messages)

    def wake_all(self) -> None:
        """Tasks may wait anywhere."""
        self.wake(self._lanes)

    async def stop_unwanted(self) -> None:
        """Stop on the wire what nobody wants any more. StoreError: it is not known what."""
        self._stop_running(await self._store.to_cancel())

    async def give_back_strays(self) -> None:
        """What is under way in our name and not here, twice in a row: the answer to its claim was lost."""
        here = {
            (number, one.attempt) for lane in self._lanes.values() for number, one in lane.running.items()
        }
        strays = set(await self._store.strays()) - here
        for number, attempt in strays & self._strays:
            _log.warning("task %d was claimed and has not begun; it goes back", number)
            await self._store.release(number, LATER, attempt=attempt)
        self._strays = strays

    def cast_out(self) -> None:
        """Others have taken us for dead: what is under way here goes on elsewhere, and is stopped on the
        wire."""
        for lane in self._lanes.values():
            for running in lane.running.values():
                running.lost = True
                running.stop.set()

    async def _watch(self) -> None:
        """Notice what people do to tasks from outside, and what waits for approval in vain. Nothing that goes
        wrong may end this: nobody could stop anything any more."""
        seen = None
        for turn in itertools.count():
            try:
                if not self._store.shared:
                    now = await self._store.changes()
                    if now != seen:
                        await self._reconsider()
                    seen = now
                await self._note_progress()
                if not self._store.shared or turn % _SELDOM == 0:
                    await self._expire()
                for tidy in self._tidies:
                    tidy()
            except StoreError as error:
                _log.error("the journal cannot be looked at: %s", error)
            except Exception:  # noqa: BLE001  see above
                _log.exception("the journal could not be looked at; trying again")
            await asyncio.sleep(_LOOK)

    async def _expire(self) -> None:
        """What waits for approval in vain; by an engine, for somebody may have to be told of it."""
        if self._by_hand:
            return
        while expired := await self._store.expire():
            for task, messages in expired:
                lines.expired(task)
                if task.outcome is not None:
                    self._events.tell(TaskEnded(task, task.outcome))
                self._waiters.settle(messages)

    async def _note_progress(self) -> None:
        """For those who look at tasks from outside."""
        running = {
            number: one
            for lane in self._lanes.values()
            for number, one in lane.running.items()
            if not one.lost  # another engine's, whose progress is another
        }
        news = {number: one.progress for number, one in running.items() if one.progress is not one.noted}
        counted = {number: counters for number, counters in news.items() if counters is not None}
        if counted:
            await self._store.note_progress(counted)
            for number, counters in counted.items():
                running[number].noted = counters

    async def _reconsider(self) -> None:
        """Somebody else has written to the journal."""
        await self.stop_unwanted()
        await self.turn_away_unlisted()
        self.tell(None)
        self.wake_all()

    async def turn_away_unlisted(self) -> None:
        """Tasks of archives that are not configured any more. StoreError: the journal is out of order."""
        if self._by_hand:
            return
        for name in await self._store.waiting_archives() - self._lanes.keys():
            await self._entrance.turn_away_all(name)

    async def _refuse(self, task: RetrieveTask, reason: str) -> None:
        await self._ending.finish(task, Outcome(TaskStatus.FAILED, Cause.GATE_CLOSED, reason), task.updated)

    async def _run(self, lane: Lane, admitted: Admitted, running: Running) -> None:
        """One claimed task to its end, whatever happens."""
        task = admitted.task
        try:
            work = Work(
                task=task,
                terms=terms(self._policy, task.request.routes),
                dry_run=admitted.dry_run,
                aliases=await aliases_of(self._store, task),
                verify_within=self._verify_within,
            )
            result = await self._attempt(lane, work, running)
            await self._count(admitted, result)
            await self._ending.conclude(lane, work, result, running)
        except Exception:  # noqa: BLE001  nothing is known of the outcome: it is carried out again
            lines.failed(task)
            await self._ending.give_back(task, running)
        finally:
            if lane.running.get(task.id) is running:
                del lane.running[task.id]
            if running.lost:
                lane.wake.set()  # it may wait here again, and was passed over
            self._meters.end(task, dry_run=admitted.dry_run)
            self._waiters.ended(task.id)
            self._came_free(lane)

    async def _attempt(self, lane: Lane, work: Work, running: Running) -> Result:
        """In a thread of the archive's."""
        task, moves = work.task, work.task.is_move and not work.dry_run
        lines.begins(task, dry_run=work.dry_run)
        if moves:
            self._events.tell(TransferBegan(task))
        began = time.monotonic()
        try:
            result = await asyncio.get_running_loop().run_in_executor(
                lane.workers, work, lane.client, lane.archive, self._places, running.stop, running.tell
            )
        except Exception as error:  # such as a thread that cannot be had: what began has ended
            if moves:
                self._events.tell(TransferEnded(task, fault_of(error), time.monotonic() - began))
            raise
        if moves:
            self._events.tell(TransferEnded(task, result.outcome, time.monotonic() - began))
        elif not task.is_move:
            self._events.tell(Queried(task, result.outcome))
        return result

    def _came_free(self, lane: Lane | None = None) -> None:
        """A task has ended, in this lane: it may have been the one too many, also at its destination."""
        for other in self._lanes.values():
            other.came_free(here=other is lane)

    async def _count(self, admitted: Admitted, result: Result) -> None:
        """Rates go by what was sent, as soon as that is known."""
        counters = result.outcome.counters
        if admitted.task.is_move and not admitted.dry_run and counters.stated:
            sent = (counters.completed or 0) + (counters.warning or 0)
            self._meters.correct(admitted.task, admitted.at, sent)
            if self._store.shared and self._meters.rated(admitted.task):
                await self._ending.persist(
                    lambda: self._store.correct(admitted.task.id, admitted.task.attempts, sent)
                )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
