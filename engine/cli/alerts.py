"""Verbs of alerts: test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load

if TYPE_CHECKING:
    from engine.config.alerts import AlertSettings

verbs = typer.Typer(name="alerts", help="Who is told when images do not move.", no_args_is_help=True)


@verbs.callback()
def _alerts() -> None:
    """Who is told when images do not move."""


@verbs.command("test")
def try_ways(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Send a test notice by every way of the section alerts. Exit 1 unless each was taken."""
    from engine.alerts.ways import source_of, try_out

    settings = load(config)
    out = console()
    good = True
    for way, fault in try_out(_configured(settings.alerts, config), source_of(settings)):
        good = good and not fault
        told = f"✗ {way}: {fault}" if fault else f"✓ {way}: taken"
        out.print(told, style="red" if fault else "green")
    if not good:
        raise typer.Exit(1)


def _configured(settings: AlertSettings | None, config: object) -> AlertSettings:
    if settings is None:
        raise typer.BadParameter(
            f"a section alerts in {config}, with webhook or mail (docs/operating.md)", param_hint="--config"
        )
    return settings
