"""Verbs without a hospital: simulate (archives and destinations) and demo (everything in one go)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load

if TYPE_CHECKING:
    from engine.config import Config
    from engine.simulator import SimulatedArchive, SimulatedDestination


def simulate(
    config: ConfigPath = DEFAULT_CONFIG,
    folder: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="DICOM files to serve")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(file_okay=False, help="keep what arrives below this folder")
    ] = None,
) -> None:
    """Stand in for every archive and destination of the routes file, at its host and port, until Ctrl-C.

    The archives serve the DICOM files of --folder, or generated studies of made-up patients.
    """
    import signal
    import threading

    settings = load(config)
    out = console()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with simulated(settings, folder=folder, store=store) as (archives, destinations):
            for name, archive in archives.items():
                out.print(f"archive {name}: {settings.archives[name].ae_title} at {_place(archive.address)}")
            for name, destination in destinations.items():
                title = settings.destinations[name].ae_title
                out.print(f"destination {name}: {title} at {_place(destination.address)}")
            out.print("Ctrl-C stops")
            arrived = dict.fromkeys(destinations, 0)
            while not stop.wait(0.5):
                for name, destination in destinations.items():
                    if (count := destination.arrived()) != arrived[name]:
                        arrived[name] = count
                        out.print(f"destination {name}: {count} objects so far")
    except OSError as error:
        typer.echo(f"forefetch: cannot listen: {error.strerror}; is another simulator running?", err=True)
        raise typer.Exit(2) from error


def _place(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


@contextmanager
def simulated(
    settings: Config, *, folder: Path | None = None, store: Path | None = None, any_port: bool = False
) -> Iterator[tuple[dict[str, SimulatedArchive], dict[str, SimulatedDestination]]]:
    """Simulated nodes by their names in the routes file. ``any_port``: on ports that the system chooses."""
    from engine.simulator import SimulatedArchive, SimulatedDestination, demo_studies, load_folder

    content = load_folder(folder) if folder is not None else demo_studies()
    with ExitStack() as stack:
        destinations = {}
        for name, listed in settings.destinations.items():
            if listed.node is None:
                continue
            place = ("127.0.0.1", 0) if any_port else (listed.node.host, listed.node.port)
            below = store / name if store is not None else None
            node = SimulatedDestination(listed.ae_title, folder=below, host=place[0], port=place[1])
            destinations[name] = stack.enter_context(node)
        addresses = {
            settings.destinations[name].ae_title: node.address for name, node in destinations.items()
        }
        archives = {}
        for name, listed_archive in settings.archives.items():
            place = ("127.0.0.1", 0) if any_port else (listed_archive.host, listed_archive.port)
            title = listed_archive.ae_title
            archive = SimulatedArchive(title, content, addresses, host=place[0], port=place[1])
            archives[name] = stack.enter_context(archive)
        yield archives, destinations


def demo(
    samples: Annotated[Path, typer.Option(file_okay=False, help="messages to send")] = Path("samples"),
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Simulator, engine and sender in one go: real MLLP, real DICOM, made-up patients. Takes seconds."""
    import asyncio

    from engine.cli.demonstration import run

    if not asyncio.run(run(load(config), _sample_files(samples), console())):
        raise typer.Exit(1)


def _sample_files(folder: Path) -> Sequence[Path]:
    files = sorted(folder.glob("*.hl7"))
    if not files:
        text = f"no *.hl7 files in {folder}; run the demo in a checkout of the repository, or name a folder"
        raise typer.BadParameter(text, param_hint="--samples")
    return files
