"""The audit trail."""

from __future__ import annotations

from pathlib import Path

from engine.config.audit import AuditSettings, Collector
from engine.config.build.security import tls
from engine.config.models.audit import AuditSection, CollectorSection
from engine.config.models.engine import EngineSection
from engine.place import is_shared
from engine.tls import Tls

_PORTS = {"tls": 6514, "udp": 514}  # RFC 5425 4.1, RFC 5426 3.3


def audit(section: AuditSection | None, engine: EngineSection, folder: Path) -> AuditSettings | None:
    """``folder``: that of routes.yaml."""
    if section is None:
        return None
    return AuditSettings(
        file=section.file or "",
        collector=_collector(section.collector),
        spool=section.spool or _spool(engine.store, folder),
        spool_size=section.spool_size,
        source=section.source or engine.ae_title,
    )


def _spool(journal: str, folder: Path) -> str:
    """Each engine has its own, also where they share the journal: beside this, or else beside routes.yaml."""
    return str(folder / "forefetch.audit") if is_shared(journal) else f"{journal}.audit"


def _collector(section: CollectorSection | None) -> Collector | None:
    if section is None:
        return None
    encryption = (tls(section.tls) or Tls()) if section.transport == "tls" else None
    return Collector(section.host, section.port or _PORTS[section.transport], encryption)
