"""A retrieve that somebody asks for by hand and waits for: through the journal, the gate and the dispatcher,
as one that a message asks for. When the call has ended, so has its retrieve."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from engine.config import Config
from engine.errors import StoreError
from engine.logs import about
from engine.place import is_shared
from engine.report import succeeded
from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus
from engine.retrieve.policy import REHEARSAL
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from engine.standin import IDLE, StandIn
from engine.store.calls import Call, ask, keep_answer, standing_of, take_back
from engine.waiting import Hold, holds

_log = logging.getLogger(__name__)
_LOOK = 0.2  # seconds between looks at the journal
_PATIENCE = dt.timedelta(minutes=1)  # for a gate that says when it opens
_STARTS_WITHIN = 600.0  # seconds, whatever the gates say
_LEAVES_WITHIN = 60.0  # seconds for a journal that is held by others


@dataclass(frozen=True, slots=True)
class Stage:
    """How far a retrieve has come: the counters of the last pending response, or what it waits for."""

    counters: SubOperations | None = None
    waits: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The task and what is to be said of it."""

    task: RetrieveTask
    outcome: Outcome


Tell = Callable[[Stage], Awaitable[None]]


class ByHand:
    """Those of one process. An async context manager: leaving it ends what nobody waits for any more."""

    def __init__(self, config: Config, *, switch_on: bool, idle: float = IDLE) -> None:
        """``idle``: seconds after which the stand-in leaves the journal alone again."""
        self._config = config
        self._path = config.engine.store
        self._standin = StandIn(config, switch_on=switch_on, idle=idle)
        self._leaving: set[asyncio.Task[None]] = set()

    async def retrieve(self, request: RetrieveRequest, who: str, tell: Tell) -> Ended:
        """Ask, and wait until it has ended; ``tell`` is called with each new stage.

        What waits for a person, or for longer than a minute, is given up. Cancellation cancels the C-MOVE.
        StoreError: the journal cannot be used.
        """
        await self._standin.provide()
        # Both in tasks of their own: who is cancelled cannot wait, and what is being asked will be asked
        asking = asyncio.create_task(asyncio.to_thread(ask, self._path, request, who))
        try:
            call = await asyncio.shield(asking)
            ended = await self._followed(call, tell)
        except BaseException:
            leaving = asyncio.create_task(self._leave(asking))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            raise
        await self._keep(call, ended, who, dry_run=REHEARSAL in request.routes)
        return ended

    async def __aenter__(self) -> ByHand:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await self._standin.__aexit__(kind, error, trace)

    async def _followed(self, call: Call, tell: Tell) -> Ended:
        try:
            return await self._follow(call, tell)
        except StoreError as error:
            raise StoreError(
                f"{error}; what has become of the retrieve is not known: some may arrive"
            ) from error

    async def _follow(self, call: Call, tell: Tell) -> Ended:
        idle_since, stage = time.monotonic(), Stage()
        while True:
            task = await asyncio.to_thread(standing_of, self._path, call)
            if task.outcome is not None and task.status.final:
                return Ended(task, task.outcome)
            hold = await self._hold(task)
            if task.status is TaskStatus.IN_PROGRESS:
                idle_since = time.monotonic()
            elif _in_vain(hold, time.monotonic() - idle_since):
                return await self._give_up(call, hold)
            if (news := Stage(task.progress, str(hold or ""))) != stage:
                stage = news
                await tell(stage)
            await self._standin.provide()
            await asyncio.sleep(_LOOK)

    async def _hold(self, task: RetrieveTask) -> Hold | None:
        if task.status is TaskStatus.IN_PROGRESS:
            return None
        return (await asyncio.to_thread(holds, self._path, self._config, [task])).get(task.id)

    async def _give_up(self, call: Call, hold: Hold | None) -> Ended:
        """It does not begin any more; unless it just has, or others want it too."""
        left = await asyncio.to_thread(take_back, self._path, call)
        task = await asyncio.to_thread(standing_of, self._path, call)
        while not task.status.final and task.id in left.running:
            await asyncio.sleep(_LOOK)
            task = await asyncio.to_thread(standing_of, self._path, call)
        if task.status.final and task.outcome is not None and task.id not in left.canceled:
            return Ended(task, task.outcome)
        return Ended(task, _given_up(task, hold, wanted=task.id in left.wanted))

    async def _keep(self, call: Call, ended: Ended, who: str, *, dry_run: bool) -> None:
        """What was said, as the acknowledgment of a message is kept. It is true all the same if it is not."""
        code = "SUCCESS" if succeeded(ended.outcome, dry_run=dry_run) else "FAILED"
        extra = about(
            "answered", message=call.message_id, task=ended.task.id, cause=ended.outcome.cause.value
        )
        _log.info("task %d for %s: %s (%s)", ended.task.id, who, code, ended.outcome.cause, extra=extra)
        try:
            await asyncio.to_thread(keep_answer, self._path, call, ended.outcome.sentence, code)
        except StoreError as error:
            extra = about("failed", message=call.message_id)
            _log.error("message %d: its answer could not be kept: %s", call.message_id, error, extra=extra)

    async def _leave(self, asking: asyncio.Task[Call]) -> None:
        """Until it is known that it is taken back: it would be moved for nobody."""
        try:
            call = await asking
        except StoreError:
            return  # who has asked has been told
        limit = time.monotonic() + _LEAVES_WITHIN
        while True:
            try:
                await asyncio.to_thread(take_back, self._path, call)
                return
            except StoreError as error:
                there = is_shared(self._path) or await asyncio.to_thread(Path(self._path).exists)
                if not there or time.monotonic() > limit:
                    extra = about("failed", message=call.message_id)
                    _log.error("message %d could not be taken back: %s", call.message_id, error, extra=extra)
                    return
            await asyncio.sleep(_LOOK)


def _given_up(task: RetrieveTask, hold: Hold | None, *, wanted: bool) -> Outcome:
    """What is said of one that waits in vain; ``wanted``: by others too. An attempt that was interrupted may
    have moved some of it."""
    why = str(hold) if hold is not None else "no engine has begun with it in ten minutes"
    moved = "it was interrupted, and some objects may have arrived" if task.attempts else "nothing was moved"
    text = f"{moved}: {why}"
    if wanted:
        text += f"; task {task.id} waits on for others who asked for the same"
    cure = "ask again then, or have the operator open the gate (docs/gates.md)"
    return Outcome(TaskStatus.CANCELED, Cause.GATE_CLOSED, text, cure=cure)


def _in_vain(hold: Hold | None, waited: float) -> bool:
    """Whether it will not begin while somebody waits for it."""
    if hold is None:
        return waited > _STARTS_WITHIN
    opens_late = hold.until is not None and hold.until > dt.datetime.now(dt.UTC) + _PATIENCE
    return hold.held or opens_late or waited > _STARTS_WITHIN
