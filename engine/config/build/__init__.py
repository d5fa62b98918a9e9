"""From checked models to values."""

from __future__ import annotations

from pathlib import Path

from engine.config.build.alerts import alerts
from engine.config.build.audit import audit
from engine.config.build.gate import gate
from engine.config.build.nodes import archive, destination
from engine.config.build.relevance import vocabularies
from engine.config.build.routes import route
from engine.config.build.security import listener_tls, tls
from engine.config.build.web import web
from engine.config.models import RoutesFile
from engine.config.models.engine import EngineSection, IntakeSection
from engine.config.models.replies import ReplySection
from engine.config.models.retention import RetentionSection
from engine.config.values import Config, EngineSettings, Limits, ReplyRule
from engine.routing.admission import Admission, Sender


def build(file: RoutesFile, folder: Path) -> Config:
    """The values; names are taken to be checked. ``folder``: that of routes.yaml."""
    known = vocabularies(file.relevance)
    return Config(
        engine=_engine(file.engine),
        intake=_intake(file.intake),
        archives={name: archive(name, section, file.engine) for name, section in file.archives.items()},
        destinations={
            name: destination(name, section, file.engine) for name, section in file.destinations.items()
        },
        routes=tuple(route(section, known) for section in file.routes),
        gate=gate(file),
        replies=tuple(_reply(section) for section in file.replies),
        audit=audit(file.audit, file.engine, folder),
        web=web(file.web),
        alerts=alerts(file),
    )


def _engine(section: EngineSection) -> EngineSettings:
    host, port = section.listen
    return EngineSettings(
        host=host,
        port=port,
        store=section.store,
        ae_title=section.ae_title,
        time_zone=section.time_zone,
        default_charset=section.default_charset,
        max_message_bytes=section.max_message_bytes,
        max_connections=section.max_connections,
        window=section.window,
        idle_timeout=section.idle_timeout.total_seconds(),
        frame_timeout=section.frame_timeout.total_seconds(),
        drain_timeout=section.drain_timeout.total_seconds(),
        retention=_retention(section.retention),
        tls=listener_tls(section.tls),
    )


def _retention(choice: RetentionSection | str) -> Limits:
    return Limits() if isinstance(choice, str) else Limits(choice.age, choice.messages, choice.size)


def _intake(section: IntakeSection) -> Admission:
    return Admission(
        senders=tuple(Sender(sender.application, sender.facility) for sender in section.senders),
        processing_ids=tuple(section.processing_ids),
        versions=tuple(section.versions),
        unrouted=section.unrouted == "accept",
    )


def _reply(section: ReplySection) -> ReplyRule:
    host, port = section.to
    return ReplyRule(
        application=section.application or "*",
        facility=section.facility or "*",
        host=host,
        port=port,
        wait_for_accept=section.accept == "AL",
        first=section.retry.first.total_seconds(),
        longest=section.retry.longest.total_seconds(),
        give_up=section.retry.give_up.total_seconds(),
        tls=tls(section.tls),
    )
