"""Verbs of the engine and its routes: serve, check, schema."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, LogFormat, console, load
from engine.logs import Format, log_to_stderr


def serve(
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
    log_format: LogFormat = Format.CONSOLE,
) -> None:
    """Listen for HL7 messages and carry out what the routes ask, until SIGTERM or Ctrl-C."""
    from engine import app

    level = logging.getLevelNamesMapping().get(log_level.upper())
    if level is None:
        raise typer.BadParameter("debug, info, warning or error", param_hint="--log-level")
    log_to_stderr(level, log_format)
    settings = load(config)
    app.serve(settings, str(config))


def check(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Check the routes file; say what each route does, or every mistake with its line."""
    import datetime as dt
    import os

    from engine.cli.encryption import summary, warnings
    from engine.retrieve.gate import SWITCH_REASON, switch_on

    settings = load(config)
    if settings.web is not None and settings.web.users:
        from engine.web.access.accounts import AccountsFile

        AccountsFile(settings.web.users).check()
    out = console()
    for route in settings.routes:
        kinds = " or ".join(str(pattern) for pattern in route.messages)
        targets = [route.destination.otherwise, *(route.destination.choices or {}).values()]
        to = ", ".join(dict.fromkeys(target for target in targets if target is not None))
        state = "" if route.enabled else " (disabled)"
        out.print(f"{route.name}{state}: {kinds} from {route.archive} to {to}, ACK on {route.acknowledge}")
    for line in summary(settings):
        out.print(line)
    for warning in warnings(settings, dt.datetime.now(dt.UTC)):
        out.print(f"warning: {warning}", style="yellow")
    out.print(
        f"{config}: {len(settings.routes)} routes, {len(settings.archives)} archives, "
        f"{len(settings.destinations)} destinations: no mistakes",
        style="green",
    )
    if not switch_on(os.environ):
        out.print(f"note: {SWITCH_REASON}", style="yellow")


def schema(
    scenario: Annotated[
        bool, typer.Option("--scenario", help="of scenario files (forefetch test) instead")
    ] = False,
) -> None:
    """Print the JSON Schema of the routes file, for editors that complete and check as one types."""
    if scenario:
        from engine.scenario.load import schema as json_schema
    else:
        from engine.config import schema as json_schema

    typer.echo(json_schema())
