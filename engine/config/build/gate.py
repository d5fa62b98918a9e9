"""The gate: the rules of routes, archives and destinations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from tzlocal import get_localzone

from engine.config.models import RoutesFile
from engine.config.models.gate import BreakerSection, BudgetSection, HoldSection, RateSection
from engine.config.models.nodes import ArchiveSection, DestinationSection
from engine.config.models.routes import RouteSection
from engine.config.values import GateSettings
from engine.retrieve.breaker import BreakerRule
from engine.retrieve.budget import Budget
from engine.retrieve.policy import Hold, NodeRule, RouteRule
from engine.retrieve.rate import Rate
from engine.retrieve.task import Verify
from engine.retrieve.windows import Window, Windows


def gate(file: RoutesFile) -> GateSettings:
    zone = file.engine.time_zone or get_localzone()
    section = file.gate
    return GateSettings(
        routes={route.name: _route(route, zone) for route in file.routes},
        archives={name: _node(node, zone) for name, node in file.archives.items()},
        destinations={name: _node(node, zone) for name, node in file.destinations.items()},
        order=_budget(section.budgets.order),
        patient_day=_budget(section.budgets.patient),
        dry_run=section.mode == "dry-run",
        aging=section.aging.total_seconds(),
        verify_within=section.verify_within.total_seconds(),
        zone=zone,
    )


def _route(section: RouteSection, zone: dt.tzinfo) -> RouteRule:
    return RouteRule(
        enabled=section.enabled,
        windows=windows(section.windows, zone),
        hold=_hold(section.hold),
        dry_run=section.gate == "dry-run",
        retry=section.retry if section.retry.steps else None,
        verify=Verify(section.verify),
        skip_present=section.already_there == "skip",
    )


def _node(section: ArchiveSection | DestinationSection, zone: dt.tzinfo) -> NodeRule:
    return NodeRule(
        concurrency=section.concurrency,
        rate=_rate(section.rate),
        windows=windows(section.windows, zone),
        breaker=_breaker(section.breaker),
    )


def windows(spans: Sequence[Window], zone: dt.tzinfo) -> Windows | None:
    return Windows(tuple(spans), zone) if spans else None


def _rate(section: RateSection | None) -> Rate:
    return Rate() if section is None else Rate(section.studies, section.instances)


def _breaker(section: BreakerSection | str) -> BreakerRule | None:
    if isinstance(section, str):
        return None
    return BreakerRule(section.failures, section.pause, section.longest)


def _hold(section: HoldSection | bool) -> Hold | None:
    if isinstance(section, bool):
        return Hold() if section else None
    return Hold(section.over, section.expires)


def _budget(section: BudgetSection) -> Budget:
    return Budget(section.studies, section.instances)
