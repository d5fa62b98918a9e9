"""From the section ``web`` to its value."""

from __future__ import annotations

from engine.config.build.security import listener_tls
from engine.config.models.web import WebSection
from engine.config.web import WebSettings


def web(section: WebSection | None) -> WebSettings | None:
    if section is None:
        return None
    host, port = section.listen
    return WebSettings(
        host=host,
        port=port,
        tls=listener_tls(section.tls),
        users=section.users or "",
        idle_timeout=section.idle_timeout.total_seconds(),
        session_timeout=section.session_timeout.total_seconds(),
        mask_patients=section.mask_patients,
        open_metrics=section.open_metrics,
    )
