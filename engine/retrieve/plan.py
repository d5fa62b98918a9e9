"""The plan that a decision leads to: a union of requests, and what could not be planned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.errors import ErrorCode
from engine.retrieve.selector import Selector, SeriesOfStudy, Study
from engine.retrieve.task import RetrieveRequest

_Key = tuple[Selector, str, str]  # what, from where, to where


@dataclass(frozen=True, slots=True)
class PlanProblem:
    """Something that a matched route asks for and this message does not allow.

    ``code`` is from HL7 table 0357, ``location`` a field such as ``ZDS-1.1``.
    """

    route: str
    text: str
    code: int = ErrorCode.TABLE_VALUE_NOT_FOUND
    location: str = ""


@dataclass(frozen=True, slots=True)
class RetrievePlan:
    """What one message asks for. ``problems`` are answered with AE; the requests are carried out anyway."""

    requests: tuple[RetrieveRequest, ...] = ()
    problems: tuple[PlanProblem, ...] = ()


def union(requests: Iterable[RetrieveRequest]) -> tuple[RetrieveRequest, ...]:
    """The requests without duplicates: the same thing asked by two routes is one request that names both and
    has the more urgent priority, and a series becomes part of its whole study going to the same place."""
    merged: dict[_Key, RetrieveRequest] = {}
    for request in requests:
        key = (request.selector, request.archive, request.destination)
        twin = merged.get(key)
        merged[key] = request if twin is None else _merge(twin, request)
    parts = {key: whole for key, part in merged.items() if (whole := _whole_study_of(part)) in merged}
    for key, whole in parts.items():
        merged[whole] = _merge(merged[whole], merged.pop(key))
    return tuple(merged.values())


def uncovered(
    existing: Iterable[RetrieveRequest], new: Iterable[RetrieveRequest]
) -> tuple[RetrieveRequest, ...]:
    """Those of ``new`` that ``existing`` requests do not bring already."""
    have = {(request.selector, request.archive, request.destination) for request in existing}
    return tuple(
        request
        for request in union(new)
        if (request.selector, request.archive, request.destination) not in have
        and _whole_study_of(request) not in have
    )


def _merge(one: RetrieveRequest, other: RetrieveRequest) -> RetrieveRequest:
    return replace(
        one,
        routes=tuple(dict.fromkeys(one.routes + other.routes)),
        priority=min(one.priority, other.priority),
        due=None if one.due is None or other.due is None else min(one.due, other.due),
    )


def _whole_study_of(request: RetrieveRequest) -> _Key | None:
    """The key of the request for the whole study, where this one is for series of it."""
    selector = request.selector
    if isinstance(selector, SeriesOfStudy) or (isinstance(selector, Study) and selector.series_uid):
        return Study(selector.study_uid), request.archive, request.destination
    return None
