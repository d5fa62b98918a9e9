"""Turn a question into studies: C-FIND, then the choice among what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine.dicom.study import SeriesRecord, StudyRecord
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import (
    PriorsOfPatient,
    Selector,
    SeriesFilter,
    SeriesOfStudy,
    StudiesOfAccession,
    Study,
)
from engine.retrieve.task import Choice
from engine.routing.priors import choose_priors, choose_series, hanging


class Finder(Protocol):
    """The C-FIND half of an archive client."""

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]: ...

    def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]: ...


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a question came to: its outcome, everything found with the reason, and the studies to move."""

    outcome: Outcome
    choices: tuple[Choice, ...] = ()
    studies: tuple[Study, ...] = ()


def resolve(finder: Finder, selector: Selector, aliases: Sequence[str] = ()) -> Resolution:
    """Ask the archive. ``aliases`` are all IDs of a patient whose priors are wanted, where merges are known.
    Raises NodeError where it cannot be asked."""
    match selector:
        case Study():
            return _known_study(finder, selector)
        case SeriesOfStudy(study_uid, wanted):
            return _series(finder, study_uid, wanted)
        case StudiesOfAccession():
            return _accession(finder, selector, aliases)
        case PriorsOfPatient():
            found = _studies_of(finder, aliases or (selector.patient_id,))
            studies = _with_series(finder, found, selector)
            return _resolution(finder, choose_priors(studies, selector), selector.series)


def _known_study(finder: Finder, study: Study) -> Resolution:
    """A study given by UID needs no question to be moved; asked all the same, it is there or not."""
    if study.series_uid:
        found = bool(finder.find_series(study.study_uid, study.series_uid))
    else:
        found = bool(finder.find_studies(study_uid=study.study_uid))
    if not found:
        return _not_found(
            "the archive has no such series in this study"
            if study.series_uid
            else "the archive has no such study"
        )
    choice = Choice(True, "named by its UID: taken", study.study_uid, study.series_uid)
    return Resolution(_resolved((choice,)), (choice,), (study,))


def _accession(finder: Finder, wanted: StudiesOfAccession, aliases: Sequence[str]) -> Resolution:
    """The studies with an accession number, of the patient whom the message names."""
    patients = {*aliases, *(patient_id for patient_id, _ in wanted.patient_ids)}
    choices = []
    for study in finder.find_studies(accession=wanted.accession):
        other = bool(patients and study.patient_id and study.patient_id not in patients)
        reason = "it is another patient's" if other else "has the accession number: taken"
        choices.append(Choice(not other, reason, study.study_uid, instances=study.instances))
    if not choices:
        return _not_found("the archive has no study with this accession number")
    if not any(choice.taken for choice in choices):
        text = "the archive has this accession number for another patient only"
        return replace(_not_found(text), choices=tuple(choices))
    return _resolution(finder, choices, wanted.series)


def _series(finder: Finder, study_uid: str, wanted: SeriesFilter) -> Resolution:
    choices = tuple(choose_series(finder.find_series(study_uid), wanted))
    if not choices:
        return _not_found("the archive has no such study")
    return Resolution(_resolved(choices), choices, _taken(choices))


def _studies_of(finder: Finder, patient_ids: Sequence[str]) -> list[StudyRecord]:
    found = [study for patient_id in patient_ids for study in finder.find_studies(patient_id=patient_id)]
    return list({study.study_uid: study for study in found}.values())


def _with_series(
    finder: Finder, studies: Sequence[StudyRecord], wanted: PriorsOfPatient
) -> list[StudyRecord]:
    """With what only the series tell, for those whose choice hangs on it: body part and side, and modalities
    where the archive leaves out Modalities in Study, an optional key (PS3.4 table C.6-5)."""
    asked = {study.study_uid for study in hanging(studies, wanted)}
    return [_opened(finder, study) if study.study_uid in asked else study for study in studies]


def _opened(finder: Finder, study: StudyRecord) -> StudyRecord:
    series = tuple(finder.find_series(study.study_uid))
    modalities = study.modalities
    if modalities is None:
        modalities = tuple(sorted({one.modality for one in series if one.modality})) or None
    return replace(study, series=series, modalities=modalities)


def _resolution(finder: Finder, judged: Sequence[Choice], series: SeriesFilter | None) -> Resolution:
    """Studies that were judged; with a series filter each taken one is opened up to its series."""
    choices: list[Choice] = list(judged)
    if series is None:
        return Resolution(_resolved(choices), tuple(choices), _taken(choices))
    parts: list[Choice] = []
    for choice in judged:
        if choice.taken:
            found = choose_series(finder.find_series(choice.study_uid), series)
            if not found:
                return _not_found(f"the archive tells no series of study {choice.study_uid}")
            parts += found
    return Resolution(_resolved(choices, parts), (*choices, *parts), _taken(parts))


def _taken(choices: Sequence[Choice]) -> tuple[Study, ...]:
    return tuple(Study(choice.study_uid, choice.series_uid) for choice in choices if choice.taken)


def _resolved(choices: Sequence[Choice], series: Sequence[Choice] = ()) -> Outcome:
    text = f"{_taken_of(choices)} found taken" if choices else "nothing found"
    if series:
        text += f", and of these {_taken_of(series)} series"
    return Outcome(TaskStatus.COMPLETED, Cause.RESOLVED, text)


def _taken_of(choices: Sequence[Choice]) -> str:
    return f"{sum(choice.taken for choice in choices)} of {len(choices)}"


def _not_found(text: str) -> Resolution:
    return Resolution(
        Outcome(
            TaskStatus.FAILED, Cause.NOT_FOUND, text, cure="check that the archive holds it, and its routing"
        )
    )
