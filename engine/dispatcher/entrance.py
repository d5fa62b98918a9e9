"""Where a task passes the gates, or does not."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.dispatcher.meters import Meters
from engine.dispatcher.waiters import Waiters
from engine.retrieve.budget import Budget, Spent
from engine.retrieve.gate import Closed, Gate, Then, admit
from engine.retrieve.load import Load, Usage
from engine.retrieve.policy import Policy, terms
from engine.retrieve.task import RetrieveTask
from engine.retrieve.windows import day_of
from engine.store import Store

_log = logging.getLogger(__name__)
_BY_CONFIGURATION = frozenset({Gate.SWITCH, Gate.LISTS})
_UNKNOWN = dt.timedelta(hours=1)  # until a gate is tried again that does not know when it opens


@dataclass(frozen=True, slots=True)
class Admitted:
    """A claimed task. ``dry_run``: it must only be told, not made."""

    task: RetrieveTask
    dry_run: bool


class Entrance:
    """Asks the gates with all that they need to know, and does to a task what they say."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        meters: Meters,
        waiters: Waiters,
        refuse: Callable[[RetrieveTask, str], Awaitable[None]],
    ) -> None:
        """``refuse`` ends a task that is not allowed."""
        self._store = store
        self._policy = policy
        self._meters = meters
        self._waiters = waiters
        self._refuse = refuse
        self._one_at_a_time = asyncio.Lock()  # what one task uses up, the next one must see
        self.earlier = 0  # the newest task of earlier runs

    async def enter(self, task: RetrieveTask) -> Admitted | Closed | None:
        """Let a task through and claim it. None: it is not SCHEDULED any more."""
        if not self._counts(task):
            return await self._enter(task, Usage())
        async with self._one_at_a_time:
            return await self._enter(task, await self._usage(task))

    async def turn_away(self, task: RetrieveTask, verdict: Closed) -> None:
        """A task that is not allowed fails. One of an earlier run was acknowledged when it was allowed: it is
        held, and goes on after a start at which it is allowed again.

        What a person or another message has done to it since the gate was asked counts: the gate is then
        asked again."""
        earlier = verdict.gate in _BY_CONFIGURATION and task.id <= self.earlier
        if verdict.then is Then.REFUSE and not earlier:
            _log.warning("task %d is refused: %s", task.id, verdict.reason)
            await self._refuse(task, verdict.reason)
        elif verdict.then is Then.WAIT:
            due = verdict.until or _now() + _UNKNOWN
            _log.info("task %d waits: %s", task.id, verdict.reason)
            waiting = await self._store.defer_task(
                task.id, due, verdict.gate.value, verdict.reason, seen=task.updated
            )
            self._waiters.tell(waiting)
        else:
            _log.warning("task %d is held: %s", task.id, verdict.reason)
            expires = None if earlier else verdict.until
            held = await self._store.hold(
                task.id, verdict.gate.value, verdict.reason, expires, seen=task.updated
            )
            self._waiters.tell(held)

    async def turn_away_all(self, archive: str) -> None:
        """Tasks of an archive that routes.yaml no longer lists."""
        while waiting := await self._store.waiting(archive, 100):
            for task in waiting:
                verdict = admit(task, self._policy, Load(), _now())
                assert isinstance(verdict, Closed)  # the archive is not listed
                await self.turn_away(task, verdict)

    def _counts(self, task: RetrieveTask) -> bool:
        """Whether it has to be known what was moved before."""
        if not task.is_move:
            return False
        budgets = self._policy.order, self._policy.patient_day
        hold = terms(self._policy, task.request.routes).hold
        return any(budget != Budget() for budget in budgets) or (hold is not None and hold.over > 0)

    async def _usage(self, task: RetrieveTask) -> Usage:
        midnight, _ = day_of(_now(), self._policy.zone)
        used = await self._store.used(task, midnight)
        return Usage(used.siblings, Spent(*used.order), Spent(*used.patient))

    async def _enter(self, task: RetrieveTask, usage: Usage) -> Admitted | Closed | None:
        """The place is taken before the claim, which others may overtake."""
        now = _now()
        load = Load(*self._meters.traffic(task.request, now), usage)
        verdict = admit(task, self._policy, load, now)
        if isinstance(verdict, Closed):
            return verdict
        self._meters.begin(task, now)
        claimed = None
        try:
            claimed = await self._store.claim(task.id)
        finally:
            if claimed is None:
                self._meters.end(task)
        return None if claimed is None else Admitted(claimed, verdict.dry_run)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
