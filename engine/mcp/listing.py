"""Studies and series as tools tell them: what the archive does not say is null, and patients are masked."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from pydantic import Field

from engine.dicom.study import PatientRecord, SeriesRecord, StudyRecord
from engine.scu.find import Match
from engine.telling.content import Content
from engine.telling.masking import Masking

_ARGUMENTS = {
    "ModalitiesInStudy": "modality",
    "StudyDescription": "description",
    "SeriesDescription": "description",
}
_UNCONFIRMED = (
    "arguments that were asked and of which the archive says nothing here, so that this may not match them"
)


class PatientTold(Content):
    """Whose study it is. Masked, the same value everywhere, unless the operator shows patient data."""

    id: str | None = Field(description="Patient ID (0010,0020)")
    name: str | None = Field(description="Patient's Name (0010,0010): family^given^middle^prefix^suffix")
    birth_date: str | None = Field(description="YYYY-MM-DD")
    sex: str | None = Field(description="F, M or O")


class StudyTold(Content):
    """One study. What the archive does not tell is null, counts too."""

    study_instance_uid: str
    study_date: str | None = Field(description="YYYY-MM-DD")
    study_time: str | None = Field(description="HH:MM:SS")
    modalities: list[str] | None = Field(description="such as CT, SR")
    description: str | None
    accession_number: str | None
    series_count: int | None = Field(description="null: the archive does not count")
    instance_count: int | None = Field(description="null: the archive does not count")
    patient: PatientTold
    unconfirmed: list[str] = Field(description=_UNCONFIRMED)

    def __str__(self) -> str:
        modalities = "/".join(self.modalities or ["modality unknown"])
        words = [
            f"{self.study_date or 'no date'} {self.study_time or ''}".strip(),
            f"{modalities} {self.description or ''!r}",
            f"accession {self.accession_number or 'unknown'}",
            f"series {_count(self.series_count)}",
            f"instances {_count(self.instance_count)}",
            f"patient {self.patient.id or 'unknown'}, {self.patient.name or 'no name'}",
            f"born {self.patient.birth_date or 'unknown'}",
            f"sex {self.patient.sex or 'unknown'}",
            f"study {self.study_instance_uid}",
        ]
        return "; ".join([*words, *_doubts(self.unconfirmed)])


class SeriesTold(Content):
    """One series. What the archive does not tell is null, the count too."""

    series_instance_uid: str
    number: int | None = Field(description="Series Number (0020,0011)")
    modality: str | None
    description: str | None
    instances: int | None = Field(description="null: the archive does not count")
    unconfirmed: list[str] = Field(description=_UNCONFIRMED)

    def __str__(self) -> str:
        words = [
            f"number {'unknown' if self.number is None else self.number}",
            f"{self.modality or 'modality unknown'} {self.description or ''!r}",
            f"instances {_count(self.instances)}",
            f"series {self.series_instance_uid}",
        ]
        return "; ".join([*words, *_doubts(self.unconfirmed)])


def studies_told(matches: Iterable[Match[StudyRecord]], masking: Masking) -> list[StudyTold]:
    """Newest first; those without a date last."""
    by_uid = sorted(matches, key=lambda match: match.record.study_uid)
    newest = sorted(by_uid, key=lambda match: _moment(match.record), reverse=True)
    return [_study(match.record, _unconfirmed(match.untold), masking) for match in newest]


def series_told(matches: Iterable[Match[SeriesRecord]]) -> list[SeriesTold]:
    """By number; those without one last."""

    def place(match: Match[SeriesRecord]) -> tuple[bool, int, str]:
        record = match.record
        return record.number is None, record.number or 0, record.series_uid

    return [_series(match.record, _unconfirmed(match.untold)) for match in sorted(matches, key=place)]


def _study(record: StudyRecord, unconfirmed: list[str], masking: Masking) -> StudyTold:
    return StudyTold(
        study_instance_uid=record.study_uid,
        study_date=record.date.isoformat() if record.date else None,
        study_time=record.time.isoformat() if record.time else None,
        modalities=list(record.modalities) if record.modalities else None,
        description=record.description or None,
        accession_number=record.accession or None,
        series_count=record.series_count or None,  # a zero for what is there counts as not told
        instance_count=record.instances or None,
        patient=_patient(record.patient_id, record.patient or PatientRecord(), masking),
        unconfirmed=unconfirmed,
    )


def _patient(patient_id: str, patient: PatientRecord, masking: Masking) -> PatientTold:
    born = patient.birth_date.isoformat() if patient.birth_date else ""
    return PatientTold(
        id=masking.value(patient_id) or None,
        name=masking.value(patient.name) or None,
        birth_date=masking.value(born) or None,
        sex=masking.value(patient.sex) or None,
    )


def _series(record: SeriesRecord, unconfirmed: list[str]) -> SeriesTold:
    return SeriesTold(
        series_instance_uid=record.series_uid,
        number=record.number,
        modality=record.modality or None,
        description=record.description or None,
        instances=record.instances or None,
        unconfirmed=unconfirmed,
    )


def _moment(record: StudyRecord) -> dt.datetime:
    return dt.datetime.combine(record.date or dt.date.min, record.time or dt.time.min)


def _unconfirmed(keywords: Iterable[str]) -> list[str]:
    return [_ARGUMENTS[keyword] for keyword in keywords]


def _count(number: int | None) -> str:
    return "not counted" if number is None else str(number)


def _doubts(unconfirmed: list[str]) -> list[str]:
    return (
        [f"may not match {' and '.join(unconfirmed)}, which the archive does not tell"] if unconfirmed else []
    )
