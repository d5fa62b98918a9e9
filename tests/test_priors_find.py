"""Priors by C-FIND: what is asked at SERIES level, and an archive that leaves out optional keys."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace

import pytest

from engine.config.build.relevance import vocabularies
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.resolve import Resolution, resolve
from engine.retrieve.relevance import OrderedExam, Relevance
from engine.retrieve.selector import OrderedStudy, PriorCriteria, PriorsOfPatient
from engine.scu import ArchiveClient
from engine.simulator import GeneratedStudy
from tests.priors_archive import CountingArchive, study

DAY = dt.date(2026, 11, 24)
CHEST_CT = OrderedExam((), ("CT Chest",), ("CT",))
RELEVANCE = Relevance(vocabularies({})["builtin"])
ORDERED = OrderedStudy(("2.25.1",))
STUDIES = [
    study("P", "2.25.1", DAY, "", [("CT", "Lung", "CHEST")]),
    study("P", "2.25.2", dt.date(2026, 1, 1), "CT Chest", [("CT", "Lung", "CHEST")]),
    study("P", "2.25.3", dt.date(2025, 1, 1), "MR Knee", [("MR", "PD", "KNEE")]),
    study("P", "2.25.4", dt.date(2024, 1, 1), "Follow-up", [("CT", "Lung", "CHEST"), ("SR", "Dose", "")]),
    study("P", "2.25.5", dt.date(2023, 1, 1), "Follow-up", [("CT", "Venous", "LIVER")]),
    study("P", "2.25.6", dt.date(2022, 1, 1), "Follow-up", [("CT", "Lung 1.0", "")]),
    study("P", "2.25.7", dt.date(2021, 1, 1), "Follow-up", [("CT", "Thin", "")]),
    study("Q", "2.25.8", dt.date(2021, 1, 1), "Follow-up", [("CT", "Thin", "CHEST")]),
]


def asked(newest: int | None = None, relevance: Relevance = RELEVANCE) -> PriorsOfPatient:
    criteria = PriorCriteria(newest=newest, relevance=relevance)
    return PriorsOfPatient("P", criteria, DAY, ordered=ORDERED, exam=CHEST_CT)


def found(archive: CountingArchive, wanted: PriorsOfPatient) -> Resolution:
    client: ArchiveClient = archive.client()
    try:
        return resolve(client, wanted)
    finally:
        client.close()


def moved(resolution: Resolution) -> list[str]:
    return [one.study_uid for one in resolution.studies]


@pytest.mark.parametrize(
    ("newest", "opened"),
    [(None, ["4", "5", "6", "7"]), (1, []), (2, ["4", "5", "6", "7"])],
)
def test_series_are_asked_only_where_the_choice_hangs_on_them(newest: int | None, opened: list[str]) -> None:
    with CountingArchive(STUDIES) as archive:
        found(archive, asked(newest))
        assert sorted(archive.opened) == [f"2.25.{number}" for number in opened]
        assert [level for level, _ in archive.asked].count("STUDY") == 1


def test_the_series_tell_what_the_study_does_not() -> None:
    with CountingArchive(STUDIES) as archive:
        resolution = found(archive, asked())
    assert moved(resolution) == ["2.25.2", "2.25.4", "2.25.6", "2.25.7"]
    told = {choice.study_uid: choice.reason for choice in resolution.choices}
    assert "same group chest-ct 40, same body part CHEST 30" in told["2.25.4"]
    assert "other body part LIVER" in told["2.25.5"]
    assert "same body part CHEST 30" in told["2.25.6"]
    assert "body part unknown" in told["2.25.7"]
    assert told["2.25.7"].endswith("taken, for it cannot be told irrelevant")


def test_what_the_series_do_not_tell_either_is_left_where_the_route_says_so() -> None:
    with CountingArchive(STUDIES) as archive:
        resolution = found(archive, asked(relevance=replace(RELEVANCE, take_unknown=False)))
    assert moved(resolution) == ["2.25.2", "2.25.4", "2.25.6"]


def test_a_route_without_relevance_asks_for_no_series() -> None:
    with CountingArchive(STUDIES) as archive:
        resolution = found(archive, replace(asked(), criteria=PriorCriteria(newest=3)))
        assert archive.opened == []
    assert moved(resolution) == ["2.25.2", "2.25.3", "2.25.4"]
    assert {choice.score for choice in resolution.choices} == {None}


@dataclass
class Terse:
    """An archive that returns the required keys of PS3.4 C.6.2.1 and nothing else."""

    studies: list[GeneratedStudy]
    opened: list[str] = field(default_factory=list)

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]:
        return [StudyRecord(one.study_uid, one.patient_id, date=one.date) for one in self.studies]

    def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]:
        self.opened.append(study_uid)
        (one,) = (one for one in self.studies if one.study_uid == study_uid)
        return [SeriesRecord(study_uid, series.series_uid, series.modality) for series in one.series]


def test_an_archive_that_leaves_out_optional_keys_leads_to_no_wrong_reject() -> None:
    archive = Terse(STUDIES[:-1])
    resolution = resolve(archive, asked())
    others = [f"2.25.{number}" for number in (2, 4, 5, 6, 7)]
    assert moved(resolution) == [*others[:1], "2.25.3", *others[1:]]
    assert archive.opened == [one.study_uid for one in STUDIES[1:-1]]
    assert all("unknown" in choice.reason for choice in resolution.choices if choice.taken)
