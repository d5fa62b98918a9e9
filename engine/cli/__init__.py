"""The command ``forefetch``. Exit status: 0 as wanted; 1 not (a NAK, a failed retrieve); 2 cannot be done."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from engine import __version__
from engine.cli import (
    alerts,
    archive,
    assistants,
    message,
    nodes,
    operate,
    scenario,
    simulate,
    store,
    story,
    tasks,
    user,
    verbs,
)
from engine.errors import ForefetchError

app = typer.Typer(
    name="forefetch",
    help="HL7-triggered DICOM retrieve engine: an order in, its studies moved, the outcome in the ACK.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(operate.serve)
app.command()(operate.check)
app.command()(operate.schema)
app.command()(tasks.tasks)
app.command()(story.task)
app.command()(verbs.retry)
app.command()(verbs.cancel)
app.command()(verbs.approve)
app.command()(verbs.hold)
app.command()(verbs.expedite)
app.command()(message.explain)
app.command()(message.send)
app.command()(archive.retrieve)
app.command()(archive.echo)
app.command()(nodes.nodes)
app.command()(assistants.mcp)
app.add_typer(alerts.verbs)
app.command("test")(scenario.run_scenarios)
app.add_typer(user.user, name="user")
app.add_typer(store.store, name="store")
app.command()(simulate.simulate)
app.command()(simulate.demo)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="and stop")
    ] = False,
) -> None:
    """HL7-triggered DICOM retrieve engine."""


def main() -> None:
    """The console script: an error that we know becomes a sentence, not a traceback."""
    try:
        app()
    except ForefetchError as error:
        typer.echo(f"forefetch: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
