"""The verb that lists the engines of a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load

if TYPE_CHECKING:
    from engine.config import Config
    from engine.store.members import Member

_STYLES = {"alive": "green", "silent": "yellow", "lost": "red", "left": "dim"}


def nodes(
    config: ConfigPath = DEFAULT_CONFIG,
    all: Annotated[bool, typer.Option("--all", help="also those that ended in the last week")] = False,
    json: Annotated[bool, typer.Option("--json", help="print plain JSON, times in UTC")] = False,
) -> None:
    """List the engine nodes: forefetch processes that share a journal in PostgreSQL. Exit 1 unless one serves
    it."""
    from engine.place import is_shared
    from engine.store import is_running
    from engine.store.members import members_of
    from engine.telling.engines import ALONE, NOBODY, EngineList, engine_told, lately

    settings = load(config, try_files=False)
    where = settings.engine.store
    found = members_of(where)
    shown, running = found if all else lately(found), is_running(where)
    if json:
        told = EngineList(
            shared=is_shared(where), engine_running=running, engines=[engine_told(it) for it in shown]
        )
        console().print_json(data=told.model_dump(mode="json"))
    elif shown:
        _print_table(shown, settings)
    if not json and not (running and is_shared(where)):
        console().print(ALONE if running else NOBODY, style="" if running else "yellow")
    if not running:
        raise typer.Exit(1)


def _print_table(members: list[Member], settings: Config) -> None:
    from rich.table import Table

    from engine.telling.engines import state_line
    from engine.waiting import local

    zone = settings.gate.zone
    table = Table("node", "process", "listens on", "state", "version", "since", "under way", box=None)
    for it in members:
        ended = f", {local(it.ended, zone)}" if it.ended is not None else ""
        table.add_row(
            str(it.id),
            it.name,
            it.address or "-",
            state_line(it) + ended,
            it.version,
            local(it.started_at, zone),
            str(it.under_way),
            style=_STYLES[it.state],
        )
    console().print(table)
