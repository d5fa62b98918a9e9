"""What an engine has beside its work where routes.yaml asks for it. Each is imported here alone, and only
then: an engine without it costs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.config import Config
from engine.events import Events

if TYPE_CHECKING:
    from engine.alerts import Alerts
    from engine.audit import Audit
    from engine.web.server import Web


class Part(Protocol):
    """Listens to events from its construction on, which does nothing else."""

    async def start(self) -> None:
        """ForefetchError where what it needs cannot be used."""

    async def stop(self) -> None:
        """Within seconds. May be called again, and without a start."""


def parts_of(config: Config, routes_file: str, events: Events) -> list[Part]:
    """In the order in which they start; they stop the other way round."""
    parts = [_alerts(config, events), audit_of(config, events), _web(config, routes_file, events)]
    return [part for part in parts if part is not None]


def audit_of(config: Config, events: Events) -> Audit | None:
    """The audit trail, not started."""
    if config.audit is None:
        return None
    from engine.audit import Audit

    return Audit(config.audit, config, events)


def _alerts(config: Config, events: Events) -> Alerts | None:
    """The alerts, not started."""
    if config.alerts is None:
        return None
    from engine.alerts import Alerts

    return Alerts(config.alerts, config, events)


def _web(config: Config, routes_file: str, events: Events) -> Web | None:
    """The operator's page, not started."""
    if config.web is None:
        return None
    from engine.web.server import Web

    return Web(config.web, config, routes_file, events)
