"""Verbs that speak DICOM at once: retrieve and echo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load
from engine.retrieve.task import Verify

if TYPE_CHECKING:
    from engine.config import Config
    from engine.dicom.node import Destination
    from engine.retrieve.outcome import Outcome, SubOperations
    from engine.retrieve.selector import Study


def retrieve(
    study_uid: Annotated[str, typer.Argument(help="study instance UID")],
    destination: Annotated[str, typer.Argument(help="a listed destination, by its AE title or its name")],
    config: ConfigPath = DEFAULT_CONFIG,
    series: Annotated[str, typer.Option(help="series instance UID: only this series")] = "",
    archive: Annotated[str | None, typer.Option(help="which archive, where several are listed")] = None,
    verify: Annotated[Verify, typer.Option(help="ask the destination for it afterwards")] = Verify.OFF,
) -> None:
    """Make the archive send one study (or series) to a listed destination. Exit 1 unless it arrived."""
    import os

    from engine.errors import GateClosed
    from engine.report import report
    from engine.retrieve.gate import refuse, switch_on
    from engine.retrieve.selector import Study

    settings = load(config)
    source = _archive_name(settings, archive)
    target = _destination(settings, destination)
    policy = settings.policy(switch_on=switch_on(os.environ))
    reason = refuse(policy, archive=source, destination=target.name if target is not None else destination)
    if reason is not None or target is None:
        raise GateClosed(reason or "the destination is not listed")
    if verify is not Verify.OFF and target.query is None:
        cure = f"give destinations.{target.name} a query address in {config}, or leave it out"
        raise typer.BadParameter(cure, param_hint="--verify")
    outcome = _move(settings, source, Study(study_uid, series), target, verify)
    out = console()
    out.print(report(outcome, study_uid, series, target.ae_title))
    if not outcome.arrived:
        raise typer.Exit(1)


def _archive_name(settings: Config, wanted: str | None) -> str:
    if wanted is None and len(settings.archives) == 1:
        return next(iter(settings.archives))
    if wanted is None or wanted not in settings.archives:
        raise typer.BadParameter(f"one of {', '.join(settings.archives)}", param_hint="--archive")
    return wanted


def _destination(settings: Config, wanted: str) -> Destination | None:
    """By AE title, as DICOM people know it, or by the name in the routes file."""
    by_title = {destination.ae_title: destination for destination in settings.destinations.values()}
    return by_title.get(wanted.strip()) or settings.destinations.get(wanted)


def _move(settings: Config, source: str, study: Study, target: Destination, verify: Verify) -> Outcome:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from engine.carry import Errand, carry
    from engine.scu import ArchiveClient

    client = ArchiveClient(settings.archives[source])
    finder = ArchiveClient(target.query) if target.query is not None else None
    level = settings.archives[source].series_level
    errand = Errand(study, target.ae_title, verify=verify, series_level=level)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, transient=True) as bar:
            line = bar.add_task(f"{source} to {target.ae_title}", total=None)

            def progress(counters: SubOperations) -> None:
                done = (counters.completed or 0) + (counters.failed or 0) + (counters.warning or 0)
                total = done + counters.remaining if counters.remaining is not None else None
                bar.update(line, completed=done, total=total)

            return carry(client, finder, errand, progress=progress).outcome
    finally:
        client.close()
        if finder is not None:
            finder.close()


def echo(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """C-ECHO every archive, and every destination whose address is known. Exit 1 if one does not answer."""
    from engine.rollcall import Kind, call, callees

    out = console()
    good = True
    for reply in call([callee for callee in callees(load(config)) if callee.kind is not Kind.QUERY]):
        good = good and reply.answered
        out.print(str(reply), style="green" if reply.answered else "red")
    if not good:
        raise typer.Exit(1)
