"""Why tasks wait: the gates asked from outside, with what the journal and the configuration tell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

from engine.config import Config
from engine.retrieve.gate import Closed, admit
from engine.retrieve.load import Load, Traffic
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.policy import Policy
from engine.retrieve.task import RetrieveTask
from engine.store import Closure, Standing, standing


def holds(path: str | Path, config: Config, tasks: Iterable[RetrieveTask]) -> dict[int, str]:
    """By the number of each task that is not final: the gate that holds it, and until when where that is
    known; or why another attempt is made. Tasks that only wait for their turn are left out.

    StoreError: there is no journal, or none that can be read.
    """
    now = standing(path)
    policy = config.policy(switch_on=True)  # the engine's environment is not this one's; it holds what is off
    sentences = ((task.id, _hold(task, now, policy)) for task in tasks if not task.status.final)
    return {task_id: sentence for task_id, sentence in sentences if sentence}


def _hold(task: RetrieveTask, now: Standing, policy: Policy) -> str:
    if task.status is TaskStatus.IN_PROGRESS:
        return ""
    if task.status is TaskStatus.HELD:
        return _own(task)
    if task.not_before is not None and task.not_before > _now():
        return _own(task) + _until(task.not_before) if task.reason else f"due{_until(task.not_before, ' at')}"
    # What it waited for itself is over; a gate that holds it now tells more
    return _gates(task, now, policy) or _own(task)


def _own(task: RetrieveTask) -> str:
    """What was noted of it alone: a gate, or the attempt that failed."""
    return f"{task.gate}: {task.reason}" if task.gate else task.reason


def _gates(task: RetrieveTask, now: Standing, policy: Policy) -> str:
    """The gate that holds everything of its kind, empty where none does."""
    request = task.request
    for scope, name in (("archive", request.archive), ("destination", request.destination)):
        for closure in now.closures:
            if (closure.scope, closure.name) == (scope, name) and (task.is_move or scope == "archive"):
                return _closure(closure)
    traffic = (
        Traffic(now.running_from.get(request.archive, 0)),
        Traffic(now.running_to.get(request.destination, 0)),
    )
    verdict = admit(task, policy, Load(*traffic), _now())
    return f"{verdict.gate}: {verdict.reason}{_until(verdict.until)}" if isinstance(verdict, Closed) else ""


def _closure(closure: Closure) -> str:
    return f"{closure.gate}: {closure.reason}{_until(closure.until)}"


def _until(time: dt.datetime | None, word: str = ", until") -> str:
    """A time that is still to come, as it is at this machine."""
    return f"{word} {time.astimezone():%Y-%m-%d %H:%M:%S}" if time is not None and time > _now() else ""


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
