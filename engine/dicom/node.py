"""DICOM nodes as values: the archives to retrieve from and the destinations to send to."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``connect``: TCP. ``acse``: association negotiation and release. ``dimse``: silence between
    two responses. ``total``: one whole operation, however many pending responses it sends."""

    connect: float = 5.0
    acse: float = 10.0
    dimse: float = 300.0
    total: float = 3600.0


@dataclass(frozen=True, slots=True)
class Node:
    """A DICOM application entity and where it listens."""

    name: str
    ae_title: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Archive(Node):
    """A Query/Retrieve SCP.

    ``concurrency`` is the largest number of associations that Forefetch opens to it. ``idle`` is how many
    seconds an unused association stays open. ``series_level``: it can move single series (PS3.4 C.4.2).
    """

    calling_ae_title: str = "FOREFETCH"
    concurrency: int = 2
    idle: float = 10.0
    timeouts: Timeouts = field(default_factory=Timeouts)
    series_level: bool = True


@dataclass(frozen=True, slots=True)
class Destination:
    """A listed C-MOVE destination. ``node`` is its address where it is known, for C-ECHO;
    ``query`` is where it answers C-FIND, where it does."""

    name: str
    ae_title: str
    node: Node | None = None
    query: Archive | None = None
