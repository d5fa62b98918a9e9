"""DICOM nodes as values: the archives to retrieve from and the destinations to send to."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from engine.secret import Secret
from engine.tls import Tls


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. ``connect``: TCP. ``acse``: association negotiation and release. ``dimse``: silence between
    two responses. ``total``: one whole operation, however many pending responses it sends."""

    connect: float = 5.0
    acse: float = 10.0
    dimse: float = 300.0
    total: float = 3600.0


class IdentityKind(IntEnum):
    """User-Identity-Type (PS3.7 table D.3-14)."""

    USER = 1
    USER_AND_PASSWORD = 2
    KERBEROS = 3
    SAML = 4
    JWT = 5


@dataclass(frozen=True, slots=True)
class Identity:
    """Who we are to a node (PS3.7 D.3.3.7). ``secret`` is the password, or the ticket, assertion or token.

    ``confirm``: ask for a positive response, without which the association is not used.
    """

    kind: IdentityKind
    user: str = ""
    secret: Secret | None = None
    confirm: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A DICOM application entity and where it listens. Without ``tls`` nothing is encrypted."""

    name: str
    ae_title: str
    host: str
    port: int
    tls: Tls | None = field(default=None, kw_only=True)
    identity: Identity | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class Archive(Node):
    """A Query/Retrieve SCP.

    ``concurrency`` is the largest number of associations that Forefetch opens to it. ``idle`` is how many
    seconds an unused association stays open; one that was unused for longer than ``health`` seconds is
    checked by C-ECHO before it is used (None: never). ``series_level``: it can move single series (PS3.4
    C.4.2).
    """

    calling_ae_title: str = "FOREFETCH"
    concurrency: int = 2
    idle: float = 10.0
    health: float | None = None
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
