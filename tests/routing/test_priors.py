"""Which studies are worth moving, and the reason that is given."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from engine.dicom.study import SeriesRecord, StudyRecord
from engine.retrieve.selector import OrderedStudy, PriorCriteria, PriorsOfPatient, SeriesFilter
from engine.routing.priors import choose_priors, choose_series

NOT_NAMED = OrderedStudy()
DAY = dt.date(2026, 11, 24)


def study(uid: str, days: int | None = 1, accession: str = "", **more: Any) -> StudyRecord:
    date = DAY - dt.timedelta(days=days) if days is not None else None
    record = StudyRecord(uid, "1", accession=accession, date=date, modalities=("CT",))
    return replace(record, **more)


def priors(issuer: str = "", ordered: OrderedStudy = NOT_NAMED, **criteria: Any) -> PriorsOfPatient:
    return PriorsOfPatient("1", PriorCriteria(**criteria), DAY, issuer, ordered)


def taken(studies: list[StudyRecord], wanted: PriorsOfPatient) -> list[str]:
    return [choice.study_uid for choice in choose_priors(studies, wanted) if choice.taken]


def reason(one: StudyRecord, wanted: PriorsOfPatient) -> str:
    (choice,) = choose_priors([one], wanted)
    return choice.reason


def test_without_criteria_all_are_taken_newest_first() -> None:
    assert taken([study("1", 9), study("2", None), study("3", 1), study("4", 5)], priors()) == [
        "3",
        "4",
        "1",
        "2",
    ]


@pytest.mark.parametrize(
    ("ordered", "left"),
    [
        (OrderedStudy(study_uids=("1.2",)), True),
        (OrderedStudy(accessions=("A1",)), True),
        (OrderedStudy(("9",), ("A9",)), False),
        (OrderedStudy(("A1",), ("1.2",)), False),
        (OrderedStudy(), False),
    ],
)
def test_the_ordered_study_is_no_prior(ordered: OrderedStudy, left: bool) -> None:
    assert (taken([study("1.2", accession="A1")], priors(ordered=ordered)) == []) is left


def test_a_study_without_accession_is_not_taken_for_the_ordered_one() -> None:
    assert taken([study("1.2")], priors(ordered=OrderedStudy(accessions=("",)))) == ["1.2"]


@pytest.mark.parametrize(("issuer", "expected"), [("H", ["1"]), ("", ["1"]), ("OTHER", [])])
def test_a_study_of_another_issuer_is_left(issuer: str, expected: list[str]) -> None:
    assert taken([study("1", issuer=issuer)], priors(issuer="H")) == expected


def test_without_a_wanted_issuer_any_is_taken() -> None:
    assert taken([study("1", issuer="OTHER")], priors()) == ["1"]


@pytest.mark.parametrize(
    ("modalities", "expected"),
    [(("CT",), ["1"]), (("SR", "MR"), ["1"]), (("US",), []), ((), []), (None, []), (("C",), [])],
)
def test_one_of_the_modalities_must_be_in_the_study(
    modalities: tuple[str, ...] | None, expected: list[str]
) -> None:
    assert taken([study("1", modalities=modalities)], priors(modalities=("CT", "MR"))) == expected


@pytest.mark.parametrize(
    ("days", "within", "expected"),
    [
        (10, dt.timedelta(days=10), ["1"]),
        (11, dt.timedelta(days=10), []),
        (0, dt.timedelta(), ["1"]),
        (1, dt.timedelta(), []),
        (1, dt.timedelta(hours=36), ["1"]),
        (2, dt.timedelta(hours=36), []),
        (-3, dt.timedelta(days=10), ["1"]),
        (None, dt.timedelta(days=10), []),
        (None, None, ["1"]),
        (700_000, dt.timedelta(days=999_999), ["1"]),
    ],
)
def test_a_study_of_exactly_the_age_is_taken_and_an_older_one_is_not(
    days: int | None, within: dt.timedelta | None, expected: list[str]
) -> None:
    assert taken([study("1", days)], priors(within=within)) == expected


def test_the_newest_are_counted_among_those_that_fit() -> None:
    found = [study("1", 3), study("2", 1, modalities=("US",)), study("3", 2), study("4", 4), study("5", None)]
    assert taken(found, priors(modalities=("CT",), newest=2)) == ["3", "1"]
    assert taken(found, priors(modalities=("CT",), newest=9)) == ["3", "1", "4", "5"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("chest", []), ("(?i)chest", ["1"]), ("^CT Chest$", ["1"]), ("^Chest", []), ("", ["1"])],
)
def test_the_description_is_searched(pattern: str, expected: list[str]) -> None:
    assert taken([study("1", description="CT Chest")], priors(description=pattern)) == expected


@pytest.mark.parametrize(
    ("one", "wanted", "part"),
    [
        (study("1"), priors(), "CT of 2026-11-23 '': taken"),
        (study("1"), priors(ordered=OrderedStudy(("1",))), "it is the ordered study"),
        (study("1", issuer="X"), priors(issuer="H"), "issued by X, not H"),
        (study("1"), priors(modalities=("MR", "US")), "modality is not MR or US"),
        (study("1", modalities=None), priors(modalities=("MR",)), "modality unknown of"),
        (study("1", 11), priors(within=dt.timedelta(days=10)), "older than 10 days"),
        (study("1", None), priors(within=dt.timedelta(days=10)), "no date '': it has no date"),
        (
            study("1", description="Head"),
            priors(description="Chest"),
            "'Head': description does not match 'Chest'",
        ),
    ],
)
def test_every_choice_has_its_reason(one: StudyRecord, wanted: PriorsOfPatient, part: str) -> None:
    assert part in reason(one, wanted)


def test_those_beyond_the_newest_are_told_so() -> None:
    choices = choose_priors([study("1", 1), study("2", 2)], priors(newest=1))
    assert [choice.taken for choice in choices] == [True, False]
    assert "not among the newest 1" in choices[1].reason


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (SeriesFilter(("CT",)), ["1", "2"]),
        (SeriesFilter(("SR", "CT")), ["1", "2", "3"]),
        (SeriesFilter(description="thin"), ["1", "4"]),
        (SeriesFilter(("CT",), "thin"), ["1"]),
        (SeriesFilter(("US",)), []),
    ],
)
def test_series_are_chosen_by_modality_and_description(wanted: SeriesFilter, expected: list[str]) -> None:
    found = [
        SeriesRecord("9", "1", "CT", "thin"),
        SeriesRecord("9", "2", "CT", "thick"),
        SeriesRecord("9", "3", "SR", "report"),
        SeriesRecord("9", "4", "", "thin"),
    ]
    choices = choose_series(found, wanted)
    assert [choice.series_uid for choice in choices if choice.taken] == expected
    assert {choice.study_uid for choice in choices} == {"9"}
    assert all(("taken" in choice.reason) is choice.taken for choice in choices)
