"""Who of the configured DICOM nodes answers a C-ECHO (PS3.4 annex A), asked side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from time import monotonic

from engine.config import Config
from engine.dicom.node import Destination, Node, Timeouts
from engine.errors import ForefetchError
from engine.retrieve.outcome import failure
from engine.scu import echo


class Kind(StrEnum):
    """What a node is to us."""

    ARCHIVE = "archive"
    DESTINATION = "destination"
    QUERY = "query address"  # of a destination, where it answers C-FIND elsewhere


@dataclass(frozen=True, slots=True)
class Callee:
    """A node to ask, and as whom."""

    kind: Kind
    node: Node
    calling_ae_title: str
    timeouts: Timeouts

    def __str__(self) -> str:
        return f"{self.node.name} ({self.node.ae_title} at {self.node.host}:{self.node.port})"


@dataclass(frozen=True, slots=True)
class Reply:
    """How that ended. ``seconds``: from connecting to the answer; None where there was none, for ``reason``,
    with the ``cure`` where something can be done."""

    callee: Callee
    seconds: float | None
    reason: str = ""
    cure: str = ""

    @property
    def answered(self) -> bool:
        return self.seconds is not None

    def __str__(self) -> str:
        if self.answered:
            return f"✓ {self.callee}{' with TLS' if self.callee.node.tls is not None else ''}"
        return f"✗ {self.callee}: {self.reason}" + (f"; {self.cure}" if self.cure else "")


def callees(config: Config) -> Iterator[Callee]:
    """Every archive, every destination whose address is known, and its query address where it differs."""
    for archive in config.archives.values():
        yield Callee(Kind.ARCHIVE, archive, archive.calling_ae_title, archive.timeouts)
    for destination in config.destinations.values():
        yield from _of_destination(destination, config.engine.ae_title)


def _of_destination(destination: Destination, calling: str) -> Iterator[Callee]:
    node, query = destination.node, destination.query
    if node is not None:
        yield Callee(Kind.DESTINATION, node, calling, Timeouts())
    if query is not None and (node is None or _address(query) != _address(node)):
        yield Callee(Kind.QUERY, query, query.calling_ae_title, query.timeouts)


def _address(node: Node) -> tuple[str, str, int]:
    return node.ae_title, node.host, node.port


def call(asked: Sequence[Callee]) -> Iterator[Reply]:
    """Ask all at once; the replies come in the order of ``asked``, each as soon as it and those before it are
    there. Nobody waits for a node that is dead."""
    if asked:
        with ThreadPoolExecutor(len(asked), thread_name_prefix="echo") as threads:
            yield from threads.map(_ask, asked)


def _ask(callee: Callee) -> Reply:
    begun = monotonic()
    try:
        echo(callee.node, callee.calling_ae_title, _prompt(callee.timeouts))
    except ForefetchError as error:
        outcome = failure(error)
        return Reply(callee, None, outcome.text, outcome.cure)
    return Reply(callee, monotonic() - begun)


def _prompt(timeouts: Timeouts) -> Timeouts:
    """A C-ECHO has to be answered as soon as an A-ASSOCIATE would be."""
    return replace(timeouts, dimse=min(timeouts.dimse, timeouts.acse))
