"""Forefetch as its user runs it: a routes file, ``forefetch serve`` as a process, and the other commands."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.peers.nodes import Ports
from tests.peers.orders import Acknowledgment, mllp_send
from tests.peers.processes import Peer, run, script, serving

SWITCH = "DICOM_HL7_PACS_ALLOW_RETRIEVE"
_LISTENING = re.compile(r"listening\b.*\bon 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Forefetch:
    """A running ``forefetch serve``."""

    port: int
    folder: Path
    process: Peer

    def send(self, message: bytes) -> Acknowledgment:
        """By ``mllp_send``."""
        return mllp_send(message, self.port, self.folder)


def routes_file(
    folder: Path,
    archive: tuple[str, int],
    destinations: Ports,
    *,
    concurrency: int = 2,
    calling: str = "FOREFETCH",
) -> Path:
    """A routes file for one archive (AE title, port) and these destinations, named by their AE titles."""
    title, port = archive
    engine = {"listen": "127.0.0.1:0", "store": str(folder / "forefetch.db"), "ae_title": calling}
    node = {"ae_title": title, "host": "127.0.0.1", "port": port, "concurrency": concurrency, "idle": "10m"}
    routes = {
        "engine": engine,
        "archives": {"archive": node},
        "destinations": {
            name: {"ae_title": name, "host": "127.0.0.1", "port": at} for name, at in destinations.items()
        },
        "routes": _routes(list(destinations)),
    }
    path = folder / "routes.yaml"
    path.write_text(yaml.safe_dump(routes, sort_keys=False), encoding="utf-8")
    return path


def _routes(destinations: list[str]) -> list[dict[str, Any]]:
    """New orders ask for the CT and MR priors, those with results for what they name."""
    common = {
        "messages": ["ORM^O01", "OMI^O23"],
        "from": "archive",
        "to": {"field": "PV1-3.1", "map": {name: name for name in destinations}},
        "deadline": "30s",
    }
    # 10 years: the demo's oldest study is too old now, and the others are not before 2033.
    priors = {"patient": "PID-3[FOREST].1", "issuer": "FOREST", "modality": ["CT", "MR"], "within": "10y"}
    series = {"uid": "ZSE-1"}
    studies = [
        {"study": "ZDS-1.1", "series": series},
        {"study": "IPC-3.1", "series": series},
        {"accession": "OBR-18"},
    ]
    return [
        {"name": "priors", "when": {"field": "ORC-1", "equals": "NW"}, "studies": {"priors": priors}}
        | common,
        {"name": "study", "when": {"field": "ORC-1", "equals": "RE"}, "studies": studies} | common,
    ]


def environment(switch: str | None = "true") -> Mapping[str, str]:
    """That of the tests, with the switch as given; None: without it."""
    others = {name: value for name, value in os.environ.items() if name != SWITCH}
    return others if switch is None else {**others, SWITCH: switch}


def command(*arguments: str | Path) -> tuple[int, str]:
    """Run ``forefetch`` to its end, retrieval allowed: its exit status and its output."""
    result = run([script("forefetch"), *arguments], environment())
    return result.returncode, result.stdout.decode()


@contextmanager
def forefetch(routes: Path, switch: str | None = "true", program: Sequence[str] = ()) -> Iterator[Forefetch]:
    """``forefetch serve``, which ends on SIGTERM, with status 0. ``program``: what is run in its place."""
    folder = routes.parent
    serve: list[str | Path] = [*(program or [script("forefetch")]), "serve", "--config", routes]
    with serving("forefetch", serve, folder, lambda peer: bool(_port(peer)), environment(switch)) as process:
        yield Forefetch(_port(process), folder, process)
    assert process.exit_status == 0, process.log()


def _port(process: Peer) -> int:
    """Where it listens, as the log says; 0 as long as it does not."""
    match = _LISTENING.search(process.log())
    return int(match[1]) if match else 0
