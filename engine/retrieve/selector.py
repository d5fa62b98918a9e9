"""Which studies a task means: one that is known by its UID, or a question that a C-FIND has to answer."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Literal

from engine.retrieve.relevance import Exclusion, OrderedExam, Relevance

_NOTHING = Exclusion()
_NOT_TOLD = OrderedExam()


@dataclass(frozen=True, slots=True)
class SeriesFilter:
    """Which series of a study: by modality, and by a description that the pattern matches anywhere."""

    modalities: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class PriorCriteria:
    """Which of a patient's studies are worth moving.

    ``modalities``: any of them in the study (empty: all). ``within``: not older than this, counted from
    the day of the exam. ``newest``: at most so many, newest first. ``description``: a pattern that must
    match somewhere in the study description. ``relevance``: how relevant ones are told; None: all are.
    ``oldest``: beside the newest, so many of the oldest relevant ones. ``at_least``: where fewer are
    relevant, the best of the others fill up.
    """

    modalities: tuple[str, ...] = ()
    within: dt.timedelta | None = None
    newest: int | None = None
    description: str = ""
    relevance: Relevance | None = None
    oldest: int = 0
    at_least: int = 0
    exclude: Exclusion = _NOTHING


@dataclass(frozen=True, slots=True)
class OrderedStudy:
    """What the message says of the study that is ordered, so that it is not taken for a prior."""

    study_uids: tuple[str, ...] = ()
    accessions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Study:
    """One study, or one series of it, known by UID: can be moved without a question."""

    study_uid: str
    series_uid: str = ""
    kind: Literal["study"] = "study"

    def __str__(self) -> str:
        return f"study {self.study_uid}" + (f", series {self.series_uid}" if self.series_uid else "")


@dataclass(frozen=True, slots=True)
class SeriesOfStudy:
    """Those series of a known study that a filter lets through."""

    study_uid: str
    series: SeriesFilter
    kind: Literal["series"] = "series"

    def __str__(self) -> str:
        return f"some series of study {self.study_uid}"


@dataclass(frozen=True, slots=True)
class StudiesOfAccession:
    """The studies with an accession number. ``patient_ids``: whose they may be, with the assigning authority
    that the message gives each; empty: anybody's."""

    accession: str
    series: SeriesFilter | None = None
    kind: Literal["accession"] = "accession"
    patient_ids: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"studies with accession number {self.accession}"


@dataclass(frozen=True, slots=True)
class PriorsOfPatient:
    """A patient's earlier studies. ``issuer`` is the Issuer of Patient ID (0010,0021) that a study must not
    contradict, ``authority`` the assigning authority that the message gives; ``day`` is the day of the exam,
    that ages are counted from; ``exam`` is what is ordered."""

    patient_id: str
    criteria: PriorCriteria
    day: dt.date
    issuer: str = ""
    ordered: OrderedStudy = OrderedStudy()
    series: SeriesFilter | None = None
    kind: Literal["priors"] = "priors"
    authority: str = ""
    exam: OrderedExam = _NOT_TOLD

    def __str__(self) -> str:
        return "the patient's priors"


Selector = Study | SeriesOfStudy | StudiesOfAccession | PriorsOfPatient
