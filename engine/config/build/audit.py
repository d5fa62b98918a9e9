"""The audit trail."""

from __future__ import annotations

from engine.config.audit import AuditSettings, Collector
from engine.config.build.security import tls
from engine.config.models.audit import AuditSection, CollectorSection
from engine.config.models.engine import EngineSection
from engine.tls import Tls

_PORTS = {"tls": 6514, "udp": 514}  # RFC 5425 4.1, RFC 5426 3.3


def audit(section: AuditSection | None, engine: EngineSection) -> AuditSettings | None:
    if section is None:
        return None
    return AuditSettings(
        file=section.file or "",
        collector=_collector(section.collector),
        spool=section.spool or f"{engine.store}.audit",
        spool_size=section.spool_size,
        source=section.source or engine.ae_title,
    )


def _collector(section: CollectorSection | None) -> Collector | None:
    if section is None:
        return None
    encryption = (tls(section.tls) or Tls()) if section.transport == "tls" else None
    return Collector(section.host, section.port or _PORTS[section.transport], encryption)
