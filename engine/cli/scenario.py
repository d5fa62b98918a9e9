"""The verb test: scenarios, for the CI of those who integrate."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import console

if TYPE_CHECKING:
    from rich.console import Console

    from engine.scenario.scenario import Scenario
    from engine.scenario.suite import Result


def run_scenarios(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="scenario files (YAML)")],
    only: Annotated[
        list[str] | None, typer.Option(help="only scenarios of this name; * and ? are wild cards")
    ] = None,
    junit: Annotated[Path | None, typer.Option(dir_okay=False, help="write JUnit XML here")] = None,
    keep: Annotated[
        Path | None, typer.Option(file_okay=False, help="keep the journals in this folder")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="show what was seen, also where all is as expected")
    ] = False,
) -> None:
    """Run scenarios: messages to a real engine between simulated nodes, and whether what was expected came.

    Exit 0: all as expected. 1: differences. 2: a scenario cannot be run.
    """
    from engine.scenario.junit import junit as junit_xml
    from engine.scenario.suite import run_all

    scenarios = _wanted(_loaded(files), only or [])
    out = console()
    _quiet()
    results = []
    try:
        if junit is not None:
            junit.touch()  # to learn before the run that it cannot be written
        for result in run_all(scenarios, keep):
            results.append(result)
            _print(out, result, verbose)
        if junit is not None:
            junit.write_bytes(junit_xml(results))
    except OSError as error:
        typer.echo(
            f"forefetch: {error.filename}: {error.strerror}; name another with --junit, --keep", err=True
        )
        raise typer.Exit(2) from error
    failed = sum(not result.good for result in results)
    count = "1 scenario" if len(results) == 1 else f"{len(results)} scenarios"
    summary = f"{count}, {len(results) - failed} as expected, {failed} not"
    out.print(summary, style="bold red" if failed else "bold green")
    if failed:
        raise typer.Exit(2 if any(result.fault for result in results) else 1)


def _loaded(files: Sequence[Path]) -> list[Scenario]:
    """Every file is read before any scenario is run; ConfigError with the complaints about all."""
    from engine.errors import Complaint, ConfigError
    from engine.scenario.load import load

    scenarios: list[Scenario] = []
    complaints: list[Complaint] = []
    for file in files:
        try:
            scenarios += load(file)
        except ConfigError as error:
            complaints += error.complaints
    if complaints:
        raise ConfigError(complaints)
    return scenarios


def _wanted(scenarios: list[Scenario], only: Sequence[str]) -> list[Scenario]:
    if not only:
        return scenarios
    wanted = [it for it in scenarios if any(fnmatchcase(it.name, pattern) for pattern in only)]
    if not wanted:
        names = ", ".join(scenario.name for scenario in scenarios)
        raise typer.BadParameter(f"no such scenario; there are {names}", param_hint="--only")
    return wanted


def _quiet() -> None:
    """What the engine logs of the failures that scenarios make is no news here."""
    import logging

    logging.getLogger("engine").addHandler(logging.NullHandler())


def _print(out: Console, result: Result, verbose: bool) -> None:
    from engine.scenario.printable import printable
    from engine.scenario.report import difference_lines

    def show(line: str, style: str) -> None:
        out.print(printable(line), style=style)

    mark, style = ("✓", "green") if result.good else ("✗", "bold red")
    show(f"{mark} {result.scenario.name} ({result.seconds:.1f} s)", style)
    if result.fault:
        show(f"    cannot be run: {result.fault}", "red")
    for line in difference_lines(result.differences):
        show(f"    {line}", "red")
    if result.seen and (verbose or result.differences):
        out.print("    --- what was seen")
        for line in result.seen:
            show(f"    {line}", "dim")
