"""What the log says of a task: a line a step, with the numbers by which it is found."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from engine.logs import Extra, Fields, about
from engine.retrieve.gate import Closed
from engine.retrieve.outcome import Outcome, TaskStatus
from engine.retrieve.task import RetrieveTask

_log = logging.getLogger("engine.dispatcher")


def begins(task: RetrieveTask, *, dry_run: bool) -> None:
    """An attempt."""
    what = "C-FIND" if not task.is_move else "dry run" if dry_run else "C-MOVE"
    request = task.request
    extra = _of("began", task)
    extra["fields"]["attempt"] = task.attempts
    sentence = "task %d begins: %s, from %s to %s, attempt %d"
    _log.info(sentence, task.id, what, request.archive, request.destination, task.attempts, extra=extra)


def answered(task: RetrieveTask, outcome: Outcome) -> None:
    """A question. What was not found is not quoted: it may name a study."""
    text = outcome.text if outcome.status is TaskStatus.COMPLETED else f"{outcome.status}: {outcome.cause}"
    _log.info("task %d: %s", task.id, text, extra=_ended("finished", task, outcome))


def finished(task: RetrieveTask, outcome: Outcome) -> None:
    """For good."""
    level = logging.INFO if outcome.arrived else logging.WARNING
    extra = _ended("finished", task, outcome)
    sentence = "task %d %s: %s (%s)"
    _log.log(level, sentence, task.id, outcome.status, outcome.cause, outcome.counters, extra=extra)


def retried(task: RetrieveTask, outcome: Outcome, at: dt.datetime) -> None:
    """An attempt has failed, and there will be another."""
    extra = _ended("retried", task, outcome)
    extra["fields"]["until"] = at.isoformat()
    _log.warning("task %d failed (%s); tried again at %s", task.id, outcome.cause, at, extra=extra)


def refused(task: RetrieveTask, verdict: Closed) -> None:
    """By a gate."""
    _log.warning("task %d is refused: %s", task.id, verdict.reason, extra=_gated("refused", task, verdict))


def held(task: RetrieveTask, verdict: Closed) -> None:
    """For a person."""
    _log.warning("task %d is held: %s", task.id, verdict.reason, extra=_gated("held", task, verdict))


def wait(tasks: Sequence[RetrieveTask], verdict: Closed) -> None:
    """For the same gate."""
    extra = _gated("waits", tasks[0], verdict)
    extra["fields"]["tasks"] = [task.id for task in tasks]
    _log.info("task %d waits, and %d more: %s", tasks[0].id, len(tasks) - 1, verdict.reason, extra=extra)


def expired(task: RetrieveTask) -> None:
    """A held one."""
    extra = _of("finished", task) if task.outcome is None else _ended("finished", task, task.outcome)
    _log.warning("task %d has failed: nobody approved it in time", task.id, extra=extra)


def dropped(task: RetrieveTask, outcome: Outcome) -> None:
    """What came of an attempt, for the task is another's or has ended."""
    sentence = "task %d has changed meanwhile; this outcome is dropped: %s"
    _log.info(sentence, task.id, outcome.cause, extra=_ended("dropped", task, outcome))


def interrupted(task: RetrieveTask, why: Exception | None = None) -> None:
    """It goes on when forefetch is started again."""
    extra = _of("interrupted", task)
    if why is None:
        _log.info("task %d goes on at the next start", task.id, extra=extra)
    else:
        _log.error("task %d goes on at the next start: %s", task.id, why, extra=extra)


def failed(task: RetrieveTask) -> None:
    """By a fault of ours, which is being dealt with."""
    _log.exception("task %d could not be carried out or concluded", task.id, extra=_of("failed", task))


def subjects(task: RetrieveTask) -> Fields:
    """What a line of a task is about, whoever logs it."""
    found = Fields(task=task.id, archive=task.request.archive, destination=task.request.destination)
    if task.message_id is not None:
        found["message"] = task.message_id
    return found


def _of(step: str, task: RetrieveTask) -> Extra:
    return about(step, **subjects(task))


def _gated(step: str, task: RetrieveTask, verdict: Closed) -> Extra:
    extra = _of(step, task)
    extra["fields"]["gate"] = verdict.gate.value
    return extra


def _ended(step: str, task: RetrieveTask, outcome: Outcome) -> Extra:
    extra = _of(step, task)
    extra["fields"] |= {"status": outcome.status.value, "cause": outcome.cause.value}
    if counters := outcome.counters.by_name:
        extra["fields"]["counters"] = counters
    return extra
