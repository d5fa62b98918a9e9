"""The verb that lists retrieve tasks and sums them up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load, show
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
from engine.telling.line import STYLES

if TYPE_CHECKING:
    from engine.retrieve.task import RetrieveTask
    from engine.waiting import Hold


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
    from engine.telling.tasks import NO_ENGINE, summary_dict, summary_lines, summary_of, task_dict
    from engine.waiting import holds

    settings = load(config, try_files=False)
    path = settings.engine.store
    selection = selection_of(status, cause, gate, message, route, archive, destination, since)
    found = list_tasks(path, selection, limit=limit)
    reasons = holds(path, settings, found)
    summary = summary_of(settings, selection)
    running = is_running(path)
    if json:
        told = [task_dict(task, reasons.get(task.id)) for task in found]
        console().print_json(data={"engine": running, **summary_dict(summary), "tasks": told})
        return
    if found:
        _print_table(found, reasons)
    for line in summary_lines(summary):
        show(line)
    if not running:
        console().print(NO_ENGINE, style="yellow")


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
            style=STYLES[task.status],
        )
    console().print(table)
