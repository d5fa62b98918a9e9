"""The section ``audit`` as values."""

from __future__ import annotations

from dataclasses import dataclass

from engine.tls import Tls


@dataclass(frozen=True, slots=True)
class Collector:
    """Where audit messages go by syslog: over TLS, or over UDP where ``tls`` is None."""

    host: str
    port: int
    tls: Tls | None


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """What is kept of the audit trail, and where: ``file`` is empty where none is. ``spool`` is a folder for
    what the collector has not had yet, ``spool_size`` in bytes. ``source`` is what we are called there."""

    file: str
    collector: Collector | None
    spool: str
    spool_size: int
    source: str
