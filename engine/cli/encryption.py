"""What ``forefetch check`` says about encryption: who is encrypted, and what to be warned of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.config import Config
    from engine.tls import Tls

_SOON = dt.timedelta(days=30)


def connections(config: Config) -> Iterator[tuple[str, Tls | None]]:
    """Every connection of routes.yaml by a name for people."""
    yield "HL7 listener", config.engine.tls
    if config.web is not None:
        yield "operator's page", config.web.tls
    for archive in config.archives.values():
        yield f"archive {archive.name}", archive.tls
    for destination in config.destinations.values():
        if destination.node is not None:
            yield f"destination {destination.name}", destination.node.tls
    for rule in config.replies:
        yield f"replies to {rule.host}:{rule.port}", rule.tls
    if config.audit is not None and (collector := config.audit.collector) is not None:
        yield f"audit collector {collector.host}:{collector.port}", collector.tls
    for way in config.alerts.ways if config.alerts is not None else ():
        yield f"alerts: {way}", way.encrypted


def summary(config: Config) -> list[str]:
    """One line for what is encrypted and one for what is not."""
    told = dict.fromkeys(connections(config))
    lines = []
    for words, encrypted in (("encrypted (TLS)", True), ("not encrypted", False)):
        names = ", ".join(dict.fromkeys(name for name, tls in told if (tls is not None) is encrypted))
        if names:
            lines.append(f"{words}: {names}")
    return lines


def warnings(config: Config, now: dt.datetime) -> Iterator[str]:
    """Peers that anybody can play, and certificates of ours that expire within 30 days."""
    told: set[str] = set()
    for name, tls in connections(config):
        if tls is None:
            continue
        if not tls.verify:
            yield f"{name}: its certificate is not verified (verify: false); enter its authority as tls.ca"
        if tls.certificate and tls.certificate not in told:
            told.add(tls.certificate)
            yield from _expiry(name, tls.certificate, now)


def _expiry(name: str, path: str, now: dt.datetime) -> Iterator[str]:
    from engine.tls.expiry import expiry

    try:
        end = expiry(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        yield f"{name}: when {path} expires cannot be told ({error})"
        return
    if end <= now:
        yield f"{name}: {path} has expired on {end.date()}; renew it"
    elif end <= now + _SOON:
        yield f"{name}: {path} expires on {end.date()}; renew it"
