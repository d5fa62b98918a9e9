"""Orthanc as archive: no plugins, its data in a folder of the test, its destinations known by AE title."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.nodes import ArchiveNode, Ports
from tests.peers.processes import binary, free_port, serving


@contextmanager
def orthanc(
    ae_title: str,
    destinations: Ports,
    folder: Path,
    *,
    idle: int = 20,
    port: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[ArchiveNode]:
    """An archive that knows these destinations and ends associations that are silent for ``idle`` seconds.
    ``port`` 0 is any; ``settings`` come on top of its own. What the folder holds already is kept."""
    dicom, http = port or free_port(), free_port()
    modalities = {title: [title, "127.0.0.1", port] for title, port in destinations.items()}
    config = {
        "Name": ae_title,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
        "HttpPort": http,
        "RemoteAccessAllowed": False,
        "DicomAet": ae_title,
        "DicomPort": dicom,
        "DicomCheckCalledAet": True,
        "DicomScpTimeout": idle,
        # What is not listed may not query or retrieve; FOREFETCH never receives, so that its port is none.
        "DicomModalities": {**modalities, "FOREFETCH": ["FOREFETCH", "127.0.0.1", 1]},
        **(settings or {}),
    }
    path = folder / "orthanc.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    command: list[str | Path] = [binary("Orthanc"), "--verbose", path]
    with serving("orthanc", command, folder, lambda _: _answers(http)) as process:
        lines = ("Association Received from AET", "Incoming Move request")
        yield ArchiveNode(ae_title, dicom, process, *lines, http)


def delete(node: ArchiveNode, uid: str = "") -> None:
    """Take the study, series or object with this UID out of it, or everything."""
    for found in _request(node, "/tools/lookup", uid) if uid else _patients(node):
        _request(node, found["Path"], method="DELETE")


def _patients(node: ArchiveNode) -> list[dict[str, str]]:
    return [{"Path": f"/patients/{patient}"} for patient in _request(node, "/patients")]


def _request(node: ArchiveNode, path: str, body: str | None = None, method: str | None = None) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{node.http}{path}", None if body is None else body.encode(), method=method
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


def _answers(port: int) -> bool:
    """Whether its REST API does. It starts after the DICOM server."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/system", timeout=5) as response:
            return bool(json.load(response)["Version"])
    except OSError:  # refused, or reset while it starts
        return False
