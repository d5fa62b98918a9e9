"""The verb that tells the whole story of one task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load, style
from engine.cli.selecting import Number

if TYPE_CHECKING:
    from engine.retrieve.outcome import Outcome
    from engine.retrieve.task import RetrieveTask
    from engine.store import Line
    from engine.waiting import Hold


def task(number: Number, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Tell the whole story of one task: who asked, what was chosen, every attempt, what people did."""
    from engine.store import story_of
    from engine.waiting import holds, local

    settings = load(config, try_files=False)
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


def _tell_line(line: Line) -> None:
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
    """Such as ", tried 3 times, failed 2 times in a row"; after a retry by hand failures count anew."""
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
