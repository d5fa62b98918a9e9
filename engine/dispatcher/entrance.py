"""Where a task passes the gates, or does not."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from engine.dispatcher import lines
from engine.dispatcher.meters import Meters
from engine.dispatcher.waiters import Waiters
from engine.events import Events, TaskHeld
from engine.retrieve.budget import Budget, Spent
from engine.retrieve.gate import Closed, Gate, Open, Scope, Then, admit
from engine.retrieve.load import Load, Usage
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.policy import Policy, terms
from engine.retrieve.task import RetrieveTask
from engine.retrieve.windows import day_of
from engine.store import Applicant, Situation, Store, TurnedAway, Used

_BY_CONFIGURATION = frozenset({Gate.SWITCH, Gate.LISTS})
_EVER = dt.datetime.max.replace(tzinfo=dt.UTC)
_UNKNOWN = dt.timedelta(hours=1)  # until a gate is tried again that does not know when it opens
_MOST_OURS = 10_000
_DISPUTED = 0.5  # seconds between attempts where the journal finds a gate closed that is open as we see it


@dataclass(frozen=True, slots=True)
class Admitted:
    """A claimed task. ``dry_run``: it must only be told, not made. ``at``: when it was let through.
    ``member_id``: as which of the engines that share the journal."""

    task: RetrieveTask
    dry_run: bool
    at: dt.datetime
    member_id: int | None


class Entrance:
    """Asks the gates with all that they need to know, and does to a task what they say."""

    def __init__(
        self,
        store: Store,
        policy: Policy,
        meters: Meters,
        waiters: Waiters,
        refuse: Callable[[RetrieveTask, str], Awaitable[None]],
        came_free: Callable[[], None],
        events: Events,
    ) -> None:
        """``refuse`` ends a task that is not allowed; ``came_free`` is called when a place was taken in vain,
        for which another archive's task may have been turned away."""
        self._store = store
        self._policy = policy
        self._meters = meters
        self._waiters = waiters
        self._refuse = refuse
        self._came_free = came_free
        self._events = events
        self._one_at_a_time = asyncio.Lock()  # what one task uses up, the next one must see
        self._entering = 0  # tasks whose place is taken and whose claim is not made yet
        self.earlier = 0  # the newest task of earlier runs
        self._ours: deque[int] = deque(maxlen=_MOST_OURS)  # the newest: asked for where one is not allowed
        holds = any(rule.hold is not None for rule in policy.routes.values())
        # Whether there are gates at which a move needs a person, or is refused: these are asked as soon as it
        # is there, whatever else it waits for
        self.sifts = not policy.switch_on or holds or policy.order != Budget()

    @property
    def unsure(self) -> bool:
        """Whether a place is taken that may be given back."""
        return self._entering > 0

    def rehearses(self, routes: Sequence[str]) -> bool:
        """Whether what these ask for is only a dry run, for which most gates are open."""
        return self._policy.dry_run or terms(self._policy, routes).dry_run

    async def enter(self, task: RetrieveTask) -> Admitted | Closed | None:
        """Let a task through and claim it. None: it is not SCHEDULED any more, or has been changed meanwhile
        (by a person, or another message that asks for it) and must be looked at again."""
        if not self._counts(task):
            return await self._enter(task, Usage())
        async with self._one_at_a_time:
            return await self._enter(task, await self._usage(task))

    async def sift(self, tasks: Iterable[RetrieveTask]) -> None:
        """Turn away those that need a person, or are refused."""
        away = []
        for task in tasks:
            usage = await self._usage(task) if self._counts(task) else Usage()
            verdict = self._ask(task, usage, _now())
            if isinstance(verdict, Closed) and verdict.then is not Then.WAIT:
                away.append((task, verdict))
        await self.turn_away(away)

    async def turn_away(self, away: Sequence[tuple[RetrieveTask, Closed]]) -> None:
        """Do with tasks what their gates say; those that wait for the same, together."""
        alike: dict[Closed, list[RetrieveTask]] = {}
        for task, verdict in away:
            if verdict.then is Then.WAIT:
                alike.setdefault(verdict, []).append(task)
        others = [self._stop(task, verdict) for task, verdict in away if verdict.then is not Then.WAIT]
        await asyncio.gather(*others, *(self._defer(tasks, verdict) for verdict, tasks in alike.items()))

    async def _stop(self, task: RetrieveTask, verdict: Closed) -> None:
        """A task that is not allowed fails. One of an earlier run, or of another engine with another
        routes.yaml, was acknowledged when it was allowed: it is held, and goes on after a start at which it
        is allowed again."""
        earlier = verdict.gate in _BY_CONFIGURATION and not self._is_ours(task)
        if verdict.then is Then.REFUSE and not earlier:
            lines.refused(task, verdict)
            await self._refuse(task, verdict.reason)
            return
        expires = None if earlier else verdict.until
        gate, reason = verdict.gate.value, verdict.reason
        waiting = await self._store.hold(task.id, gate, reason, expires, task.updated)
        if waiting is None:
            return  # another engine was faster, or a person
        lines.held(task, verdict)
        self._waiters.tell(waiting)
        self._events.tell(TaskHeld(task, gate, reason))

    async def _defer(self, tasks: Sequence[RetrieveTask], verdict: Closed) -> None:
        """Look at none of these before the gate opens; behind a window, nor at those alike."""
        due = verdict.until or _now() + _UNKNOWN
        lines.wait(tasks, verdict)
        gate, reason = verdict.gate.value, verdict.reason
        seen = [(task.id, task.updated) for task in tasks]
        self._waiters.tell(await self._store.defer_tasks(seen, due, gate, reason))
        if verdict.gate is not Gate.WINDOW:
            return
        kinds = {(it.request.routes, it.request.priority): it for it in tasks if not self._waits_for_more(it)}
        for task in kinds.values():
            self._waiters.tell(await self._store.defer_alike(task, due, gate, reason))

    def own(self, task_ids: Iterable[int]) -> None:
        """These were planned here, by our routes.yaml."""
        if self._store.shared:
            self._ours.extend(task_ids)

    def _is_ours(self, task: RetrieveTask) -> bool:
        return task.id in self._ours if self._store.shared else task.id > self.earlier

    def as_held(self, task: RetrieveTask) -> RetrieveTask:
        """With the gate that holds everything of its kind now, where one does: the journal notes what holds
        the task alone. While a place is taken that may be given back, nobody knows."""
        if self.unsure:
            return task
        now = _now()
        if task.status is not TaskStatus.SCHEDULED or (task.not_before is not None and task.not_before > now):
            return task
        verdict = self._ask(task, Usage(), now)
        if not isinstance(verdict, Closed) or verdict.scope is Scope.TASK:
            return task
        return replace(task, gate=verdict.gate.value, reason=verdict.reason, not_before=verdict.until)

    async def turn_away_all(self, archive: str) -> None:
        """Tasks of an archive that routes.yaml no longer lists, due or not: no lane looks at them."""
        while waiting := await self._store.waiting(archive, 100, due_by=_EVER):
            verdicts = [(task, admit(task, self._policy, Load(), _now())) for task in waiting]
            # The archive is not listed: none is open
            await self.turn_away([(task, it) for task, it in verdicts if isinstance(it, Closed)])

    def _waits_for_more(self, task: RetrieveTask) -> bool:
        """Whether another gate comes before a window: then each task has to be looked at by itself."""
        return self._counts(task) or terms(self._policy, task.request.routes).hold is not None

    def _counts(self, task: RetrieveTask) -> bool:
        """Whether it has to be known what was moved before."""
        if not task.is_move:
            return False
        budgets = self._policy.order, self._policy.patient_day
        hold = terms(self._policy, task.request.routes).hold
        return any(budget != Budget() for budget in budgets) or (hold is not None and hold.over > 0)

    async def _usage(self, task: RetrieveTask) -> Usage:
        return _usage_of(await self._store.used(task, self._midnight()))

    def _midnight(self) -> dt.datetime:
        midnight, _ = day_of(_now(), self._policy.zone)
        return midnight

    def _ask(self, task: RetrieveTask, usage: Usage, now: dt.datetime) -> Open | Closed:
        load = Load(*self._meters.traffic(task.request, now), usage)
        return admit(task, self._policy, load, now)

    async def _enter(self, task: RetrieveTask, usage: Usage) -> Admitted | Closed | None:
        """The place is taken before the claim, which others may overtake."""
        now = _now()
        verdict = self._ask(task, usage, now)
        if isinstance(verdict, Closed):
            return verdict
        self._meters.begin(task, now, dry_run=verdict.dry_run)
        self._entering += 1
        claimed: RetrieveTask | TurnedAway | None = None
        member_id = self._store.member_id
        try:
            claimed = await self._claim(task, member_id)
        finally:
            if not isinstance(claimed, RetrieveTask):
                self._meters.take_back(task, now, dry_run=verdict.dry_run)
                self._came_free()
            self._entering -= 1
            if not self.unsure:
                self._waiters.sure()
        if isinstance(claimed, TurnedAway):
            self.see(claimed.situation)
            if claimed.verdict.scope is not Scope.TASK and isinstance(self._ask(task, usage, _now()), Open):
                await asyncio.sleep(_DISPUTED)  # such as by a stray of ours
            return claimed.verdict
        return None if claimed is None else Admitted(claimed, verdict.dry_run, now, member_id)

    async def _claim(self, task: RetrieveTask, member_id: int | None) -> RetrieveTask | TurnedAway | None:
        """On a shared journal the gates are asked once more, by what all engines have under way: of what is
        left for one, two may not take it. None as well: we are not that member any more."""
        if not self._store.shared:
            return await self._store.claim(task.id, task.updated)
        since = self._midnight() if self._counts(task) else None
        rated, bounded = self._meters.rated(task), self._meters.bounded(task)
        claimed = await self._store.enter(Applicant(task, partial(self._judge, task), since, rated, bounded))
        # Cast out meanwhile: others have taken it over, or it is a stray of ours
        return None if member_id != self._store.member_id else claimed

    def _judge(self, task: RetrieveTask, situation: Situation, used: Used | None) -> Open | Closed:
        """In the thread of the journal."""
        load = Load(*self._meters.traffic_in(situation, task.request), _usage_of(used))
        return admit(task, self._policy, load, situation.now)

    def see(self, situation: Situation) -> None:
        """What other engines do."""
        self._meters.see(situation, self._store.member_id)


def _usage_of(used: Used | None) -> Usage:
    return Usage() if used is None else Usage(used.siblings, Spent(*used.order), Spent(*used.patient))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
