"""Verbs that show retrieve tasks: tasks, and task for the whole story of one."""

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
    Number,
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
    from engine.store import Line as StoryLine
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

    settings = load(config)
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


def task(number: Number, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Tell the whole story of one task: who asked, what was chosen, every attempt, what people did."""
    from engine.store import story_of
    from engine.waiting import holds, local

    settings = load(config)
    path = settings.engine.store
    story = story_of(path, number)
    if story is None:
        raise typer.BadParameter(f"there is no task {number}", param_hint="NUMBER")
    _tell_task(story.task, holds(path, settings, [story.task]).get(number))
    out = console()
    for asked in story.messages:
        out.print(
            f"  asked for by message {asked.id}, {asked.message_type} {asked.control_id} "
            f"of {local(asked.received_at)}; answered {asked.ack_code or 'not yet'}"
        )
    for choice in story.task.choices:
        out.print(f"  {'✓' if choice.taken else '✗'} {choice.study_uid} {choice.reason}", style="dim")
    for line in story.lines:
        _tell_line(line)
    for child in story.children:
        out.print(
            f"  led to task {child.id}: {child.request.selector}, {child.status}", style=style(child.status)
        )


def _tell_line(line: StoryLine) -> None:
    from engine.waiting import local

    out = console()
    out.print(f"  {local(line.at)} {line.event}: {line.text}")
    if line.outcome is not None:
        out.print(f"    {line.outcome.status}, {line.outcome.cause}: {line.outcome.sentence}", style="dim")
        _tell_wire(line.outcome)


def _tell_task(task: RetrieveTask, hold: Hold | None) -> None:
    from engine.waiting import local

    out = console()
    request = task.request
    out.print(f"task {task.id}: {request.selector}", style="bold")
    parent = f", found by task {task.parent_id}" if task.parent_id is not None else ""
    out.print(
        f"  from {request.archive} to {request.destination}, priority {request.priority.name}, "
        f"for {', '.join(request.routes)}{parent}"
    )
    out.print(f"  {task.status} since {local(task.updated)}{_tried(task)}", style=style(task.status))
    if hold is not None:
        out.print(f"  {'held' if hold.held else 'waits'}: {hold}", style="yellow")
    if task.missing:
        out.print(f"  the next attempt asks for {len(task.missing)} series: {', '.join(task.missing)}")
    if task.outcome is not None:
        out.print(f"  {task.outcome.cause}: {task.outcome.sentence}")
        _tell_wire(task.outcome)
        for uid in task.outcome.failed_instances:
            out.print(f"    did not arrive: {uid}", style="dim")


def _tried(task: RetrieveTask) -> str:
    """Such as ", tried 3 times, failed 2 times in a row, approved"; what people retried begins to count anew."""
    words = (
        (f"tried {_times(task.attempts)}", task.attempts > 0),
        (f"failed {_times(task.failures)} in a row", task.failures > 0),
        ("approved", task.approved),
        ("expedited", task.expedited),
    )
    return "".join(f", {word}" for word, so in words if so)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _tell_wire(outcome: Outcome) -> None:
    if outcome.dicom_status is not None:
        comment = f", {outcome.comment}" if outcome.comment else ""
        console().print(
            f"    DICOM status 0x{outcome.dicom_status:04X}, {outcome.counters}{comment}", style="dim"
        )
