"""Questions to an archive: what is asked, what is taken, and why."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

import pytest

from engine.dicom.study import SeriesRecord, StudyRecord
from engine.errors import NodeTimeout
from engine.resolve import Finder, resolve
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.selector import (
    OrderedStudy,
    PriorCriteria,
    PriorsOfPatient,
    Selector,
    SeriesFilter,
    SeriesOfStudy,
    StudiesOfAccession,
    Study,
)

DAY = dt.date(2026, 11, 24)


@dataclass
class Shelf:
    """An archive in memory: matching on the keys that are given, as PS3.4 C.2.2.2.1 has it."""

    studies: list[StudyRecord]
    series: list[SeriesRecord] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]:
        return [
            study
            for study in self.studies
            if patient_id in ("", study.patient_id)
            and accession in ("", study.accession)
            and study_uid in ("", study.study_uid)
        ]

    def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]:
        self.asked.append(study_uid)
        return [
            one for one in self.series if one.study_uid == study_uid and series_uid in ("", one.series_uid)
        ]


class Silent(Shelf):
    """An archive that does not answer."""

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]:
        raise NodeTimeout("main", "silence")


def shelf() -> Shelf:
    day = dt.timedelta(days=1)
    return Shelf(
        [
            StudyRecord("1.1", "P", accession="A1", date=DAY - day, modalities=("CT",)),
            StudyRecord("1.2", "P", accession="A2", date=DAY - 9 * day, modalities=None),
            StudyRecord("1.3", "P", accession="A2", date=DAY - 5 * day, modalities=("US",)),
            StudyRecord("1.4", "Q", accession="A4", date=DAY - day, modalities=("CT",)),
        ],
        [
            SeriesRecord("1.1", "1.1.1", "CT", "thin"),
            SeriesRecord("1.1", "1.1.2", "SR", "report"),
            SeriesRecord("1.2", "1.2.1", "MR"),
            SeriesRecord("1.3", "1.3.1", "US"),
        ],
    )


def priors(
    ordered: OrderedStudy | None = None, series: SeriesFilter | None = None, *modalities: str
) -> Selector:
    return PriorsOfPatient("P", PriorCriteria(modalities), DAY, "", ordered or OrderedStudy(), series)


@pytest.mark.parametrize(
    ("selector", "studies"),
    [
        (Study("1.1"), [Study("1.1")]),
        (Study("1.1", "1.1.2"), [Study("1.1", "1.1.2")]),
        (SeriesOfStudy("1.1", SeriesFilter(("CT",))), [Study("1.1", "1.1.1")]),
        (SeriesOfStudy("1.1", SeriesFilter(("US",))), []),
        (StudiesOfAccession("A2"), [Study("1.2"), Study("1.3")]),
        (StudiesOfAccession("A2", SeriesFilter(("MR",))), [Study("1.2", "1.2.1")]),
        (priors(), [Study("1.1"), Study("1.3"), Study("1.2")]),
        (priors(OrderedStudy(("1.1",), ("A2",))), []),
        (priors(None, None, "MR"), [Study("1.2")]),
        (priors(None, SeriesFilter(("SR",)), "CT"), [Study("1.1", "1.1.2")]),
        (PriorsOfPatient("nobody", PriorCriteria(), DAY), []),
    ],
)
def test_a_question_leads_to_studies(selector: Selector, studies: list[Study]) -> None:
    resolution = resolve(shelf(), selector)
    assert list(resolution.studies) == studies
    assert (resolution.outcome.status, resolution.outcome.cause) == (TaskStatus.COMPLETED, Cause.RESOLVED)
    assert not resolution.outcome.arrived


@pytest.mark.parametrize(
    "selector",
    [
        Study("9"),
        Study("1.1", "9"),
        Study("9", "1.1.1"),
        SeriesOfStudy("9", SeriesFilter(("CT",))),
        StudiesOfAccession("A9"),
        StudiesOfAccession("A9", SeriesFilter(("CT",))),
    ],
)
def test_what_the_archive_does_not_have_is_not_found(selector: Selector) -> None:
    resolution = resolve(shelf(), selector)
    assert (resolution.outcome.status, resolution.outcome.cause) == (TaskStatus.FAILED, Cause.NOT_FOUND)
    assert "the archive has no" in resolution.outcome.text
    assert resolution.outcome.cure
    assert (resolution.studies, resolution.choices) == ((), ())


def test_a_patient_without_studies_is_no_failure() -> None:
    assert resolve(shelf(), PriorsOfPatient("nobody", PriorCriteria(), DAY)).outcome.text == "nothing found"


def test_everything_found_is_told_with_its_reason() -> None:
    resolution = resolve(shelf(), priors(OrderedStudy(("1.1",)), None, "MR"))
    assert [(choice.study_uid, choice.taken) for choice in resolution.choices] == [
        ("1.1", False),
        ("1.3", False),
        ("1.2", True),
    ]
    assert "ordered study" in resolution.choices[0].reason
    assert "modality is not MR" in resolution.choices[1].reason
    assert resolution.outcome.text == "1 of 3 found taken"


def test_series_of_the_taken_studies_are_told_too() -> None:
    resolution = resolve(shelf(), priors(None, SeriesFilter(("SR",)), "CT"))
    assert [(choice.series_uid, choice.taken) for choice in resolution.choices if choice.series_uid] == [
        ("1.1.1", False),
        ("1.1.2", True),
    ]
    assert resolution.outcome.text == "1 of 3 found taken, and of these 1 of 2 series"


def test_series_that_are_all_left_out_are_not_told_as_taken() -> None:
    resolution = resolve(shelf(), StudiesOfAccession("A1", SeriesFilter(("US",))))
    assert resolution.outcome.text == "1 of 1 found taken, and of these 0 of 2 series"


def test_series_are_asked_for_modalities_only_where_a_study_leaves_them_out() -> None:
    archive = shelf()
    resolve(archive, priors(None, None, "CT"))
    assert archive.asked == ["1.2"]
    archive.asked.clear()
    resolve(archive, priors())
    assert archive.asked == []


def test_an_archive_that_does_not_answer_is_the_callers_matter() -> None:
    silent: Finder = Silent([])
    with pytest.raises(NodeTimeout):
        resolve(silent, StudiesOfAccession("A1"))
