"""Verbs that act on retrieve tasks: retry, cancel, approve, hold and expedite."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load
from engine.cli.selecting import (
    ArchiveName,
    CauseWord,
    DestinationName,
    GateWord,
    Message,
    Numbers,
    RouteName,
    Since,
    Status,
    selection_of,
)
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.task import Verb

if TYPE_CHECKING:
    from engine.store import Done, Selection

Yes = Annotated[bool, typer.Option("--yes", "-y", help="do it to all that were selected, without asking")]

# What a verb is meant for where tasks are selected rather than named.
_MEANT_FOR = {
    Verb.RETRY: (TaskStatus.FAILED, TaskStatus.WARNING),
    Verb.CANCEL: (TaskStatus.SCHEDULED, TaskStatus.HELD, TaskStatus.IN_PROGRESS),
    Verb.APPROVE: (TaskStatus.HELD,),
    Verb.HOLD: (TaskStatus.SCHEDULED,),
    Verb.EXPEDITE: (TaskStatus.SCHEDULED, TaskStatus.HELD),
}
_APPROVABLE = ("approval", "budget", "operator")
_FEW = 20  # tasks that are told one by one


def verb_command(verb: Verb, doc: str) -> Callable[..., None]:
    """The command of one verb: on tasks that are named, or on all that options select."""

    def command(
        numbers: Numbers = None,
        config: ConfigPath = DEFAULT_CONFIG,
        status: Status = None,
        cause: CauseWord = None,
        gate: GateWord = None,
        message: Message = None,
        route: RouteName = None,
        archive: ArchiveName = None,
        destination: DestinationName = None,
        since: Since = None,
        yes: Yes = False,
    ) -> None:
        from engine.store import Selection, numbers_of

        path = load(config, try_files=False).engine.store
        selection = selection_of(status, cause, gate, message, route, archive, destination, since)
        selected = selection != Selection()
        if bool(numbers) is selected:
            raise typer.BadParameter(
                "either name tasks, or select them by --status, --route, …", param_hint="NUMBERS"
            )
        chosen = numbers or numbers_of(path, _meant(verb, selection))
        if selected:
            _confirm(verb, len(chosen), yes)
        _operate(path, verb, chosen)

    command.__name__ = verb.value
    command.__doc__ = doc
    return command


def _meant(verb: Verb, selection: Selection) -> Selection:
    """Only those that the verb is for, where the selection does not say otherwise."""
    if not selection.statuses:
        selection = replace(selection, statuses=_MEANT_FOR[verb])
    if verb is Verb.RETRY and not selection.causes:
        return replace(selection, without=(Cause.STORED_WITH_WARNINGS,))  # it arrived
    if verb is Verb.APPROVE and not selection.gates and selection.statuses == _MEANT_FOR[verb]:
        return replace(selection, gates=_APPROVABLE)
    return selection


def _confirm(verb: Verb, count: int, yes: bool) -> None:
    if not count:
        console().print("no task is so")
        raise typer.Exit
    if not yes:
        if not _at_terminal():
            raise typer.BadParameter(
                f"{count} tasks are selected; say --yes to {verb} them", param_hint="--yes"
            )
        typer.confirm(f"{verb} {count} tasks?", abort=True)


def _at_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _operate(path: str, verb: Verb, numbers: Sequence[int]) -> None:
    from engine.store import is_running, operate
    from engine.telling.tasks import AT_THE_NEXT_START

    done = operate(path, verb, numbers, _who())
    _tell(done)
    if not is_running(path):
        console().print(AT_THE_NEXT_START, style="yellow")
    if not all(each.done for each in done):
        raise typer.Exit(1)


def _tell(done: Sequence[Done]) -> None:
    """One by one, or so many of each kind."""
    out = console()
    if len(done) <= _FEW:
        for each in done:
            out.print(f"task {each.task_id}: {each.text}", style=_style(each.done))
        return
    kinds = Counter((each.done, each.text) for each in done)
    for (good, text), count in kinds.most_common():
        first = next(each.task_id for each in done if (each.done, each.text) == (good, text))
        which = f"task {first}" if count == 1 else f"{count} tasks (the first is {first})"
        out.print(f"{which}: {text}", style=_style(good))


def _style(good: bool) -> str:
    return "green" if good else "red"


def _who() -> str:
    """The user's name, for the story; in a container there may be none."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "unknown"


retry = verb_command(
    Verb.RETRY,
    "Try again what has failed, or what waits for another attempt: at once. Exit 1 unless all were.",
)
cancel = verb_command(Verb.CANCEL, "Cancel tasks; those under way by C-CANCEL. Exit 1 unless all were.")
approve = verb_command(
    Verb.APPROVE,
    "Let tasks go that wait for approval, are over a budget, or are held by hand. Exit 1 unless all were.",
)
hold = verb_command(
    Verb.HOLD, "Hold waiting tasks until they are approved or expedited. Exit 1 unless all were."
)
expedite = verb_command(
    Verb.EXPEDITE,
    "Put tasks before all others: no schedule, window or rate holds them. Exit 1 unless all were.",
)
