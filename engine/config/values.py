"""The configuration as the engine uses it: frozen values, every name resolved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from engine.dicom.node import Archive, Destination
from engine.retrieve.gate import Policy
from engine.routing.admission import Admission
from engine.routing.rules import Route


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The ``engine`` section. Times are in seconds; ``time_zone`` None means the machine's."""

    host: str
    port: int
    store: str
    ae_title: str
    time_zone: dt.tzinfo | None
    default_charset: str
    max_message_bytes: int
    max_connections: int
    window: int
    idle_timeout: float
    frame_timeout: float
    drain_timeout: float


@dataclass(frozen=True, slots=True)
class Config:
    """All of routes.yaml."""

    engine: EngineSettings
    intake: Admission
    archives: Mapping[str, Archive]
    destinations: Mapping[str, Destination]
    routes: tuple[Route, ...]

    def policy(self, *, switch_on: bool) -> Policy:
        """What the gate needs to know."""
        return Policy(
            switch_on=switch_on,
            routes={route.name: route.enabled for route in self.routes},
            archives={name: archive.concurrency for name, archive in self.archives.items()},
            destinations=frozenset(self.destinations),
        )
