"""Why tasks wait: the gates asked from outside, with what the journal and the configuration tell."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from engine.config import Config
from engine.retrieve.budget import Budget
from engine.retrieve.gate import Closed, Gate, Open, Then, admit
from engine.retrieve.load import Load, Traffic, Usage
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.policy import Policy, terms
from engine.retrieve.selector import Study
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from engine.store import Closure, Selection, Standing, is_taken, queues, standing

RETRY, SCHEDULE = "retry", "schedule"
"""What is no gate and yet makes a task wait: another attempt, and the time that its message names."""

_IDLE = Standing({}, {}, ())


@dataclass(frozen=True, slots=True)
class Hold:
    """What a task waits for: a gate of docs/gates.md, ``operator``, `RETRY` or `SCHEDULE`; ``until`` when
    that is known to end (of what is held: when the time for approval is over)."""

    gate: str
    reason: str
    until: dt.datetime | None = None
    held: bool = False

    def __str__(self) -> str:
        return self.told(None)

    def told(self, zone: dt.tzinfo | None) -> str:
        """Such as ``window: its route moves only ..., until ...``; the time as of `local`."""
        text = f"{self.gate}: {self.reason}" if self.reason else self.gate
        if self.until is None or self.until <= _now():
            return text
        word = "expires" if self.held else "until"
        return f"{text}, {word} {local(self.until, zone)}"


@dataclass(frozen=True, slots=True)
class Line:
    """How many tasks wait for the same thing; None: only for their turn. The earliest ``until`` counts."""

    count: int
    hold: Hold | None


def holds(where: str | Path, config: Config, tasks: Iterable[RetrieveTask]) -> dict[int, Hold]:
    """By the number of each task that waits: what for. Tasks that only wait for their turn are left out.

    StoreError: there is no journal, or none that can be read.
    """
    now, policy = _situation(where, config)
    found = ((task.id, _hold(task, now, policy)) for task in tasks)
    return {task_id: hold for task_id, hold in found if hold is not None}


def lines(where: str | Path, config: Config, selection: Selection) -> list[Line]:
    """What the waiting tasks of a selection wait for, the most frequent first. StoreError as for `holds`."""
    now, policy = _situation(where, config)
    counted: dict[tuple[str, str, bool], Line] = {}
    for queue in queues(where, selection):
        alike = replace(
            queue.task, reason=queue.reason, not_before=queue.first_due, expires=queue.first_expiry
        )
        hold = _hold(alike, now, policy)
        key = (hold.gate, hold.reason, hold.held) if hold is not None else ("", "", False)
        counted[key] = _added(counted.get(key), Line(queue.count, hold))
    return sorted(counted.values(), key=lambda line: (-line.count, line.hold is None, str(line.hold)))


def _added(one: Line | None, other: Line) -> Line:
    if one is None or one.hold is None or other.hold is None:
        return other if one is None else Line(one.count + other.count, None)
    first = min((it.until for it in (one.hold, other.hold) if it.until is not None), default=None)
    return Line(one.count + other.count, replace(one.hold, until=first))


def foresee(
    request: RetrieveRequest, policy: Policy, now: dt.datetime, siblings: int | None = None
) -> list[str]:
    """How the gate stands for the studies of a request that is not made yet, at the time at which it is due:
    what is closed, and what may close for reasons that are not known here; empty where it is open.

    ``siblings``: how many studies its message moves, None where that is not known.
    """
    at = now if request.due is None else max(now, request.due)
    move = replace(request, selector=Study("1"))  # a question passes fewer gates than what it will find
    task = RetrieveTask(0, move, TaskStatus.SCHEDULED, now, now)
    closed = list(dict.fromkeys(_closed(task, policy, Load(usage=Usage(siblings or 1)), at)))
    told = [f"closed ({it.gate}): {it.reason}{_opens(it, policy.zone)}" for it in closed]
    rule = terms(policy, request.routes)
    if rule.dry_run or policy.dry_run:
        return [*told, "open for a dry run: nothing is moved"]
    if siblings is None and rule.hold is not None and rule.hold.over:
        told.append(f"may close (approval): where its message moves more than {rule.hold.over} studies")
    if Budget() != policy.order or Budget() != policy.patient_day:
        told.append("may close (budget): what was moved before is not looked at here")
    return told


def _closed(task: RetrieveTask, policy: Policy, load: Load, at: dt.datetime) -> Iterator[Closed]:
    """What is closed; and what still would be, were retrieval switched on, and were it approved."""
    switched_on = replace(policy, switch_on=True)
    approved = replace(task, approved=True)
    for one, rules in ((task, policy), (task, switched_on), (approved, switched_on)):
        verdict = admit(one, rules, load, at)
        if isinstance(verdict, Closed):
            yield verdict


def _opens(closed: Closed, zone: dt.tzinfo) -> str:
    if closed.until is None or closed.then is not Then.WAIT:
        return ""
    return f", until {local(closed.until, zone)}"


def local(time: dt.datetime, zone: dt.tzinfo | None = None) -> str:
    """A time as a clock in this zone shows it; None: as that of this machine does."""
    return f"{time.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _situation(where: str | Path, config: Config) -> tuple[Standing, Policy]:
    """Where nobody holds the journal nothing is under way, whatever was left behind. An engine's environment
    is not ours: what the switch holds is noted with the tasks."""
    now = standing(where)
    return now if is_taken(where) else _IDLE, config.policy(switch_on=True)


def _hold(task: RetrieveTask, now: Standing, policy: Policy) -> Hold | None:
    if task.status is TaskStatus.HELD:
        return Hold(task.gate, task.reason, task.expires, held=True)
    if task.status is not TaskStatus.SCHEDULED:
        return None
    if task.not_before is not None and task.not_before > _now():
        gate = task.gate or (RETRY if task.reason or task.failures else SCHEDULE)
        return Hold(gate, task.reason, task.not_before)
    closure = next((it for it in now.closures if _concerns(it, task)), None)
    if closure is not None:
        return Hold(closure.gate, closure.reason, closure.until)
    request = task.request
    archive = Traffic(now.running_from.get(request.archive, 0))
    destination = Traffic(now.running_to.get(request.destination, 0))
    verdict = admit(task, policy, Load(archive, destination), _now())
    if isinstance(verdict, Open):
        return None
    asked = verdict.then is Then.HOLD  # the time for approval begins when it is held
    return Hold(verdict.gate.value, verdict.reason, None if asked else verdict.until)


def _concerns(closure: Closure, task: RetrieveTask) -> bool:
    """Rates hold moves that nobody has expedited; a breaker of an archive holds its questions too."""
    names = {"archive": task.request.archive, "destination": task.request.destination}
    if names.get(closure.scope) != closure.name:
        return False
    if closure.gate == Gate.RATE.value:
        return task.is_move and not task.expedited
    return task.is_move or closure.scope == "archive"


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
