"""The nodes that the tests ask about: an archive and what it has logged, a destination and its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pydicom

from tests.peers.processes import Peer

Ports = Mapping[str, int]
"""Ports on 127.0.0.1 by AE title."""


@dataclass(frozen=True, slots=True)
class ArchiveNode:
    """A running archive. ``association_line`` and ``move_line`` stand in its log once for each of them.
    ``http`` is the port of its REST API, where it has one."""

    ae_title: str
    port: int
    process: Peer
    association_line: str
    move_line: str
    http: int = 0

    def associations(self) -> int:
        """Associations received since this test began."""
        return self.process.log_since_mark().count(self.association_line)

    def moves(self) -> int:
        """C-MOVE requests received since this test began."""
        return self.process.log_since_mark().count(self.move_line)


@dataclass(frozen=True, slots=True)
class StorageNode:
    """A running ``storescp`` and the folder that it writes into."""

    ae_title: str
    port: int
    folder: Path
    process: Peer

    def datasets(self) -> list[pydicom.Dataset]:
        """What has been stored, read by pydicom."""
        return [pydicom.dcmread(path) for path in sorted(self.folder.iterdir())]

    def studies(self) -> dict[str, int]:
        """How many objects of each study have been stored, by Study Instance UID."""
        return dict(Counter(str(dataset.StudyInstanceUID) for dataset in self.datasets()))

    def series(self) -> dict[str, int]:
        """How many objects of each series have been stored, by Series Instance UID."""
        return dict(Counter(str(dataset.SeriesInstanceUID) for dataset in self.datasets()))

    def stores(self) -> int:
        """C-STORE requests since this test began, also those that overwrote a file."""
        return self.process.log_since_mark().count("Received Store Request")

    def empty(self) -> None:
        for path in self.folder.iterdir():
            path.unlink()
