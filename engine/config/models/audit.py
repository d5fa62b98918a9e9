"""The audit trail (PS3.15 A.5)."""

from __future__ import annotations

from typing import Literal

from pydantic import model_validator

from engine.config.fields import Port, Size, Text
from engine.config.models.base import Section, default
from engine.config.models.security import Beside, TlsSection


class CollectorSection(Section):
    """An audit repository that takes DICOM audit messages by syslog."""

    host: Text
    port: Port | None = default(None, "default: 6514 for tls, 514 for udp")
    transport: Literal["tls", "udp"] = default("tls", "tls (RFC 5425) or udp (RFC 5426)")
    tls: TlsSection | None = default(None, "of transport tls; default: the authorities of the system")

    @model_validator(mode="after")
    def _encrypted(self) -> CollectorSection:
        if self.transport == "udp" and self.tls is not None:
            raise ValueError("transport: tls beside tls, since nothing is encrypted over UDP")
        return self


class AuditSection(Section):
    """Who asked for what, what was moved, and who did it: a file, a collector or both."""

    file: Beside | None = default(None, "JSON lines, only ever appended to")
    collector: CollectorSection | None = default(None, "where DICOM audit messages go")
    spool: Beside | None = default(
        None,
        "folder for what the collector has not had yet; default: the journal's name with .audit, or "
        "forefetch.audit beside this file",
    )
    spool_size: Size = default("64MB", "what may wait there; more is lost")
    source: Text | None = default(None, "what we are called in it; default: engine.ae_title")

    @model_validator(mode="after")
    def _somewhere(self) -> AuditSection:
        if self.file is None and self.collector is None:
            raise ValueError("file, collector or both")
        if self.collector is None and self.model_fields_set & {"spool", "spool_size"}:
            raise ValueError("collector beside spool and spool_size, which are for what it has not had yet")
        return self
