"""What becomes of a task when an attempt at it has ended: it is kept, whatever else happens."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Protocol, TypeVar

from engine.dicom.status import CANCEL
from engine.dispatcher import lines
from engine.dispatcher.breakers import Breakers
from engine.dispatcher.lane import STORE_RETRY, Lane, Running
from engine.dispatcher.waiters import Waiters
from engine.dispatcher.work import Result, Work
from engine.errors import StoreError
from engine.events import Events, TaskEnded
from engine.logs import about
from engine.resolve import Resolution
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.retry import Again, decide
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from engine.store import Store

_log = logging.getLogger("engine.dispatcher")
_LONGEST_PAUSE = dt.timedelta(minutes=10)  # between attempts that end in a fault of ours
_CUT_OFF = "nothing was asked for: the journal was out of reach for so long that others may have it"
LATER = "forefetch could not carry it out; see its log"
_WITHDRAWN = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "it was canceled during the retrieve")
_T = TypeVar("_T")


class Host(Protocol):
    """The dispatcher, as far as new work comes of what has ended."""

    def wake(self, archives: Iterable[str]) -> None:
        """Tasks may be waiting at these archives."""

    def expect(self, requests: Iterable[RetrieveRequest]) -> None:
        """New tasks wait that were made of these."""

    def own(self, task_ids: Iterable[int]) -> None:
        """These tasks were planned here."""


class Ending:
    """``stopping``: nothing is tried for long any more."""

    def __init__(
        self, store: Store, events: Events, waiters: Waiters, breakers: Breakers, host: Host
    ) -> None:
        self._store = store
        self._events = events
        self._waiters = waiters
        self._breakers = breakers
        self._host = host
        self.stopping = False

    async def conclude(self, lane: Lane, work: Work, result: Result, running: Running) -> None:
        """Keep the outcome. A retrieve that we stopped ourselves goes back into the queue; one that nobody
        wants any more ends CANCELED unless it had arrived all the same; one that failed may be tried again.
        """
        task, outcome = work.task, result.outcome
        if running.lost:
            lines.dropped(task, outcome)
            return
        if not running.withdrawn and not running.stop.refused and not self.stopping:
            self._breakers.note(task, outcome)
        if running.withdrawn and not outcome.arrived:
            await self.finish(task, _withdrawn(result))
        elif isinstance(result, Resolution) and outcome.status is TaskStatus.COMPLETED:
            lane.relax()
            await self._answer(task, result)
        elif running.stop.refused and not outcome.arrived:
            await self._release(task, _CUT_OFF)
        elif self.stopping and not outcome.arrived:
            if await self._release(task, "forefetch was stopped during the retrieve"):
                lines.interrupted(task)
        elif outcome.cause is Cause.BUSY:
            due = lane.back_off()
            sentence = "archive %s is at its limit of associations; waiting"
            _log.warning(sentence, lane.archive.name, extra=about("busy", **lines.subjects(task)))
            await self._release(task, outcome.text, due)
        else:
            lane.relax()
            await self._finish_or_retry(work, result)

    async def give_back(self, task: RetrieveTask, running: Running) -> None:
        """Each time later, for it may be the task: nothing is to be moved without end."""
        pause = min(dt.timedelta(seconds=2 ** min(task.attempts - 1, 10)), _LONGEST_PAUSE)
        if running.lost:
            return
        try:
            if running.withdrawn:
                await self.finish(task, _WITHDRAWN)
            else:
                await self._release(task, LATER, _now() + pause)
        except StoreError as error:
            lines.interrupted(task, error)

    async def _release(self, task: RetrieveTask, reason: str, due: dt.datetime | None = None) -> bool:
        """Back into the queue; False: nobody wants it any more, and it has ended."""
        released = await self.persist(
            lambda: self._store.release(task.id, reason, due, attempt=task.attempts)
        )
        if released:
            self._host.wake([task.request.archive])
        else:
            await self.finish(task, _WITHDRAWN)
        return released

    async def _finish_or_retry(self, work: Work, result: Result) -> None:
        task, outcome = work.task, result.outcome
        failures = task.failures + 1
        decision = decide(outcome, failures, work.terms.retry, _now(), random.random())
        if not isinstance(decision, Again):
            if task.failures and not outcome.arrived:
                outcome = replace(outcome, text=f"{outcome.text}; {decision.text}")
            if isinstance(result, Resolution):
                await self._answer(task, replace(result, outcome=outcome))
            else:
                await self.finish(task, outcome)
            return
        missing = () if isinstance(result, Resolution) else result.missing
        waiting = await self.persist(
            lambda: self._store.reschedule(
                task.id, outcome, decision.at, decision.text, missing, attempt=task.attempts
            )
        )
        if waiting is None:
            await self.finish(task, _withdrawn(result))
            return
        lines.retried(task, outcome, decision.at)
        self._waiters.tell(waiting)
        self._host.wake([task.request.archive])

    async def _answer(self, task: RetrieveTask, resolution: Resolution) -> None:
        """Finish a question and leave one task for each study that it found."""
        request = task.request
        counted = {(it.study_uid, it.series_uid): it.instances for it in resolution.choices}
        found = [
            replace(request, selector=study, instances=counted.get((study.study_uid, study.series_uid)))
            for study in resolution.studies
        ]
        kept = await self.persist(
            lambda: self._store.resolve(
                task.id, resolution.outcome, resolution.choices, found, attempt=task.attempts
            )
        )
        if kept is None:
            return
        children, settled = kept
        self._host.own(child.id for child in children)
        lines.answered(task, resolution.outcome)
        self._events.tell(TaskEnded(task, resolution.outcome))
        self._host.wake(child.request.archive for child in children if child.expedited)
        self._host.expect(found)  # also what was there already, and may have been pulled forward
        self._waiters.settle(settled)

    async def finish(self, task: RetrieveTask, outcome: Outcome, seen: dt.datetime | None = None) -> None:
        """One that is under way; or one that waits, as it was ``seen``."""
        attempt = task.attempts if seen is None else None
        settled = await self.persist(lambda: self._store.finish(task.id, outcome, seen, attempt=attempt))
        if settled is None:
            lines.dropped(task, outcome)
            return
        lines.finished(task, outcome)
        self._events.tell(TaskEnded(task, outcome))
        self._waiters.settle(settled)

    async def persist(self, write: Callable[[], Awaitable[_T]]) -> _T:
        """Write an outcome, again and again while the store is out of order: what an archive has said must
        not get lost while this process is to live."""
        while True:
            try:
                return await write()
            except StoreError as error:
                if self.stopping:
                    raise
                _log.error("an outcome could not be kept; trying again: %s", error)
                await asyncio.sleep(STORE_RETRY)


def _withdrawn(result: Result) -> Outcome:
    """Canceled, with what the archive said of it: some objects may have arrived."""
    if isinstance(result, Resolution):
        return _WITHDRAWN
    text, outcome = _WITHDRAWN.text, result.outcome
    if outcome.dicom_status is not None and outcome.dicom_status != CANCEL:
        text += f"; the archive had ended it before: {outcome.text}"
    elif outcome.dicom_status is None:
        text += f"; the archive did not confirm it and may still be sending ({outcome.text})"
    return replace(outcome, status=_WITHDRAWN.status, cause=_WITHDRAWN.cause, text=text, cure="")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
