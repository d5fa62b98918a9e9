"""Verbs of the running engine: serve, check, schema, tasks."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load, style


def serve(
    config: ConfigPath = DEFAULT_CONFIG,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error")] = "info",
) -> None:
    """Listen for HL7 messages and carry out what the routes ask, until SIGTERM or Ctrl-C."""
    import asyncio

    from engine import app

    level = logging.getLevelNamesMapping().get(log_level.upper())
    if level is None:
        raise typer.BadParameter("debug, info, warning or error", param_hint="--log-level")
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    settings = load(config)
    asyncio.run(app.serve(settings))


def check(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Check the routes file; say what each route does, or every mistake with its line."""
    import datetime as dt
    import os

    from engine.cli.encryption import summary, warnings
    from engine.retrieve.gate import SWITCH_REASON, switch_on

    settings = load(config)
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


def schema() -> None:
    """Print the JSON Schema of the routes file, for editors that complete and check as one types."""
    from engine.config import schema as json_schema

    typer.echo(json_schema())


def tasks(
    config: ConfigPath = DEFAULT_CONFIG,
    status: Annotated[list[str] | None, typer.Option(help="only these, such as FAILED")] = None,
    message: Annotated[int | None, typer.Option(help="only those of one message, by its number")] = None,
    limit: Annotated[int, typer.Option(min=1, help="at most so many, newest first")] = 50,
) -> None:
    """List retrieve tasks, newest first, with what became of them or what they wait for."""
    from rich.table import Table

    from engine.retrieve.outcome import TaskStatus
    from engine.store import count_tasks, list_tasks

    try:
        wanted = [TaskStatus(word.upper()) for word in status or []]
    except ValueError as error:
        raise typer.BadParameter(", ".join(TaskStatus), param_hint="--status") from error
    path = load(config, try_files=False).engine.store
    found = list_tasks(path, statuses=wanted, message_id=message, limit=limit)
    table = Table("task", "message", "status", "what", "from", "to", "tries", "outcome", box=None)
    for task in found:
        outcome = task.outcome.sentence if task.outcome is not None else task.reason
        table.add_row(
            str(task.id),
            str(task.message_id or ""),
            task.status.value,
            str(task.request.selector),
            task.request.archive,
            task.request.destination,
            str(task.attempts),
            outcome,
            style=style(task.status),
        )
    out = console()
    out.print(table)
    counts = count_tasks(path)
    out.print(", ".join(f"{count} {status}" for status, count in counts.items() if count) or "no tasks yet")
