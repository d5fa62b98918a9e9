"""Those who wait until the tasks of a message have ended, or rest."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import Store


@dataclass(slots=True, eq=False)
class _Waiter:
    """One who waits, no longer than to ``limit``. ``open_tasks``: as of the last look, without those that are
    under way no more; None: it is looking."""

    limit: dt.datetime | None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    open_tasks: dict[int, RetrieveTask] | None = None
    settled: bool = False


class Waiters:
    """Told by the dispatcher whenever something has changed for a message."""

    def __init__(
        self, store: Store, as_held: Callable[[RetrieveTask], RetrieveTask], unsure: Callable[[], bool]
    ) -> None:
        """``as_held`` adds the gate that holds a task with all others of its kind; ``unsure``: whether it
        cannot be told now. When it can again, `sure` has to be called."""
        self._store = store
        self._as_held = as_held
        self._unsure = unsure
        self._waiters: dict[int, list[_Waiter]] = {}  # by message
        self._pressed: set[_Waiter] = set()  # those that wait only for so long
        self._asking: set[_Waiter] = set()  # those that have asked when nobody knew

    @property
    def messages(self) -> tuple[int, ...]:
        """The messages that somebody waits for."""
        return tuple(self._waiters)

    def tell(self, messages: Iterable[int]) -> None:
        """Have those who wait for these messages look again."""
        for message_id in messages:
            for waiter in self._waiters.get(message_id, ()):
                waiter.news.set()

    def settle(self, messages: Iterable[int]) -> None:
        """Tell those who wait for these messages that all their tasks have ended."""
        for message_id in messages:
            for waiter in self._waiters.get(message_id, ()):
                waiter.settled = True
                waiter.news.set()

    def ended(self, task_id: int) -> None:
        """A task is under way no more: have those look again who wait for it, if all the others rest."""
        for waiter in self._pressed:
            awaited = waiter.open_tasks
            if awaited is None or (awaited.pop(task_id, None) is not None and self._all_rest(waiter)):
                waiter.news.set()

    def sure(self) -> None:
        """Which gates hold what can be told again."""
        asking, self._asking = self._asking, set()
        for waiter in asking:
            if self._all_rest(waiter):
                waiter.news.set()

    async def settled(self, message_id: int, timeout: float | None) -> bool:
        """Wait until every task of a message is final; whether it is.

        With a ``timeout`` (seconds) no longer than that, nor when nothing can come of it: what is not final
        is held, or not due before the time is over.
        """
        limit = None if timeout is None else dt.datetime.now(dt.UTC) + dt.timedelta(seconds=timeout)
        waiter = _Waiter(limit)
        self._waiters.setdefault(message_id, []).append(waiter)
        if limit is not None:
            self._pressed.add(waiter)
        try:
            async with asyncio.timeout(timeout):
                return await self._wait(waiter, message_id)
        except TimeoutError:
            return False
        finally:
            self._pressed.discard(waiter)
            self._asking.discard(waiter)
            self._waiters[message_id].remove(waiter)
            if not self._waiters[message_id]:
                del self._waiters[message_id]

    async def _wait(self, waiter: _Waiter, message_id: int) -> bool:
        while not waiter.settled:
            waiter.news.clear()
            waiter.open_tasks = None
            found = await self._store.open_tasks_of(message_id)
            if not found:
                return True
            waiter.open_tasks = {task.id: task for task in found}
            if not waiter.settled and self._all_rest(waiter):
                return False
            await waiter.news.wait()
        return True

    def _all_rest(self, waiter: _Waiter) -> bool:
        limit = waiter.limit
        if limit is None or waiter.open_tasks is None:
            return False
        if self._unsure():
            self._asking.add(waiter)
            return False
        return all(_rests(self._as_held(task), limit) for task in waiter.open_tasks.values())


def _rests(task: RetrieveTask, until: dt.datetime) -> bool:
    """Whether nothing will happen to it of itself before a time."""
    if task.status is TaskStatus.HELD:
        return True
    waits = task.status is TaskStatus.SCHEDULED and task.not_before is not None
    return waits and task.not_before is not None and task.not_before > until
