"""What a C-FIND tells of a study or a series. Absent attributes are None or empty, never guessed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeriesRecord:
    """One series of a C-FIND at SERIES level. ``body_part`` is Body Part Examined (0018,0015), ``laterality``
    is Laterality (0020,0060): L or R; both are optional keys (PS3.4 table C.6-3). ``number`` is Series
    Number, where it was asked for."""

    study_uid: str
    series_uid: str
    modality: str = ""
    description: str = ""
    instances: int | None = None
    body_part: str = ""
    laterality: str = ""
    number: int | None = None


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """Whose study it is, beside the patient ID. ``name`` is in the form of VR PN, ``sex`` F, M or O."""

    name: str = ""
    birth_date: dt.date | None = None
    sex: str = ""


@dataclass(frozen=True, slots=True)
class StudyRecord:
    """One study of a Study Root C-FIND at STUDY level (PS3.4 C.6.2.1.2).

    ``modalities`` is None where the archive does not return Modalities in Study (an optional key);
    ``instances`` is None where it does not return the count; ``series`` is None where nobody asked for them.
    So are ``patient``, ``time`` and ``series_count``, which only a listing for people asks for.
    """

    study_uid: str
    patient_id: str = ""
    issuer: str = ""
    accession: str = ""
    date: dt.date | None = None
    description: str = ""
    modalities: tuple[str, ...] | None = None
    instances: int | None = None
    series: tuple[SeriesRecord, ...] | None = None
    patient: PatientRecord | None = None
    time: dt.time | None = None
    series_count: int | None = None


def total(counts: Iterable[int | None]) -> int | None:
    """The sum, or None where one of them is not known."""
    number = 0
    for count in counts:
        if count is None:
            return None
        number += count
    return number
