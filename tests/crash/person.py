"""A person at another terminal: what is done to tasks from outside, while an engine lives or is dead."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import Verb
from engine.store import Event, operate
from tests.crash.hospital import Hospital, calling
from tests.crash.journal import KeptTask, LiveTask, Snapshot, look
from tests.crash.orders import Order

_LIVE = frozenset({TaskStatus.SCHEDULED, TaskStatus.HELD, TaskStatus.IN_PROGRESS})
_UNDER_WAY = frozenset({TaskStatus.IN_PROGRESS})
_WHEN = {
    Verb.APPROVE: frozenset({TaskStatus.HELD}),
    Verb.EXPEDITE: frozenset({TaskStatus.SCHEDULED}),
    Verb.CANCEL: _LIVE,
    Verb.RETRY: frozenset({TaskStatus.FAILED}),
}
_EVENTS = {
    Event.APPROVED: Verb.APPROVE,
    Event.EXPEDITED: Verb.EXPEDITE,
    Event.CANCELED: Verb.CANCEL,
    Event.RETRIED: Verb.RETRY,
}


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that is committed. ``life`` is the one that it came in, or the last one where none was on;
    ``attempts`` those of its task when it was done."""

    verb: Verb
    task: int
    life: int
    attempts: int


class Person:
    """Does to tasks what the orders for them say, each once. ``deeds`` is what was done."""

    def __init__(self, site: Hospital) -> None:
        self.deeds: list[Deed] = []
        self._site = site
        self._wanted: dict[str, tuple[Verb, frozenset[TaskStatus]]] = {}  # by study; and when

    def expect(self, order: Order) -> None:
        """An order is going to be sent."""
        if order.verb is not None:
            when = _UNDER_WAY if order.under_way else _WHEN[order.verb]
            self._wanted |= dict.fromkeys(order.studies, (order.verb, when))

    def act(self, life: int, rng: random.Random, share: float = 0.5) -> bool:
        """Do some of what can be done now; whether anything was."""
        chosen = [task for task in look(self._site.journal, self._wanted) if self._may(task)]
        done = [self._do(task, life) for task in chosen if rng.random() < share]
        return any(done)

    def _may(self, task: LiveTask) -> bool:
        return task.status in self._wanted[task.study_uid][1]

    def _do(self, task: LiveTask, life: int) -> bool:
        verb, _ = self._wanted[task.study_uid]
        (done,) = operate(self._site.journal, verb, [task.id], "tester")
        if done.done:
            del self._wanted[task.study_uid]
            (now,) = look(self._site.journal, [task.study_uid])
            self.deeds.append(Deed(verb, task.id, life, now.attempts))
        return done.done

    def audit(self, now: Snapshot, life: int) -> Iterator[str]:
        """What was done stays done, and nothing else was done in a person's name."""
        asked = self._site.moves().get(calling(life), Counter())
        for deed in self.deeds:
            task = now.tasks.get(deed.task)
            if task is None:
                continue  # `changed` tells
            moved_later = life > deed.life and asked[task.study_uid]
            if deed.verb is Verb.APPROVE and not task.approved:
                yield f"task {deed.task} was approved, and is not"
            if deed.verb is Verb.EXPEDITE and not task.row["expedited"]:
                yield f"task {deed.task} was expedited, and is not"
            if deed.verb is Verb.CANCEL and not self._stopped(task):
                yield f"task {deed.task} was canceled, and is {task.status}"
            if deed.verb is Verb.CANCEL and (task.attempts > deed.attempts or moved_later):
                yield f"task {deed.task} was moved after it had been canceled"
        done = Counter((deed.task, deed.verb) for deed in self.deeds)
        for number, task in now.tasks.items():
            for event, verb in _EVENTS.items():
                if task.told(event) != done[number, verb]:
                    yield f"task {number}: {event} {task.told(event)} times, {done[number, verb]} by a person"

    def _stopped(self, task: KeptTask) -> bool:
        if task.status is TaskStatus.IN_PROGRESS:
            return bool(task.row["cancel_requested"])
        arrived = task.status is TaskStatus.COMPLETED and self._site.holds(task.study_uid)
        return arrived or task.status is TaskStatus.CANCELED
