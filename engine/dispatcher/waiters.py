"""Those who wait until the tasks of a message have ended, or rest."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterable

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import Store


class Waiters:
    """Told by the dispatcher whenever something has changed for a message."""

    def __init__(self, store: Store, as_held: Callable[[RetrieveTask], RetrieveTask]) -> None:
        """``as_held`` adds the gate that holds a task with all others of its kind."""
        self._store = store
        self._as_held = as_held
        self._events: dict[int, list[asyncio.Event]] = {}
        self._awaited: dict[asyncio.Event, set[int] | None] = {}  # open tasks; None: being looked at

    @property
    def messages(self) -> tuple[int, ...]:
        """The messages that somebody waits for."""
        return tuple(self._events)

    def tell(self, messages: Iterable[int]) -> None:
        """Have those who wait for these messages look again."""
        for message_id in messages:
            for event in self._events.get(message_id, ()):
                event.set()

    def ended(self, task_id: int) -> None:
        """A task is under way no more: have those look again who wait for it, as all the others may rest."""
        for event, awaited in self._awaited.items():
            if awaited is None or task_id in awaited:
                event.set()

    async def settled(self, message_id: int, timeout: float | None) -> bool:
        """Wait until every task of a message is final; whether it is.

        With a ``timeout`` (seconds) no longer than that, nor when nothing can come of it: what is not final
        is held, or not due before the time is over.
        """
        event = asyncio.Event()
        self._events.setdefault(message_id, []).append(event)
        limit = None if timeout is None else dt.datetime.now(dt.UTC) + dt.timedelta(seconds=timeout)
        try:
            async with asyncio.timeout(timeout):
                while True:
                    event.clear()
                    self._awaited[event] = None
                    open_tasks = [it for it in await self._store.tasks_of(message_id) if not it.status.final]
                    if not open_tasks:
                        return True
                    if limit is not None and all(_rests(self._as_held(task), limit) for task in open_tasks):
                        return False
                    self._awaited[event] = {task.id for task in open_tasks}
                    await event.wait()
        except TimeoutError:
            return False
        finally:
            self._awaited.pop(event, None)
            self._events[message_id].remove(event)
            if not self._events[message_id]:
                del self._events[message_id]


def _rests(task: RetrieveTask, until: dt.datetime) -> bool:
    """Whether nothing will happen to it of itself before a time."""
    if task.status is TaskStatus.HELD:
        return True
    waits = task.status is TaskStatus.SCHEDULED and task.not_before is not None
    return waits and task.not_before is not None and task.not_before > until
