"""Options and output that the verbs share."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.logs import Format

if TYPE_CHECKING:
    from rich.console import Console

    from engine.config import Config
    from engine.telling.line import Line

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="the routes file", envvar="FOREFETCH_CONFIG")
]
DEFAULT_CONFIG = Path("routes.yaml")
LogFormat = Annotated[
    Format,
    typer.Option(help="lines for people, or a JSON object a line", envvar="FOREFETCH_LOG_FORMAT"),
]
_PIPED_WIDTH = 200  # columns, where the output is no terminal that could say


def load(path: Path, *, try_files: bool = True) -> Config:
    """The configuration, or ConfigError with every complaint. ``try_files`` false: for a verb that connects
    to nobody, so that whoever uses it needs no access to keys and passwords."""
    from engine.config import load as load_config

    return load_config(path, try_files=try_files)


def console() -> Console:
    """Standard output; values from messages are never read as markup."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() else _PIPED_WIDTH
    return Console(markup=False, highlight=False, soft_wrap=True, width=wide)


def show(line: Line) -> None:
    """A line on standard output."""
    console().print(line.text, style=line.style)
