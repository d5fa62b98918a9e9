"""The verb that lists retrieve tasks and sums them up."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load, style
from engine.cli.selecting import (
    ArchiveName,
    CauseWord,
    DestinationName,
    GateWord,
    Message,
    RouteName,
    Since,
    Status,
    selection_of,
)
from engine.retrieve.outcome import Cause, TaskStatus

if TYPE_CHECKING:
    from engine.config import Config
    from engine.retrieve.outcome import Outcome
    from engine.retrieve.task import RetrieveTask
    from engine.store import Selection
    from engine.waiting import Hold, Line

_NO_ENGINE = "no forefetch serves this journal: nothing moves until `forefetch serve` is started"


def tasks(
    config: ConfigPath = DEFAULT_CONFIG,
    status: Status = None,
    cause: CauseWord = None,
    gate: GateWord = None,
    message: Message = None,
    route: RouteName = None,
    archive: ArchiveName = None,
    destination: DestinationName = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=0, help="list at most so many, newest first")] = 50,
    json: Annotated[bool, typer.Option("--json", help="print plain JSON, times in UTC")] = False,
) -> None:
    """List retrieve tasks, newest first; then, of all that were selected, what they wait for and why they
    failed."""
    from engine.store import is_running, list_tasks
    from engine.waiting import holds

    settings = load(config, try_files=False)
    path = settings.engine.store
    selection = selection_of(status, cause, gate, message, route, archive, destination, since)
    found = list_tasks(path, selection, limit=limit)
    reasons = holds(path, settings, found)
    summary = _summary(settings, selection)
    running = is_running(path)
    if json:
        told = [_task_dict(task, reasons.get(task.id)) for task in found]
        console().print_json(data={"engine": running, **_summary_dict(summary), "tasks": told})
        return
    if found:
        _print_table(found, reasons)
    _print_summary(summary)
    if not running:
        console().print(_NO_ENGINE, style="yellow")


@dataclass(frozen=True, slots=True)
class _Summary:
    """Of all tasks of a selection: how many have each status, what those wait for that wait, and why the
    others have not arrived."""

    counts: dict[TaskStatus, int]
    waiting: list[Line]
    causes: dict[tuple[TaskStatus, Cause], int]


def _summary(settings: Config, selection: Selection) -> _Summary:
    from engine.store import count_causes, count_tasks
    from engine.waiting import lines

    path = settings.engine.store
    counts = {status: count for status, count in count_tasks(path, selection).items() if count}
    return _Summary(counts, lines(path, settings, selection), count_causes(path, selection))


def _summary_dict(summary: _Summary) -> dict[str, Any]:
    causes = summary.causes.items()
    return {
        "counts": {str(status): count for status, count in summary.counts.items()},
        "waiting": [{"count": line.count, **_hold_dict(line.hold)} for line in summary.waiting],
        "causes": [
            {"status": str(status), "cause": str(it), "count": count} for (status, it), count in causes
        ],
    }


def _print_table(found: list[RetrieveTask], reasons: dict[int, Hold]) -> None:
    from rich.table import Table

    table = Table("task", "message", "status", "what", "from", "to", "tries", "outcome", box=None)
    for task in found:
        table.add_row(
            str(task.id),
            str(task.message_id or ""),
            task.status.value,
            str(task.request.selector),
            task.request.archive,
            task.request.destination,
            str(task.attempts),
            task.outcome.sentence if task.outcome is not None else str(reasons.get(task.id, "")),
            style=style(task.status),
        )
    console().print(table)


def _print_summary(summary: _Summary) -> None:
    """Such as "312 wait: window: archive main moves only …" and "41 FAILED: 38 unreachable, 3 not-found"."""
    out = console()
    out.print(", ".join(f"{count} {status}" for status, count in summary.counts.items()) or "no such tasks")
    for line in summary.waiting:
        held = line.hold is not None and line.hold.held
        what = "their turn" if line.hold is None else str(line.hold)
        out.print(f"{line.count} {'held' if held else 'wait'}: {what}", style="yellow" if held else "")
    for status in dict.fromkeys(status for status, _ in summary.causes):
        causes = [f"{count} {cause}" for (ended, cause), count in summary.causes.items() if ended is status]
        if causes:
            out.print(f"{summary.counts[status]} {status}: {', '.join(causes)}", style=style(status))


def _task_dict(task: RetrieveTask, hold: Hold | None) -> dict[str, Any]:
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
        **_hold_dict(hold),
        "outcome": None if outcome is None else _outcome_dict(outcome),
    }


def _hold_dict(hold: Hold | None) -> dict[str, Any]:
    if hold is None:
        return {"gate": "", "reason": "", "until": None}
    return {"gate": hold.gate, "reason": hold.reason, "until": _iso(hold.until)}


def _outcome_dict(outcome: Outcome) -> dict[str, Any]:
    return {
        "cause": str(outcome.cause),
        "text": outcome.text,
        "cure": outcome.cure,
        "arrived": outcome.arrived,
        "dicom_status": None if outcome.dicom_status is None else f"{outcome.dicom_status:04X}",
    }


def _iso(time: dt.datetime | None) -> str | None:
    return None if time is None else time.isoformat()
