"""What the routes that matched ask of a message: the requests, and what could not be asked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from engine.dicom.identifiers import valid_key, valid_uid
from engine.errors import ErrorCode, IdentifierError
from engine.hl7.encoding import parse_time
from engine.hl7.message import Located, Message
from engine.hl7.path import FieldPath
from engine.retrieve.plan import PlanProblem, RetrievePlan, union
from engine.retrieve.selector import (
    OrderedStudy,
    PriorsOfPatient,
    Selector,
    SeriesFilter,
    SeriesOfStudy,
    StudiesOfAccession,
    Study,
)
from engine.retrieve.task import RetrieveRequest
from engine.routing.meaning import authority_of
from engine.routing.ordered import exam_day, ordered_exam, present, texts
from engine.routing.rules import (
    AccessionWant,
    DestinationRule,
    PriorsWant,
    Route,
    Schedule,
    StudyWant,
    Want,
)
from engine.routing.urgency import urgency_of

_PATIENT = FieldPath.parse("PID-3.1")
_Make = Callable[[str], Selector]


def plan(message: Message, routes: Iterable[Route], now: dt.datetime) -> RetrievePlan:
    """The union of what the matched routes ask of this message."""
    requests: list[RetrieveRequest] = []
    problems: list[PlanProblem] = []
    urgency, patient = urgency_of(message), _patient(message)
    for route in routes:
        destination = _destination(route.name, route.destination, message)
        if isinstance(destination, PlanProblem):
            problems.append(destination)
            continue
        selectors, faults = _selectors(route, message, now)
        problems += faults
        due = _due(route.schedule, message, now) if route.schedule is not None else None
        requests += [
            RetrieveRequest(
                selector,
                route.archive,
                destination,
                (route.name,),
                route.priority if urgency is None else min(route.priority, urgency),
                due,
                patient,
            )
            for selector in selectors
        ]
    return RetrievePlan(union(requests), tuple(problems))


def _patient(message: Message) -> str:
    """Whom the budget of a patient and day is kept for: the first ID with its authority."""
    first = next(iter(present(message, _PATIENT)), None)
    if first is None:
        return ""
    return "^".join(part for part in (first.text, authority_of(message, _PATIENT, first)) if part)


def _due(schedule: Schedule, message: Message, now: dt.datetime) -> dt.datetime | None:
    """The earliest of the times that the field names, less ``before``; None, that is now, where that is past
    or there is none."""
    zone = now.tzinfo or dt.UTC
    times = [parse_time(value.text, zone) for value in message.values(schedule.field)]
    try:
        due = min(time - schedule.before for time in times if time is not None)
    except (ValueError, OverflowError):  # none of them a time; or one at the beginning of time
        return None
    return due if due > now else None


def _destination(route: str, rule: DestinationRule, message: Message) -> str | PlanProblem:
    if rule.field is None or rule.choices is None:
        assert rule.otherwise is not None  # the config has checked it
        return rule.otherwise
    named = message.first(rule.field)
    chosen = rule.choices.get(named, rule.otherwise)
    if chosen is not None:
        return chosen
    if not named:
        return PlanProblem(
            route,
            f"{rule.field} is empty and names no destination",
            ErrorCode.REQUIRED_FIELD_MISSING,
            str(rule.field),
        )
    text = f"{rule.field} {named!r} is not in the destination map of route {route}"
    return PlanProblem(route, text, ErrorCode.TABLE_VALUE_NOT_FOUND, str(rule.field))


def _selectors(route: Route, message: Message, now: dt.datetime) -> tuple[list[Selector], list[PlanProblem]]:
    """An empty field asks for nothing; but a route all of whose fields are empty has a problem."""
    selectors: list[Selector] = []
    problems: list[PlanProblem] = []
    for want in route.wants:
        for result in _selected(want, message, now):
            if isinstance(result, Located):
                problems.append(PlanProblem(route.name, result.text, ErrorCode.DATA_TYPE, result.location))
            else:
                selectors.append(result)
    if not selectors and not problems:
        fields = [str(_key(want)) for want in route.wants]
        text = f"route {route.name} matched, but the message names no study: {' and '.join(fields)} empty"
        problems.append(PlanProblem(route.name, text, ErrorCode.REQUIRED_FIELD_MISSING, fields[0]))
    return selectors, problems


def _key(want: Want) -> FieldPath:
    match want:
        case StudyWant(path):
            return path
        case AccessionWant(path):
            return path
        case PriorsWant(path):
            return path


def _selected(want: Want, message: Message, now: dt.datetime) -> Iterator[Selector | Located]:
    """The selectors that a want leads to; a Located is a value that cannot be used, with the reason."""
    match want:
        case StudyWant(study, None, series):
            for value in present(message, study):
                yield _checked(value, lambda text: _study(text, series))
        case StudyWant(study, FieldPath() as series_uid):
            yield from _series(present(message, study), present(message, series_uid))
        case AccessionWant():
            for value in present(message, want.accession):
                yield _checked(value, partial(_accession, want, message))
        case PriorsWant():
            for value in present(message, want.patient)[:1]:
                authority = authority_of(message, want.patient, value)
                yield _checked(value, partial(_priors, want, message, now, authority))


def _checked(value: Located, make: _Make) -> Selector | Located:
    try:
        return make(value.text)
    except IdentifierError as error:
        return Located(f"{value.location}: {error}", value.location)


def _accession(want: AccessionWant, message: Message, text: str) -> Selector:
    ids: dict[tuple[str, str], None] = {}
    if want.patient is not None:
        for value in present(message, want.patient):
            ids[value.text, authority_of(message, want.patient, value)] = None
    patient_ids = tuple(ids)
    accession = valid_key(text, "accession number")
    return StudiesOfAccession(accession, want.series, patient_ids=patient_ids)


def _study(text: str, series: SeriesFilter | None) -> Selector:
    study_uid = valid_uid(text, "study instance UID")
    return Study(study_uid) if series is None else SeriesOfStudy(study_uid, series)


def _series(studies: list[Located], series: list[Located]) -> Iterator[Selector | Located]:
    """Series named beside their studies: any number of one study, else as many as there are studies, in the
    same order. Where none is named, the whole studies."""
    if not series:
        yield from (_checked(study, lambda text: _study(text, None)) for study in studies)
    elif len(studies) == 1 or len(studies) == len(series):
        pairs = zip(studies * len(series) if len(studies) == 1 else studies, series, strict=True)
        yield from (_series_of(study, one) for study, one in pairs)
    elif studies:
        text = f"{len(series)} series of {len(studies)} studies: which belongs to which cannot be known"
        yield Located(f"{series[0].location}: {text}", series[0].location)


def _series_of(study: Located, series: Located) -> Selector | Located:
    checked = _checked(study, lambda text: _study(text, None))
    if isinstance(checked, Located):
        return checked
    return _checked(series, lambda text: Study(study.text, valid_uid(text, "series instance UID")))


def _priors(want: PriorsWant, message: Message, now: dt.datetime, authority: str, text: str) -> Selector:
    return PriorsOfPatient(
        patient_id=valid_key(text, "patient ID"),
        criteria=want.criteria,
        day=exam_day(want, message, now),
        issuer=want.issuer,
        authority=authority,
        ordered=OrderedStudy(texts(message, want.ordered_study), texts(message, want.ordered_accession)),
        series=want.series,
        exam=ordered_exam(want, message),
    )
