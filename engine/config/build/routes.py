"""Routes and their conditions."""

from __future__ import annotations

from engine.config.build.relevance import Vocabularies
from engine.config.build.studies import want
from engine.config.models.conditions import AllCondition, AnyCondition, FieldCondition, NotCondition
from engine.config.models.routes import DestinationMap, RouteSection, ScheduleSection
from engine.retrieve.task import Priority
from engine.routing.conditions import All, AnyOf, Condition, Dated, Exists, Matches, Not, OneOf
from engine.routing.rules import Acknowledge, DestinationRule, Route, Schedule


def route(section: RouteSection, vocabularies: Vocabularies) -> Route:
    conditions = tuple(_condition(part) for part in section.when)
    return Route(
        name=section.name,
        enabled=section.enabled,
        messages=tuple(section.messages),
        condition=All(conditions) if conditions else None,
        wants=tuple(want(item, vocabularies) for item in section.studies),
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


def _target(section: str | DestinationMap) -> DestinationRule:
    if isinstance(section, str):
        return DestinationRule(section)
    return DestinationRule(section.otherwise, section.field, dict(section.map))
