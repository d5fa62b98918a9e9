"""Verbs for retrieve tasks: tasks and task to see them; retry, cancel, approve, hold and expedite to act."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load, style
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import Verb

if TYPE_CHECKING:
    from engine.config import Config
    from engine.retrieve.task import RetrieveTask

Numbers = Annotated[
    list[int] | None, typer.Argument(help="the numbers of tasks, as `forefetch tasks` has them")
]
Status = Annotated[list[str] | None, typer.Option(help="only these, such as FAILED")]
Message = Annotated[int | None, typer.Option(help="only those of one message, by its number")]
RouteName = Annotated[str | None, typer.Option("--route", help="only those of this route")]
ArchiveName = Annotated[str | None, typer.Option("--archive", help="only those of this archive")]
DestinationName = Annotated[str | None, typer.Option("--destination", help="only those to this destination")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do it to all that were selected, without asking")]

# What a verb is meant for where tasks are selected rather than named.
_MEANT_FOR = {
    Verb.RETRY: (TaskStatus.FAILED, TaskStatus.WARNING),
    Verb.CANCEL: (TaskStatus.SCHEDULED, TaskStatus.HELD, TaskStatus.IN_PROGRESS),
    Verb.APPROVE: (TaskStatus.HELD,),
    Verb.HOLD: (TaskStatus.SCHEDULED,),
    Verb.EXPEDITE: (TaskStatus.SCHEDULED, TaskStatus.HELD),
}
_MOST = 100_000  # tasks of one selection


def tasks(
    config: ConfigPath = DEFAULT_CONFIG,
    status: Status = None,
    message: Message = None,
    route: RouteName = None,
    archive: ArchiveName = None,
    destination: DestinationName = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many, newest first")] = 50,
) -> None:
    """List retrieve tasks, newest first, with what became of them or which gate they wait at."""
    from rich.table import Table

    from engine.store import count_tasks, list_tasks
    from engine.waiting import holds

    settings = load(config, try_files=False)
    path = settings.engine.store
    found = list_tasks(
        path,
        statuses=_statuses(status),
        message_id=message,
        route=route,
        archive=archive,
        destination=destination,
        limit=limit,
    )
    reasons = holds(path, settings, found)
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
            task.outcome.sentence if task.outcome is not None else reasons.get(task.id, ""),
            style=style(task.status),
        )
    out = console()
    out.print(table)
    counts = count_tasks(path)
    out.print(", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no tasks yet")


def task(
    number: Annotated[int, typer.Argument(help="the number of a task")], config: ConfigPath = DEFAULT_CONFIG
) -> None:
    """Tell the whole story of one task: who asked, what was chosen, every attempt, what people did."""
    from engine.store import story_of
    from engine.waiting import holds

    settings = load(config, try_files=False)
    path = settings.engine.store
    story = story_of(path, number)
    if story is None:
        raise typer.BadParameter(f"there is no task {number}", param_hint="NUMBER")
    _tell_task(story.task, holds(path, settings, [story.task]).get(number, ""))
    out = console()
    for asked in story.messages:
        when = f"{asked.received_at:%Y-%m-%d %H:%M:%S}"
        out.print(f"  asked for by message {asked.id}, {asked.message_type} {asked.control_id} of {when} UTC")
    for choice in story.task.choices:
        out.print(f"  {'✓' if choice.taken else '✗'} {choice.study_uid} {choice.reason}", style="dim")
    for line in story.lines:
        out.print(f"  {line.at:%Y-%m-%d %H:%M:%S} UTC {line.event}: {line.text}")
        if line.outcome is not None:
            out.print(
                f"    {line.outcome.status}, {line.outcome.cause}: {line.outcome.sentence}", style="dim"
            )
            _tell_wire(line.outcome.dicom_status, str(line.outcome.counters), line.outcome.comment)
    for child in story.children:
        out.print(
            f"  led to task {child.id}: {child.request.selector}, {child.status}", style=style(child.status)
        )


def _tell_task(task: RetrieveTask, reason: str) -> None:
    out = console()
    request = task.request
    out.print(f"task {task.id}: {request.selector}", style="bold")
    out.print(f"  from {request.archive} to {request.destination}, priority {request.priority.name}")
    out.print(f"  for {', '.join(request.routes)}")
    out.print(
        f"  {task.status}, {task.attempts} attempts, {task.failures} of them failed", style=style(task.status)
    )
    if task.status is TaskStatus.SCHEDULED and task.not_before is not None:
        out.print(f"  not before {task.not_before:%Y-%m-%d %H:%M:%S} UTC")
    if reason:
        out.print(f"  waits: {reason}", style="yellow")
    if task.missing:
        out.print(f"  the next attempt asks for {len(task.missing)} series: {', '.join(task.missing)}")
    if task.outcome is not None:
        out.print(f"  {task.outcome.cause}: {task.outcome.sentence}")
        _tell_wire(task.outcome.dicom_status, str(task.outcome.counters), task.outcome.comment)
        for uid in task.outcome.failed_instances:
            out.print(f"    did not arrive: {uid}", style="dim")


def _tell_wire(status: int | None, counters: str, comment: str) -> None:
    if status is not None:
        console().print(
            f"    DICOM status 0x{status:04X}, {counters}{f', {comment}' if comment else ''}", style="dim"
        )


def _statuses(words: list[str] | None) -> list[TaskStatus]:
    try:
        return [TaskStatus(word.upper()) for word in words or []]
    except ValueError as error:
        raise typer.BadParameter(", ".join(TaskStatus), param_hint="--status") from error


def verb_command(verb: Verb, doc: str) -> Callable[..., None]:
    """The command of one verb: on tasks that are named, or on all that options select."""

    def command(
        numbers: Numbers = None,
        config: ConfigPath = DEFAULT_CONFIG,
        status: Status = None,
        message: Message = None,
        route: RouteName = None,
        archive: ArchiveName = None,
        destination: DestinationName = None,
        yes: Yes = False,
    ) -> None:
        settings = load(config, try_files=False)
        chosen = list(numbers or [])
        if not chosen:
            given = {"message_id": message, "route": route, "archive": archive, "destination": destination}
            if not status and all(value is None for value in given.values()):
                raise typer.BadParameter(
                    "name tasks, or select them by --status, --route, …", param_hint="NUMBERS"
                )
            chosen = _selected(settings, verb, _statuses(status), message, route, archive, destination)
            _confirm(verb, len(chosen), yes)
        _operate(settings, verb, chosen)

    command.__name__ = verb.value
    command.__doc__ = doc
    return command


def _selected(
    settings: Config,
    verb: Verb,
    statuses: list[TaskStatus],
    message: int | None,
    route: str | None,
    archive: str | None,
    destination: str | None,
) -> list[int]:
    from engine.store import list_tasks

    found = list_tasks(
        settings.engine.store,
        statuses=statuses or _MEANT_FOR[verb],
        message_id=message,
        route=route,
        archive=archive,
        destination=destination,
        limit=_MOST,
    )
    return sorted(task.id for task in found)


def _confirm(verb: Verb, count: int, yes: bool) -> None:
    if not count:
        console().print("no task is so")
        raise typer.Exit
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter(
                f"{count} tasks are selected; say --yes to {verb} them", param_hint="--yes"
            )
        typer.confirm(f"{verb} {count} tasks?", abort=True)


def _operate(settings: Config, verb: Verb, numbers: list[int]) -> None:
    import getpass

    from engine.store import operate

    out = console()
    done = operate(settings.engine.store, verb, numbers, getpass.getuser())
    for each in done:
        out.print(f"task {each.task_id}: {each.text}", style="green" if each.done else "red")
    if not all(each.done for each in done):
        raise typer.Exit(1)


retry = verb_command(
    Verb.RETRY, "Try tasks again that have failed, or that wait for another attempt. Exit 1 unless all were."
)
cancel = verb_command(Verb.CANCEL, "Cancel tasks; those under way by C-CANCEL. Exit 1 unless all were.")
approve = verb_command(
    Verb.APPROVE, "Let tasks go that wait for approval, or over a budget. Exit 1 unless all were."
)
hold = verb_command(
    Verb.HOLD, "Hold waiting tasks until they are approved or expedited. Exit 1 unless all were."
)
expedite = verb_command(
    Verb.EXPEDITE,
    "Put tasks before all others: no schedule, window or rate holds them. Exit 1 unless all were.",
)
