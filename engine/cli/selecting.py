"""Options that select tasks, as several verbs have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

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
    from engine.telling import selecting

    try:
        return selecting.selection_of(
            status=status or (),
            cause=cause or (),
            gate=gate or (),
            message=message,
            route=route,
            archive=archive,
            destination=destination,
            since=since,
        )
    except selecting.SelectionError as error:
        raise typer.BadParameter(error.expected, param_hint=f"--{error.condition}") from error
