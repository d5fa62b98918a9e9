"""What may become of a task from one life to the next, and what must not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator

from engine.retrieve.outcome import TaskStatus
from engine.store import Event
from tests.crash.hospital import RETRIES, Hospital
from tests.crash.journal import KeptTask, Snapshot

_FIXED = (
    *("message_id", "parent_id", "archive", "destination", "kind", "selector", "alike"),
    *("study_uid", "series_uid", "patient", "created_at"),
)
_HOLDING = frozenset({"held", "expiring"})
_RETRYING = frozenset({"retried", "failing", "verified", "skipped"})
_SPENT = frozenset({"unable-to-process", "out-of-resources-suboperations", "missing-at-destination"})
"""What is tried again as long as the schedule goes."""


def changed(before: Snapshot, now: Snapshot) -> Iterator[str]:
    """What has changed in the tasks that were there before and must not."""
    for number, task in before.tasks.items():
        later = now.tasks.get(number)
        if later is None:
            yield f"task {number} is gone"
        else:
            yield from (f"task {number} {fault}" for fault in _changed(task, later))


def _changed(task: KeptTask, later: KeptTask) -> Iterator[str]:
    added = later.story[len(task.story) :]
    retried = [line for line in added if line.event is Event.RETRIED]
    if any(task.row[column] != later.row[column] for column in _FIXED):
        yield "is another one now"
    if later.story[: len(task.story)] != task.story:
        yield "has another story now"
    if later.attempts < task.attempts or (later.failures < task.failures and not retried):
        yield "has fewer attempts or failures now"
    if (task.approved and not later.approved) or task.row["expedited"] > later.row["expedited"]:
        yield "is no longer approved or expedited"
    if not task.status.final or later == task:
        return
    # Only `forefetch retry` brings a task back: not one that has arrived, and what it came to is told first
    if not retried or added[0] is not retried[0] or task.status is TaskStatus.COMPLETED:
        yield f"had ended {task.status} and is changed"
    elif retried[0].outcome != task.row["outcome"]:
        yield "was tried again by a person, and its story has lost what it had come to"


def untrue(now: Snapshot) -> Iterator[str]:
    """What contradicts itself."""
    for number, task in now.tasks.items():
        yield from (f"task {number} {fault}" for fault in _untrue(task))


def _untrue(task: KeptTask) -> Iterator[str]:
    routes = _routes(task)
    events = [line.event for line in task.story]
    since = events[len(events) - events[::-1].index(Event.RETRIED) :] if Event.RETRIED in events else events
    told = since.count(Event.ATTEMPT_FAILED)
    if told != task.failures:
        yield f"has failed {task.failures} times, of which its story tells {told}"
    if task.failures > (RETRIES if routes <= _RETRYING else 0):
        yield f"has failed {task.failures} times, more often than it is to be tried again"
    failed = task.status is TaskStatus.FAILED and task.row["cause"] in _SPENT
    if routes <= _RETRYING and failed and task.failures < RETRIES:
        yield f"was given up after {task.failures} failures"
    if any(line.event is Event.ATTEMPT_FAILED and not line.outcome for line in task.story):
        yield "has an attempt in its story that came to nothing known"
    if routes <= _HOLDING and task.attempts and not task.approved:
        yield "was claimed, and nobody had approved it"
    if task.status is TaskStatus.HELD and task.approved:
        yield "is held, and was approved"


def moved_too_soon(
    now: Snapshot, asked: Iterable[str], full: Collection[str], *, opened: bool
) -> Iterator[str]:
    """The studies ``asked`` for in a life though nobody had approved it, though the window of its route was
    not ``opened``, or though it was at the workstation (``full``) before the life and is to be skipped."""
    moves = now.moves()
    for uid in asked:
        for task in moves.get(uid, []):
            routes = _routes(task)
            if routes <= _HOLDING and not task.approved:
                yield f"{uid} was moved, and nobody had approved it"
            if routes == {"closed"} and not opened and not task.row["expedited"]:
                yield f"{uid} was moved outside its window"
            if routes == {"skipped"} and len(moves[uid]) == 1 and uid in full:
                yield f"{uid} was moved, and was there already"


def skippable(now: Snapshot, site: Hospital) -> frozenset[str]:
    """The studies that are at the workstation and must not be moved again, though their task goes on."""
    return frozenset(
        task.study_uid
        for task in now.tasks.values()
        if not task.status.final and _routes(task) == {"skipped"} and site.holds(task.study_uid)
    )


def _routes(task: KeptTask) -> set[str]:
    return set(json.loads(task.row["routes"]))
