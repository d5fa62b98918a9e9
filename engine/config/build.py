"""From checked models to values."""

from __future__ import annotations

import re

from engine.config.models import (
    AccessionItem,
    AllCondition,
    AnyCondition,
    ArchiveSection,
    DestinationMap,
    DestinationSection,
    EngineSection,
    FieldCondition,
    IntakeSection,
    NotCondition,
    PriorsItem,
    PriorsSection,
    ReplySection,
    RouteSection,
    RoutesFile,
    ScheduleSection,
    SeriesSection,
    StudyItem,
)
from engine.config.values import Config, EngineSettings, ReplyRule
from engine.dicom.node import Archive, Destination, Node, Timeouts
from engine.hl7.path import ASSIGNING_AUTHORITY
from engine.retrieve.selector import PriorCriteria, SeriesFilter
from engine.retrieve.task import Priority
from engine.routing.admission import Admission, Sender
from engine.routing.conditions import All, AnyOf, Condition, Dated, Exists, Matches, Not, OneOf
from engine.routing.rules import (
    AccessionWant,
    Acknowledge,
    DestinationRule,
    PriorsWant,
    Route,
    Schedule,
    StudyWant,
    Want,
)


def build(file: RoutesFile) -> Config:
    """The values; names are taken to be checked."""
    return Config(
        engine=_engine(file.engine),
        intake=_intake(file.intake),
        archives={name: _archive(name, section, file.engine) for name, section in file.archives.items()},
        destinations={name: _destination(name, section) for name, section in file.destinations.items()},
        routes=tuple(_route(section) for section in file.routes),
        replies=tuple(_reply(section) for section in file.replies),
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
    )


def _intake(section: IntakeSection) -> Admission:
    return Admission(
        senders=tuple(Sender(sender.application, sender.facility) for sender in section.senders),
        processing_ids=tuple(section.processing_ids),
        versions=tuple(section.versions),
        unrouted=section.unrouted == "accept",
    )


def _archive(name: str, section: ArchiveSection, engine: EngineSection) -> Archive:
    limits = section.timeouts
    return Archive(
        name=name,
        ae_title=section.ae_title,
        host=section.host,
        port=section.port,
        calling_ae_title=section.calling_ae_title or engine.ae_title,
        concurrency=section.concurrency,
        idle=section.idle.total_seconds(),
        timeouts=Timeouts(
            connect=limits.connect.total_seconds(),
            acse=limits.acse.total_seconds(),
            dimse=limits.dimse.total_seconds(),
            total=limits.total.total_seconds(),
        ),
    )


def _destination(name: str, section: DestinationSection) -> Destination:
    node = None
    if section.host is not None and section.port is not None:
        node = Node(name, section.ae_title, section.host, section.port)
    return Destination(name, section.ae_title, node)


def _route(section: RouteSection) -> Route:
    conditions = tuple(_condition(part) for part in section.when)
    return Route(
        name=section.name,
        enabled=section.enabled,
        messages=tuple(section.messages),
        condition=All(conditions) if conditions else None,
        wants=tuple(_want(item) for item in section.studies),
        archive=section.from_,
        destination=_target(section.to),
        acknowledge=Acknowledge(section.acknowledge),
        deadline=section.deadline.total_seconds(),
        priority=Priority[section.priority.name],
        validate=section.validate_ or section.profile is not None,
        profile=section.profile or "",
        schedule=_schedule(section.schedule),
        response=section.respond,
    )


def _schedule(section: ScheduleSection | None) -> Schedule | None:
    return None if section is None else Schedule(section.field, section.before)


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
    )


def _condition(
    section: NotCondition | AllCondition | AnyCondition | FieldCondition,
) -> Condition:
    match section:
        case NotCondition():
            return Not(_condition(section.not_))
        case AllCondition():
            return All(tuple(_condition(part) for part in section.all_))
        case AnyCondition():
            return AnyOf(tuple(_condition(part) for part in section.any_))
        case FieldCondition():
            return _field_condition(section)


def _field_condition(section: FieldCondition) -> Condition:
    if section.equals is not None:
        return OneOf(section.field, (section.equals,))
    if section.in_ is not None:
        return OneOf(section.field, tuple(section.in_))
    if section.regex is not None:
        return Matches(section.field, section.regex)
    if section.exists is not None:
        return Exists(section.field, section.exists)
    assert section.date is not None  # the model asks for exactly one operator
    return Dated(section.field, section.date.after, section.date.before)


def _want(item: StudyItem | AccessionItem | PriorsItem) -> Want:
    match item:
        case StudyItem():
            uid = item.series.uid if item.series is not None else None
            return StudyWant(item.study, uid, _series(item.series) if uid is None else None)
        case AccessionItem():
            return AccessionWant(item.accession, _series(item.series), item.patient)
        case PriorsItem():
            return _priors(item.priors)


def _priors(section: PriorsSection) -> PriorsWant:
    criteria = PriorCriteria(
        modalities=tuple(section.modality),
        within=section.within,
        newest=section.newest,
        description=_source(section.description),
    )
    return PriorsWant(
        patient=section.patient,
        criteria=criteria,
        issuer=_issuer(section),
        ordered_study=tuple(section.ordered_study),
        ordered_accession=tuple(section.ordered_accession),
        series=_series(section.series),
    )


def _issuer(section: PriorsSection) -> str:
    """The issuer that is named; or the authority by which the patient ID is chosen (``PID-3[FOREST].1``)."""
    if section.issuer is not None:
        return section.issuer
    named = (choice.value for choice in section.patient.chosen if choice.component == ASSIGNING_AUTHORITY)
    return next(named, "")


def _series(section: SeriesSection | None) -> SeriesFilter | None:
    if section is None:
        return None
    return SeriesFilter(tuple(section.modality), _source(section.description))


def _source(pattern: re.Pattern[str] | None) -> str:
    return pattern.pattern if pattern is not None else ""


def _target(section: str | DestinationMap) -> DestinationRule:
    if isinstance(section, str):
        return DestinationRule(section)
    return DestinationRule(section.otherwise, section.field, dict(section.map))
