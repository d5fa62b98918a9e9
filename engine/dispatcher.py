"""Carry out tasks: claim, gate, resolve or move, finish. One loop an archive: none waits for another."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from engine.dicom.node import Archive, Destination
from engine.dicom.status import CANCEL
from engine.errors import ForefetchError, StoreError
from engine.move import Client, move
from engine.resolve import Resolution, resolve
from engine.retrieve.gate import Closed, admit
from engine.retrieve.load import Load, Traffic
from engine.retrieve.outcome import Cause, Outcome, TaskStatus, failure
from engine.retrieve.policy import Policy
from engine.retrieve.selector import PriorsOfPatient, StudiesOfAccession, Study
from engine.retrieve.task import RetrieveTask
from engine.store import Store, Withdrawn

_log = logging.getLogger(__name__)
_STORE_RETRY = 1.0  # seconds between attempts to write an outcome that the store did not take
_WITHDRAWN = Outcome(
    TaskStatus.CANCELED, Cause.CANCELED, "the order or visit was canceled during the retrieve"
)
_T = TypeVar("_T")


@dataclass(slots=True)
class _Running:
    """A task under way. ``stop`` ends it on the wire; ``withdrawn``: because nobody wants it any more."""

    stop: threading.Event = field(default_factory=threading.Event)
    withdrawn: bool = False
    worker: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Lane:
    """What belongs to one archive: its client, its worker threads and the tasks under way."""

    archive: Archive
    client: Client
    workers: ThreadPoolExecutor
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    running: dict[int, _Running] = field(default_factory=dict)
    _tidying: asyncio.Task[None] | None = None

    def tidy(self) -> None:
        """Release unused associations, beside the work: a release may take as long as the ACSE timeout."""
        if self._tidying is None or self._tidying.done():
            self._tidying = asyncio.create_task(asyncio.to_thread(self.client.close_idle))


class Dispatcher:
    """Owns every task from SCHEDULED to its end."""

    def __init__(
        self,
        *,
        store: Store,
        policy: Policy,
        archives: Mapping[str, Archive],
        destinations: Mapping[str, Destination],
        clients: Mapping[str, Client],
    ) -> None:
        self._store = store
        self._policy = policy
        self._destinations = destinations
        self._lanes = {
            name: _Lane(
                archive,
                clients[name],
                ThreadPoolExecutor(archive.concurrency, thread_name_prefix=f"archive-{name}"),
            )
            for name, archive in archives.items()
        }
        self._loops: list[asyncio.Task[None]] = []
        self._waiters: dict[int, list[asyncio.Event]] = {}
        self._stopping = False
        self._earlier = 0  # the newest task of earlier runs

    async def start(self) -> None:
        """Take up what an earlier run left, then serve every archive."""
        left = await self._store.recover()
        self._earlier = await self._store.newest_task()
        if left:
            _log.info("%d tasks were under way when forefetch last stopped; they go on", left)
        for name in await self._store.waiting_archives() - self._lanes.keys():
            await self._turn_away_all(name)
        self._loops = [asyncio.create_task(self._serve(lane)) for lane in self._lanes.values()]
        self.wake(self._lanes)

    def wake(self, archives: Iterable[str]) -> None:
        """Tell that tasks may be waiting at these archives."""
        for name in archives:
            if name in self._lanes:
                self._lanes[name].wake.set()

    async def withdraw(self, taken_back: Withdrawn) -> None:
        """Stop on the wire what was taken back, and tell who waits for what has ended by it."""
        for lane in self._lanes.values():
            for task_id in taken_back.running:
                if task_id in lane.running:
                    lane.running[task_id].withdrawn = True
                    lane.running[task_id].stop.set()
        for task_id in taken_back.canceled:
            self._settle(await self._store.settled_by(task_id))

    async def settled(self, message_id: int, timeout: float | None) -> bool:
        """Wait until every task of a message is final, at most ``timeout`` seconds; whether it is."""
        event = asyncio.Event()
        self._waiters.setdefault(message_id, []).append(event)
        try:
            if all(task.status.final for task in await self._store.tasks_of(message_id)):
                return True
            async with asyncio.timeout(timeout):
                await event.wait()
        except TimeoutError:
            return False
        finally:
            self._waiters[message_id].remove(event)
            if not self._waiters[message_id]:
                del self._waiters[message_id]
        return True

    async def stop(self, timeout: float) -> None:
        """Start nothing more; give moves under way ``timeout`` seconds, then cancel them. A canceled one is
        SCHEDULED again and goes on at the next start."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        running = [task for lane in self._lanes.values() for task in lane.running.values()]
        workers = [task.worker for task in running if task.worker is not None]
        if workers:
            _log.info("waiting up to %g s for %d retrieves under way", timeout, len(workers))
            await asyncio.wait(workers, timeout=timeout)
        self._stopping = True
        for task in running:
            task.stop.set()
        for lane in self._lanes.values():
            lane.client.stop()
        await asyncio.gather(*workers, return_exceptions=True)
        for lane in self._lanes.values():
            await asyncio.get_running_loop().run_in_executor(lane.workers, lane.client.close)
            lane.workers.shutdown(wait=True)

    async def _serve(self, lane: _Lane) -> None:
        """Keep an archive as busy as the gate allows. Nothing that goes wrong may end it: it would be missed
        only when images are."""
        while True:
            try:
                async with asyncio.timeout(await self._rest(lane)):
                    await lane.wake.wait()
            except TimeoutError:
                pass  # looked at all the same: a task may be due, or a wake-up have got lost
            lane.wake.clear()
            try:
                lane.tidy()
                await self._start_waiting(lane)
            except Exception:  # noqa: BLE001  see above
                _log.exception("archive %s: tasks could not be started; trying again", lane.archive.name)
                await asyncio.sleep(_STORE_RETRY)
                lane.wake.set()

    async def _rest(self, lane: _Lane) -> float:
        """Seconds until there may be something to do of itself: a task falls due, an association has been
        unused for long."""
        try:
            due = await self._store.next_due(lane.archive.name)
        except StoreError:
            return _STORE_RETRY
        if due is None:
            return lane.archive.idle
        return min(lane.archive.idle, max(0.0, (due - dt.datetime.now(dt.UTC)).total_seconds()))

    async def _start_waiting(self, lane: _Lane) -> None:
        free = lane.archive.concurrency - len(lane.running)
        if free <= 0:
            return  # the next one that ends wakes this lane
        for task in await self._store.waiting(lane.archive.name, free):
            verdict = admit(task, self._policy, Load(Traffic(len(lane.running))), dt.datetime.now(dt.UTC))
            if isinstance(verdict, Closed):
                if not verdict.final:
                    return  # the next one that ends wakes this lane
                await self._turn_away(task, verdict.reason)
                lane.wake.set()
                continue
            claimed = await self._store.claim(task.id)
            if claimed is not None:
                running = lane.running[task.id] = _Running()
                running.worker = asyncio.create_task(self._run(lane, claimed, running))

    async def _turn_away(self, task: RetrieveTask, reason: str) -> None:
        """A task that is not allowed fails. One of an earlier run was acknowledged when it was allowed: it is
        HELD, and goes on after a start at which it is allowed again."""
        if task.id <= self._earlier:
            _log.warning("task %d is held: %s", task.id, reason)
            await self._store.hold(task.id, reason)
        else:
            _log.warning("task %d is refused: %s", task.id, reason)
            await self._finish(task, Outcome(TaskStatus.FAILED, Cause.GATE_CLOSED, reason))

    async def _turn_away_all(self, archive: str) -> None:
        """Tasks of an archive that routes.yaml no longer lists."""
        while waiting := await self._store.waiting(archive, 100):
            for task in waiting:
                verdict = admit(task, self._policy, Load(), dt.datetime.now(dt.UTC))
                assert isinstance(verdict, Closed)  # the archive is not listed
                await self._turn_away(task, verdict.reason)

    async def _run(self, lane: _Lane, task: RetrieveTask, running: _Running) -> None:
        """One claimed task to its end, whatever happens."""
        try:
            aliases = await self._aliases(task)
            result = await asyncio.get_running_loop().run_in_executor(
                lane.workers, self._carry_out, lane.client, task, aliases, running.stop
            )
            await self._conclude(task, result, running)
        except Exception:  # noqa: BLE001  nothing is known of the outcome: it is carried out again
            _log.exception("task %d could not be carried out or concluded", task.id)
            await asyncio.sleep(_STORE_RETRY)
            await self._give_back(task, running)
        finally:
            lane.running.pop(task.id, None)
            lane.wake.set()

    async def _give_back(self, task: RetrieveTask, running: _Running) -> None:
        try:
            if running.withdrawn:
                await self._finish(task, _WITHDRAWN)
            else:
                await self._store.release(task.id, "forefetch could not carry it out; see its log")
        except StoreError as error:
            _log.error("task %d goes on at the next start: %s", task.id, error)

    async def _aliases(self, task: RetrieveTask) -> tuple[str, ...]:
        """The identifiers under which the patient of a search has to be looked for."""
        selector = task.request.selector
        match selector:
            case PriorsOfPatient():
                return await self._store.identifiers(selector.patient_id, selector.authority)
            case StudiesOfAccession():
                known = [await self._store.identifiers(*patient) for patient in selector.patient_ids]
                return tuple(alias for aliases in known for alias in aliases)
            case _:
                return ()

    def _carry_out(
        self, client: Client, task: RetrieveTask, aliases: tuple[str, ...], stop: threading.Event
    ) -> Outcome | Resolution:
        """In a worker thread: ask or move. Every failure becomes an outcome."""
        try:
            selector = task.request.selector
            if not isinstance(selector, Study):
                return resolve(client, selector, aliases)
            title = self._destinations[task.request.destination].ae_title
            return move(client, selector, title, priority=task.request.priority, canceled=stop)
        except ForefetchError as error:
            return failure(error)
        except Exception as error:  # noqa: BLE001  a fault of ours must end this task, not the engine
            _log.exception("task %d failed by a fault of forefetch", task.id)
            return Outcome(TaskStatus.FAILED, Cause.INTERNAL, f"fault in forefetch: {type(error).__name__}")

    async def _conclude(self, task: RetrieveTask, result: Outcome | Resolution, running: _Running) -> None:
        """Keep the outcome; a retrieve that we stopped ourselves goes back into the queue, one that nobody
        wants any more ends CANCELED unless it had arrived all the same."""
        arrived = isinstance(result, Outcome) and result.arrived
        if running.withdrawn and not arrived:
            await self._finish(task, _withdrawn(result))
        elif isinstance(result, Resolution):
            await self._answer(task, result)
        elif self._stopping and not result.arrived:
            await self._store.release(task.id, "forefetch was stopped during the retrieve")
            _log.info("task %d goes on at the next start", task.id)
        else:
            await self._finish(task, result)

    async def _answer(self, task: RetrieveTask, resolution: Resolution) -> None:
        """Finish a question and leave one task for each study that it found."""
        request = task.request
        found = [replace(request, selector=study) for study in resolution.studies]
        kept = await self._persist(
            lambda: self._store.resolve(task.id, resolution.outcome, resolution.choices, found)
        )
        if kept is None:
            return
        children, settled = kept
        _log.info("task %d: %s", task.id, resolution.outcome.text)
        self.wake(child.request.archive for child in children)
        self._settle(settled)

    async def _finish(self, task: RetrieveTask, outcome: Outcome) -> None:
        settled = await self._persist(lambda: self._store.finish(task.id, outcome))
        if settled is None:
            _log.info("task %d had ended before; this late outcome is dropped: %s", task.id, outcome.cause)
            return
        level = logging.INFO if outcome.arrived else logging.WARNING
        _log.log(level, "task %d %s: %s (%s)", task.id, outcome.status, outcome.cause, outcome.counters)
        self._settle(settled)

    def _settle(self, messages: Iterable[int]) -> None:
        for message_id in messages:
            for event in self._waiters.get(message_id, ()):
                event.set()

    async def _persist(self, write: Callable[[], Awaitable[_T]]) -> _T:
        """Write an outcome, again and again while the store is out of order: what an archive has said must
        not get lost while this process is to live."""
        while True:
            try:
                return await write()
            except StoreError as error:
                if self._stopping:
                    raise
                _log.error("an outcome could not be kept; trying again: %s", error)
                await asyncio.sleep(_STORE_RETRY)


def _withdrawn(result: Outcome | Resolution) -> Outcome:
    """Canceled, with what the archive said of it: some objects may have arrived."""
    if not isinstance(result, Outcome):
        return _WITHDRAWN
    text = _WITHDRAWN.text
    if result.dicom_status != CANCEL:
        text += f"; the archive did not confirm it and may still be sending ({result.text})"
    return replace(result, status=_WITHDRAWN.status, cause=_WITHDRAWN.cause, text=text, cure="")
