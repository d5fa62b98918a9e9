"""Verbs without a hospital: simulate (archives and destinations) and demo (everything in one go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import DEFAULT_CONFIG, ConfigPath, console, load

if TYPE_CHECKING:
    from rich.console import Console

    from engine.config import Config
    from engine.simulator import Fault, SimulatedArchive, SimulatedDestination


def simulate(
    config: ConfigPath = DEFAULT_CONFIG,
    folder: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="DICOM files to serve")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(file_okay=False, help="keep what arrives below this folder")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(help="what goes wrong, such as 'main: status=0xA702, times=2' (docs/simulator.md)"),
    ] = None,
    faults: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="a YAML file of faults")
    ] = None,
) -> None:
    """Stand in for every archive and destination of the routes file, at its host and port, until Ctrl-C.

    The archives serve the DICOM files of --folder, or generated studies of made-up patients.
    """
    import signal
    import threading

    from engine.simulator import Fault, read_faults

    settings = load(config)
    script = [*map(Fault.parse, fault or ()), *(read_faults(faults) if faults is not None else ())]
    out = console()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with simulated(settings, folder=folder, store=store, faults=script) as nodes:
            _introduce(out, settings, *nodes)
            watch = _Watch(out, *nodes)
            while not stop.wait(0.5):
                watch.tell()
            watch.tell()
    except OSError as error:
        typer.echo(f"forefetch: cannot listen: {error.strerror}; is another simulator running?", err=True)
        raise typer.Exit(2) from error


def _introduce(
    out: Console,
    settings: Config,
    archives: Mapping[str, SimulatedArchive],
    destinations: Mapping[str, SimulatedDestination],
) -> None:
    for name, archive in archives.items():
        out.print(f"archive {name}: {settings.archives[name].ae_title} at {_place(archive.address)}")
    for name, destination in destinations.items():
        title = settings.destinations[name].ae_title
        out.print(f"destination {name}: {title} at {_place(destination.address)}")
    for node in (*archives.values(), *destinations.values()):
        for fault in node.faults.faults:
            out.print(f"fault: {fault}")
    out.print("Ctrl-C stops")


class _Watch:
    """Tells what has arrived and which faults have struck since it was last asked."""

    def __init__(
        self,
        out: Console,
        archives: Mapping[str, SimulatedArchive],
        destinations: Mapping[str, SimulatedDestination],
    ) -> None:
        self._out = out
        self._destinations = destinations
        self._nodes = [*archives.values(), *destinations.values()]
        self._arrived = dict.fromkeys(destinations, 0)
        self._fired = [0] * len(self._nodes)

    def tell(self) -> None:
        for number, node in enumerate(self._nodes):
            fired = node.faults.fired
            for fault in fired[self._fired[number] :]:
                self._out.print(f"fault strikes: {fault}")
            self._fired[number] = len(fired)
        for name, destination in self._destinations.items():
            if (count := destination.arrived()) != self._arrived[name]:
                self._arrived[name] = count
                self._out.print(f"destination {name}: {count} objects so far")


def _place(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"


@contextmanager
def simulated(
    settings: Config,
    *,
    folder: Path | None = None,
    store: Path | None = None,
    any_port: bool = False,
    faults: Iterable[Fault] = (),
) -> Iterator[tuple[dict[str, SimulatedArchive], dict[str, SimulatedDestination]]]:
    """Simulated nodes by their names in the routes file. ``any_port``: on ports that the system chooses.

    ForefetchError for a fault of a node that is not there, and for one that its node cannot have.
    """
    from engine.simulator import SimulatedArchive, SimulatedDestination, demo_studies, load_folder

    script = _by_node(faults, settings)
    content = load_folder(folder) if folder is not None else demo_studies()
    with ExitStack() as stack:
        destinations = {}
        for name, listed in settings.destinations.items():
            if listed.node is None:
                continue
            place = ("127.0.0.1", 0) if any_port else (listed.node.host, listed.node.port)
            below = store / name if store is not None else None
            node = SimulatedDestination(listed.ae_title, *place, folder=below, faults=script[name])
            destinations[name] = stack.enter_context(node)
        addresses = {
            settings.destinations[name].ae_title: node.address for name, node in destinations.items()
        }
        archives = {}
        for name, listed_archive in settings.archives.items():
            place = ("127.0.0.1", 0) if any_port else (listed_archive.host, listed_archive.port)
            title = listed_archive.ae_title
            archive = SimulatedArchive(title, content, addresses, *place, faults=script[name])
            archives[name] = stack.enter_context(archive)
        yield archives, destinations


def _by_node(faults: Iterable[Fault], settings: Config) -> dict[str, list[Fault]]:
    from engine.errors import ForefetchError

    archives, destinations = set(settings.archives), set(settings.destinations)
    simulated = archives | {name for name in destinations if settings.destinations[name].node is not None}
    script: dict[str, list[Fault]] = {name: [] for name in sorted(simulated)}
    for fault in faults:
        if fault.at in archives & destinations:
            raise ForefetchError(f"fault '{fault}': {fault.at} is an archive and a destination; rename one")
        if fault.at not in script:
            raise ForefetchError(f"fault '{fault}': no such node; there are {', '.join(script)}")
        script[fault.at].append(fault)
    return script


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
