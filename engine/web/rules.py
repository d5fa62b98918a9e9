"""The routes of routes.yaml in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import NamedTuple

from engine.config import Config
from engine.retrieve.duration import duration_text
from engine.retrieve.policy import RouteRule
from engine.retrieve.selector import PriorCriteria, SeriesFilter
from engine.retrieve.task import Verify
from engine.routing.conditions import All, AnyOf, Condition, Not
from engine.routing.rules import AccessionWant, Acknowledge, DestinationRule, Route, StudyWant, Want

_YEAR = dt.timedelta(days=365.25)


class Told(NamedTuple):
    """A route in words. ``conditions`` are indented by their first part."""

    route: Route
    messages: str
    conditions: list[tuple[int, str]]
    studies: list[str]
    destination: list[str]
    terms: list[str]


def tell(route: Route, config: Config) -> Told:
    """One route in words."""
    return Told(
        route,
        " or ".join(map(str, route.messages)),
        list(_conditions(route.condition)) if route.condition is not None else [],
        [_want(want) for want in route.wants],
        list(_destination(route.destination)),
        list(_terms(route, config.gate.routes[route.name])),
    )


def _conditions(condition: Condition, depth: int = 0) -> Iterator[tuple[int, str]]:
    match condition:
        case Not(part):
            yield depth, "not"
            yield from _conditions(part, depth + 1)
        case All((part,)) | AnyOf((part,)):
            yield from _conditions(part, depth)
        case All(parts) | AnyOf(parts):
            yield depth, "all of" if isinstance(condition, All) else "any of"
            for part in parts:
                yield from _conditions(part, depth + 1)
        case _:
            yield depth, str(condition)


def _want(want: Want) -> str:
    if isinstance(want, StudyWant):
        series = f", only the series in {want.series_uid}" if want.series_uid is not None else ""
        return f"the study in {want.study}{series}{_series(want.series)}"
    if isinstance(want, AccessionWant):
        whose = f" of the patient in {want.patient}" if want.patient is not None else ""
        return f"the studies with the accession number in {want.accession}{whose}{_series(want.series)}"
    return f"priors of the patient in {want.patient}{_priors(want.criteria)}{_series(want.series)}"


def _series(wanted: SeriesFilter | None) -> str:
    if wanted is None:
        return ""
    parts = [f"of modality {' or '.join(wanted.modalities)}"] if wanted.modalities else []
    parts += [f"whose description matches {wanted.description!r}"] if wanted.description else []
    return f"; of them the series {' and '.join(parts)}" if parts else ""


def _priors(criteria: PriorCriteria) -> str:
    words = (
        (f"of modality {' or '.join(criteria.modalities)}", criteria.modalities),
        (f"whose description matches {criteria.description!r}", criteria.description),
        (f"not older than {_age(criteria.within)}" if criteria.within else "", criteria.within),
        ("that are relevant", criteria.relevance),
        (f"the newest {criteria.newest}", criteria.newest),
        (f"the oldest {criteria.oldest} too", criteria.oldest),
        (f"at least {criteria.at_least}", criteria.at_least),
    )
    return "".join(f", {text}" for text, given in words if given)


def _age(size: dt.timedelta) -> str:
    years, rest = divmod(size, _YEAR)
    return duration_text(size) if rest or not years else f"{years} year{'' if years == 1 else 's'}"


def _destination(rule: DestinationRule) -> Iterator[str]:
    if rule.field is None:
        yield str(rule.otherwise)
        return
    for value, target in (rule.choices or {}).items():
        yield f"{target} where {rule.field} is {value!r}"
    yield f"{rule.otherwise} otherwise" if rule.otherwise is not None else "an error otherwise"


def _terms(route: Route, rule: RouteRule) -> Iterator[str]:
    if rule.dry_run:
        yield "dry run: nothing is moved"
    if route.schedule is not None:
        yield f"{duration_text(route.schedule.before)} before the time in {route.schedule.field}"
    if rule.windows is not None:
        yield f"only {rule.windows}"
    if rule.hold is not None:
        over = f" where a message moves more than {rule.hold.over} studies" if rule.hold.over else ""
        yield f"a person must approve it{over}, within {duration_text(rule.hold.expires)}"
    if rule.retry is not None:
        yield f"tried again {rule.retry}"
    if rule.verify is not Verify.OFF:
        yield f"verified at the destination, by {rule.verify}"
    if rule.skip_present:
        yield "not what is there already"
    if route.validate:
        yield "messages are validated against the standard"
    yield f"priority {route.priority.name.lower()}"
    if route.acknowledge is Acknowledge.OUTCOME:
        yield f"acknowledged with the outcome, within {route.deadline:g} s"
    else:
        yield "acknowledged as soon as the message is kept"
