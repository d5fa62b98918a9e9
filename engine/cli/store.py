"""Verbs on the journal as a whole: store upgrade and store copy."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load

store = typer.Typer(
    help="Bring a journal to the schema of this version, or copy it to another place.", no_args_is_help=True
)
_PLACE = "a file, or a URL such as postgresql+psycopg://user:password@host:5432/forefetch"


@store.command()
def upgrade(
    where: Annotated[
        str | None,
        typer.Argument(help=f"{_PLACE}; without: engine.store of the routes file", metavar="WHERE"),
    ] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    backup: Annotated[
        bool, typer.Option("--backup/--no-backup", help="keep a copy of a file beside it (PostgreSQL: never)")
    ] = True,
) -> None:
    """Bring a journal of an earlier version to the schema of this one. No engine may run on it.

    All of it happens, or nothing does. A copy of a file is kept beside it; of PostgreSQL make a backup.
    """
    from engine.place import told
    from engine.store.upgrade import upgrade as bring

    place = where or load(config, try_files=False).engine.store
    done = bring(place, backup=backup)
    out = console()
    if done.before == done.after:
        out.print(f"{told(place)} has schema {done.after} already: nothing to do", style="green")
        return
    out.print(f"{told(place)}: schema {done.before} became schema {done.after}", style="green")
    if done.copy is not None:
        out.print(f"as it was before it is kept in {done.copy}, which can go when all is well")


@store.command()
def copy(
    source: Annotated[str, typer.Argument(help=f"the journal: {_PLACE}", metavar="FROM")],
    target: Annotated[str, typer.Argument(help="where to: the same, and without a journal", metavar="TO")],
) -> None:
    """Copy a journal with all it has to an empty place, such as a file to PostgreSQL.

    All of it arrives, or nothing does. The first journal stays as it is. No engine may run on either.
    """
    from engine.place import told
    from engine.store.copying import copy as transfer

    with _progress() as progress:
        counts = transfer(source, target, progress)
    out = console()
    numbers = f"{counts['messages']} messages and {counts['tasks']} tasks"
    out.print(f"{numbers} are in {told(target)}, each with its number", style="green")
    out.print(
        "next: name it as engine.store in routes.yaml and start forefetch; "
        f"what is in {told(source)} must not be carried out again"
    )


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """A bar, at a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        rows = bar.add_task("rows", total=None)
        yield lambda done, whole: bar.update(rows, completed=done, total=whole)
