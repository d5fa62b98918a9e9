"""Which of a patient's studies, and which series of a study, are worth moving; each with the reason."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from engine.dicom.study import SeriesRecord, StudyRecord
from engine.retrieve.selector import PriorsOfPatient, SeriesFilter
from engine.retrieve.task import Choice


def choose_priors(studies: Sequence[StudyRecord], wanted: PriorsOfPatient) -> list[Choice]:
    """Judge every study that the archive found, newest first; at most ``newest`` are taken."""
    choices = []
    taken = 0
    for study in sorted(studies, key=lambda study: study.date or dt.date.min, reverse=True):
        reason = _against(study, wanted)
        if reason is None and wanted.criteria.newest is not None and taken >= wanted.criteria.newest:
            reason = f"not among the newest {wanted.criteria.newest}"
        taken += reason is None
        choices.append(Choice(reason is None, f"{_described(study)}: {reason or 'taken'}", study.study_uid))
    return choices


def needs_modalities(study: StudyRecord, wanted: PriorsOfPatient) -> bool:
    """Whether the choice hangs on modalities that the archive has not told with the study."""
    if not wanted.criteria.modalities or study.modalities is not None:
        return False
    return _against(study, replace(wanted, criteria=replace(wanted.criteria, modalities=()))) is None


def _against(study: StudyRecord, wanted: PriorsOfPatient) -> str | None:
    """The first reason against a study, or None."""
    criteria = wanted.criteria
    if study.study_uid in wanted.ordered.study_uids or (
        study.accession and study.accession in wanted.ordered.accessions
    ):
        return "it is the ordered study"
    if wanted.issuer and study.issuer and study.issuer != wanted.issuer:
        return f"its patient ID was issued by {study.issuer}, not {wanted.issuer}"
    if criteria.within is not None and (study.date is None or wanted.day - study.date > criteria.within):
        return f"older than {criteria.within.days} days" if study.date else "it has no date"
    if criteria.description and not re.search(criteria.description, study.description):
        return f"description does not match {criteria.description!r}"
    if criteria.modalities and not set(criteria.modalities) & set(study.modalities or ()):
        return f"modality is not {' or '.join(criteria.modalities)}"
    return None


def _described(study: StudyRecord) -> str:
    modalities = "/".join(study.modalities or ("modality unknown",))
    date = study.date.isoformat() if study.date else "no date"
    return f"{modalities} of {date} {study.description!r}"


def choose_series(series: Iterable[SeriesRecord], wanted: SeriesFilter) -> list[Choice]:
    """Judge every series of a study."""
    choices = []
    for record in series:
        reason = "taken"
        if wanted.modalities and record.modality not in wanted.modalities:
            reason = f"modality is not {' or '.join(wanted.modalities)}"
        elif wanted.description and not re.search(wanted.description, record.description):
            reason = f"description does not match {wanted.description!r}"
        text = f"{record.modality or 'modality unknown'} series {record.description!r}: {reason}"
        choices.append(Choice(reason == "taken", text, record.study_uid, record.series_uid))
    return choices
