"""Archives and destinations."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from engine.config.fields import AeTitle, Duration, Listed, Port, PositiveDuration, WindowSpan
from engine.config.models.base import Section, default
from engine.config.models.gate import BreakerChoice, RateSection
from engine.config.models.security import IdentitySection, TlsSection

Concurrency = Annotated[int, Field(ge=1, le=256)]


class TimeoutsSection(Section):
    """How long to wait for an archive."""

    connect: PositiveDuration = default("5s", "TCP connection")
    acse: PositiveDuration = default("10s", "association request and release")
    dimse: PositiveDuration = default("5m", "silence between two responses")
    total: PositiveDuration = default("1h", "one C-FIND or C-MOVE as a whole")


class ArchiveSection(Section):
    """A Query/Retrieve SCP to retrieve from."""

    ae_title: AeTitle
    host: str
    port: Port
    calling_ae_title: AeTitle | None = default(None, "default: engine.ae_title")
    concurrency: Concurrency = default(2, "associations at a time")
    idle: PositiveDuration = default("10s", "keep an unused association open for")
    health: Duration | None = default(
        None, "C-ECHO before using an association that was unused for longer; default: never"
    )
    timeouts: TimeoutsSection = default({}, "how long to wait")
    rate: RateSection | None = default(None, "moves that may start in a minute; default: no limit")
    windows: Annotated[list[WindowSpan], Listed] = default([], "when it may move studies; default: always")
    breaker: BreakerChoice = default({}, "leave it alone after failures in a row, or off; default: on")
    series_level: bool = default(True, "it can move single series; default: true")
    tls: TlsSection | None = default(None, "encrypt; {} trusts the authorities of the system")
    identity: IdentitySection | None = default(None, "who we are to it")


class QuerySection(Section):
    """Where a destination answers C-FIND. Everything has a default."""

    ae_title: AeTitle | None = default(None, "default: the destination's")
    host: str | None = default(None, "default: the destination's")
    port: Port | None = default(None, "default: the destination's")
    calling_ae_title: AeTitle | None = default(None, "default: engine.ae_title")
    concurrency: Concurrency = default(2, "associations at a time; default: 2")
    timeouts: TimeoutsSection = default({}, "how long to wait")
    tls: TlsSection | None = default(None, "default: the destination's")
    identity: IdentitySection | None = default(None, "default: the destination's")


class DestinationSection(Section):
    """A C-MOVE destination that retrieval is allowed to. The archive must know its AE title too."""

    ae_title: AeTitle
    host: str | None = default(None, "for forefetch echo")
    port: Port | None = None
    query: QuerySection | None = default(
        None, "where it answers C-FIND; {}: at its own address. For verify and already_there"
    )
    concurrency: Concurrency | None = default(
        None, "moves to it at a time, of all archives; default: no limit"
    )
    rate: RateSection | None = default(None, "moves to it that may start in a minute; default: no limit")
    windows: Annotated[list[WindowSpan], Listed] = default([], "when studies may go to it; default: always")
    breaker: BreakerChoice = default({}, "leave it alone after failures in a row, or off; default: on")
    tls: TlsSection | None = default(None, "encrypt what we send it: C-ECHO, and queries where it has none")
    identity: IdentitySection | None = default(None, "who we are to it, in C-ECHO and queries")

    @model_validator(mode="after")
    def _both(self) -> DestinationSection:
        if (self.host is None) is not (self.port is None):
            raise ValueError("host and port, both or neither")
        if self.host is None and (self.tls is not None or self.identity is not None):
            raise ValueError("host and port beside tls and identity")
        return self
