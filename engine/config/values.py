"""The configuration as the engine uses it: frozen values, every name resolved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from engine.config.alerts import AlertSettings
from engine.config.audit import AuditSettings
from engine.config.web import WebSettings
from engine.dicom.node import Archive, Destination
from engine.retrieve.budget import Budget
from engine.retrieve.policy import NodeRule, Policy, RouteRule
from engine.routing.admission import Admission
from engine.routing.rules import Route
from engine.routing.table import RouteTable
from engine.tls import Tls


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of the past is kept: up to this age, so many messages, so many bytes. None: no limit."""

    age: dt.timedelta | None = None
    messages: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The ``engine`` section. Times are in seconds; ``time_zone`` None means the machine's."""

    host: str
    port: int
    store: str = field(repr=False)  # where the journal is (`engine.place`): a URL may have a password
    ae_title: str
    time_zone: dt.tzinfo | None
    default_charset: str
    max_message_bytes: int
    max_connections: int
    window: int
    idle_timeout: float
    frame_timeout: float
    drain_timeout: float
    retention: Limits
    tls: Tls | None = None


@dataclass(frozen=True, slots=True)
class ReplyRule:
    """Where the application acknowledgments of a sender's messages go in enhanced mode (HL7 v2 ch. 2.9.3).

    ``application`` and ``facility`` are MSH-3.1 and MSH-4.1 of the message, with ``*`` and ``?`` as wild
    cards. ``first``, ``longest`` and ``give_up`` are in seconds.
    """

    application: str
    facility: str
    host: str
    port: int
    wait_for_accept: bool
    first: float
    longest: float
    give_up: float
    tls: Tls | None = None


def reply_rule(
    rules: Iterable[ReplyRule], sending_application: str, sending_facility: str
) -> ReplyRule | None:
    """The first rule that takes this sender; None: the reply goes back on the message's own connection."""
    for rule in rules:
        if _matches(sending_application, rule.application) and _matches(sending_facility, rule.facility):
            return rule
    return None


def _matches(value: str, pattern: str) -> bool:
    return fnmatchcase(value, pattern.replace("[", "[[]"))  # a bracket is no wild card here


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The section ``gate``, and what the other sections say to the gate, by their names.

    ``aging``: what has waited so many seconds counts as one priority more urgent. ``verify_within``: seconds
    for a destination to show what it has received. ``zone`` is that of windows and days.
    """

    routes: Mapping[str, RouteRule]
    archives: Mapping[str, NodeRule]
    destinations: Mapping[str, NodeRule]
    order: Budget
    patient_day: Budget
    dry_run: bool
    aging: float
    verify_within: float
    zone: dt.tzinfo


@dataclass(frozen=True, slots=True)
class Config:
    """All of routes.yaml. ``table`` has the ``routes`` as they are looked up."""

    engine: EngineSettings
    intake: Admission
    archives: Mapping[str, Archive]
    destinations: Mapping[str, Destination]
    routes: tuple[Route, ...]
    gate: GateSettings
    replies: tuple[ReplyRule, ...] = ()
    audit: AuditSettings | None = None
    web: WebSettings | None = None
    alerts: AlertSettings | None = None
    table: RouteTable = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", RouteTable(self.routes))

    def policy(self, *, switch_on: bool) -> Policy:
        """What the gate needs to know."""
        return Policy(
            switch_on=switch_on,
            routes=self.gate.routes,
            archives=self.gate.archives,
            destinations=self.gate.destinations,
            order=self.gate.order,
            patient_day=self.gate.patient_day,
            dry_run=self.gate.dry_run,
            zone=self.gate.zone,
        )
