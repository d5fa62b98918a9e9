"""Tasks of a selection, and the sum of all of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.config import Config
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import Selection, count_causes, count_tasks
from engine.telling.line import STYLES, Line
from engine.waiting import Hold, lines
from engine.waiting import Line as Waiting

NO_ENGINE = "no forefetch serves this journal: what messages ask for waits until `forefetch serve` is started"
AT_THE_NEXT_START = (
    "no forefetch serves this journal: for what messages ask for it takes effect at the next start"
)


@dataclass(frozen=True, slots=True)
class Summary:
    """Of all tasks of a selection: how many have each status, what those wait for that wait, and why the
    others have not arrived."""

    counts: dict[TaskStatus, int]
    waiting: list[Waiting]
    causes: dict[tuple[TaskStatus, Cause], int]


def summary_of(config: Config, selection: Selection) -> Summary:
    """StoreError: there is no journal, or none that can be read."""
    path = config.engine.store
    counts = {status: count for status, count in count_tasks(path, selection).items() if count}
    return Summary(counts, lines(path, config, selection), count_causes(path, selection))


def summary_dict(summary: Summary) -> dict[str, Any]:
    causes = summary.causes.items()
    return {
        "counts": {str(status): count for status, count in summary.counts.items()},
        "waiting": [{"count": line.count, **hold_dict(line.hold)} for line in summary.waiting],
        "causes": [
            {"status": str(status), "cause": str(it), "count": count} for (status, it), count in causes
        ],
    }


def summary_lines(summary: Summary) -> Iterator[Line]:
    """Such as "312 wait: window: archive main moves only …" and "41 FAILED: 38 unreachable, 3 not-found"."""
    yield Line(", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "no such tasks")
    for line in summary.waiting:
        held = line.hold is not None and line.hold.held
        what = "their turn" if line.hold is None else str(line.hold)
        yield Line(f"{line.count} {'held' if held else 'wait'}: {what}", "yellow" if held else "")
    for status in dict.fromkeys(status for status, _ in summary.causes):
        causes = [f"{count} {cause}" for (ended, cause), count in summary.causes.items() if ended is status]
        if causes:
            yield Line(f"{summary.counts[status]} {status}: {', '.join(causes)}", STYLES[status])


def task_dict(task: RetrieveTask, hold: Hold | None) -> dict[str, Any]:
    request, outcome = task.request, task.outcome
    return {
        "task": task.id,
        "message": task.message_id,
        "status": str(task.status),
        "what": str(request.selector),
        "from": request.archive,
        "to": request.destination,
        "routes": list(request.routes),
        "priority": request.priority.name,
        "attempts": task.attempts,
        "failures": task.failures,
        "changed": task.updated.isoformat(),
        **hold_dict(hold),
        "outcome": None if outcome is None else outcome_dict(outcome),
    }


def hold_dict(hold: Hold | None) -> dict[str, Any]:
    if hold is None:
        return {"gate": "", "reason": "", "until": None}
    return {"gate": hold.gate, "reason": hold.reason, "until": _iso(hold.until)}


def outcome_dict(outcome: Outcome) -> dict[str, Any]:
    return {
        "cause": str(outcome.cause),
        "text": outcome.text,
        "cure": outcome.cure,
        "arrived": outcome.arrived,
        "dicom_status": None if outcome.dicom_status is None else f"{outcome.dicom_status:04X}",
    }


def _iso(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat()
