"""Routes as values: which messages, which studies, from which archive, to which destination."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from engine.hl7.message import Header
from engine.hl7.path import FieldPath
from engine.retrieve.selector import PriorCriteria, SeriesFilter
from engine.retrieve.task import Priority
from engine.routing.conditions import Condition

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class MessagePattern:
    """``ORM^O01``, ``ADT^A0?`` or ``*``: message code and trigger event of MSH-9, each with wild cards."""

    code: str
    trigger: str = "*"

    @classmethod
    def parse(cls, text: str) -> MessagePattern:
        code, _, rest = text.partition("^")
        return cls(code, rest.partition("^")[0] or "*")

    def matches(self, header: Header) -> bool:
        return self.takes(header.type_code, header.trigger)

    def takes(self, code: str, trigger: str) -> bool:
        return _like(code, self.code) and _like(trigger, self.trigger)

    def __str__(self) -> str:
        return self.code if self.trigger == "*" else f"{self.code}^{self.trigger}"


def _like(text: str, pattern: str) -> bool:
    """As fnmatchcase, which would make a regular expression of every code."""
    return text == pattern if _WILD.isdisjoint(pattern) else fnmatchcase(text, pattern)


@dataclass(frozen=True, slots=True)
class StudyWant:
    """Each study UID that the path names; or one series of it, where ``series_uid`` names one; or those of
    its series that ``series`` lets through."""

    study: FieldPath
    series_uid: FieldPath | None = None
    series: SeriesFilter | None = None


@dataclass(frozen=True, slots=True)
class AccessionWant:
    """The studies of each accession number that the path names. ``patient``: where the message says whose
    they have to be."""

    accession: FieldPath
    series: SeriesFilter | None = None
    patient: FieldPath | None = None


@dataclass(frozen=True, slots=True)
class PriorsWant:
    """The patient's priors. ``ordered_study`` and ``ordered_accession`` are the fields that name the study
    being ordered; ``ordered_code``, ``ordered_text`` and ``ordered_modality`` those that say what it is, and
    ``exam_date`` those that say when it is."""

    patient: FieldPath
    criteria: PriorCriteria
    issuer: str = ""
    ordered_study: tuple[FieldPath, ...] = ()
    ordered_accession: tuple[FieldPath, ...] = ()
    series: SeriesFilter | None = None
    ordered_code: tuple[FieldPath, ...] = ()
    ordered_text: tuple[FieldPath, ...] = ()
    ordered_modality: tuple[FieldPath, ...] = ()
    exam_date: tuple[FieldPath, ...] = ()


Want = StudyWant | AccessionWant | PriorsWant


@dataclass(frozen=True, slots=True)
class DestinationRule:
    """A fixed destination (``field`` None, in ``otherwise``), or one chosen by a field through a map."""

    otherwise: str | None
    field: FieldPath | None = None
    choices: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Retrieve ``before`` the time in a field, such as the appointment; at once where it has none or it is
    past."""

    field: FieldPath
    before: dt.timedelta


class Acknowledge(StrEnum):
    """When the ACK is sent: after the retrieve (or at the deadline), or as soon as the message is kept."""

    OUTCOME = "outcome"
    ACCEPTED = "accepted"


@dataclass(frozen=True, slots=True)
class Route:
    """One rule of routes.yaml. ``deadline`` is in seconds from receipt. ``profile``: a message profile for
    hl7apy. ``response``: the message type that answers, such as ``ORR^O02``; empty is ACK."""

    name: str
    messages: tuple[MessagePattern, ...]
    wants: tuple[Want, ...]
    archive: str
    destination: DestinationRule
    condition: Condition | None = None
    enabled: bool = True
    acknowledge: Acknowledge = Acknowledge.OUTCOME
    deadline: float = 20.0
    priority: Priority = Priority.MEDIUM
    validate: bool = False
    profile: str = ""
    schedule: Schedule | None = None
    response: str = ""
