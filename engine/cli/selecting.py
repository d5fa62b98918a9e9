"""Options that select tasks, as several verbs have them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from engine.retrieve.outcome import Cause, TaskStatus

if TYPE_CHECKING:
    from engine.store import Selection

_LARGEST = 2**63 - 1  # a number that SQLite can keep

Number = Annotated[int, typer.Argument(min=1, max=_LARGEST, help="the number of a task")]
Numbers = Annotated[
    list[int] | None,
    typer.Argument(min=1, max=_LARGEST, help="the numbers of tasks, as `forefetch tasks` has them"),
]
Status = Annotated[list[str] | None, typer.Option(help="only these, such as FAILED")]
CauseWord = Annotated[
    list[str] | None, typer.Option("--cause", help="only what ended so, such as unreachable")
]
GateWord = Annotated[
    list[str] | None,
    typer.Option("--gate", help="only what is held by: approval, budget, operator, switch, lists"),
]
Message = Annotated[
    int | None, typer.Option(min=1, max=_LARGEST, help="only those of one message, by its number")
]
RouteName = Annotated[str | None, typer.Option("--route", help="only those of this route")]
ArchiveName = Annotated[str | None, typer.Option("--archive", help="only those of this archive")]
DestinationName = Annotated[str | None, typer.Option("--destination", help="only those to this destination")]
Since = Annotated[str | None, typer.Option(help="only what has changed in the last, for instance, 12h or 3d")]

_HOLDING = ("approval", "budget", "operator", "switch", "lists")


def selection_of(
    status: list[str] | None,
    cause: list[str] | None,
    gate: list[str] | None,
    message: int | None,
    route: str | None,
    archive: str | None,
    destination: str | None,
    since: str | None,
) -> Selection:
    """What the options select; BadParameter for a word that is none."""
    from engine.store import Selection

    statuses = tuple(TaskStatus(word) for word in _words(status, [*TaskStatus], "--status"))
    gates = tuple(_words(gate, _HOLDING, "--gate"))
    if gates and not statuses:
        statuses = (TaskStatus.HELD,)
    return Selection(
        statuses=statuses,
        causes=tuple(Cause(word) for word in _words(cause, [*Cause], "--cause")),
        gates=gates,
        message_id=message,
        route=route,
        archive=archive,
        destination=destination,
        since=_since(since),
    )


def _words(given: list[str] | None, known: list[str] | tuple[str, ...], option: str) -> list[str]:
    """The words as they are written here, whatever case they were typed in."""
    spelled = {word.lower(): word for word in map(str, known)}
    try:
        return [spelled[word.lower()] for word in given or []]
    except KeyError as error:
        raise typer.BadParameter(f"one of {', '.join(spelled.values())}", param_hint=option) from error


def _since(text: str | None) -> dt.datetime | None:
    from engine.retrieve.duration import parse_duration

    if text is None:
        return None
    try:
        return dt.datetime.now(dt.UTC) - parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--since") from error
