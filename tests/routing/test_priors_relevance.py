"""The choice among scored priors: rules one by one, and what holds of every choice."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.config.build.relevance import vocabularies
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.retrieve.relevance import Exclusion, OrderedExam, Relevance
from engine.retrieve.selector import OrderedStudy, PriorCriteria, PriorsOfPatient
from engine.routing.priors import choose_priors, hanging

DAY = dt.date(2026, 11, 24)
BUILTIN = vocabularies({})["builtin"]
CHEST_CT = OrderedExam((), ("CT Chest",), ("CT",))
RIGHT_KNEE = OrderedExam((), ("MR Knee right",), ("MR",))
ORDERED = OrderedStudy(("2.25.999",))


def study(uid: str, days: int | None, description: str, *modalities: str, **more: Any) -> StudyRecord:
    date = None if days is None else DAY - dt.timedelta(days=days)
    return StudyRecord(uid, "P", date=date, description=description, modalities=modalities or None, **more)


def wanted(exam: OrderedExam = CHEST_CT, relevance: Relevance | None = None, **more: Any) -> PriorsOfPatient:
    criteria = PriorCriteria(relevance=relevance or Relevance(BUILTIN), **more)
    return PriorsOfPatient("P", criteria, DAY, ordered=ORDERED, exam=exam)


def taken(studies: Sequence[StudyRecord], asked: PriorsOfPatient) -> set[str]:
    return {choice.study_uid for choice in choose_priors(studies, asked) if choice.taken}


def reasons(studies: Sequence[StudyRecord], asked: PriorsOfPatient) -> dict[str, str]:
    return {choice.study_uid: choice.reason for choice in choose_priors(studies, asked)}


CHESTS = [study(f"1.{number}", number * 100, "CT Chest", "CT") for number in range(1, 6)]
KNEE = study("2.1", 10, "MR Knee left", "MR")
ABDOMEN = study("2.2", 20, "CT Abdomen", "CT")
NAMELESS = study("3.1", 5, "Follow-up", "CT")


def test_the_newest_relevant_and_the_oldest_are_taken() -> None:
    asked = wanted(newest=2, oldest=1)
    assert taken([*CHESTS, KNEE, ABDOMEN], asked) == {"1.1", "1.2", "1.5"}
    told = reasons([*CHESTS, KNEE], asked)
    assert told["1.1"].endswith("taken, newest 1 of 2")
    assert told["1.5"].endswith("taken, oldest 1 of 1")
    assert told["1.3"].endswith("not among the newest 2, nor the oldest 1")
    assert told["2.1"].endswith("left, 25 are needed")


def test_the_oldest_is_none_that_is_among_the_newest_nor_without_a_date() -> None:
    assert taken(CHESTS[:1], wanted(newest=1, oldest=1)) == {"1.1"}
    assert taken([*CHESTS[:2], study("1.9", None, "CT Chest", "CT")], wanted(newest=1, oldest=1)) == {
        "1.1",
        "1.2",
    }


def test_what_cannot_be_told_comes_after_the_relevant_ones() -> None:
    assert taken([NAMELESS, *CHESTS[:2]], wanted(newest=2)) == {"1.1", "1.2"}
    assert taken([NAMELESS, *CHESTS[:2]], wanted(newest=3)) == {"1.1", "1.2", "3.1"}
    told = reasons([NAMELESS], wanted(newest=3))["3.1"]
    assert "20, 90 at most" in told
    assert told.endswith("taken, for it cannot be told irrelevant, newest 1 of 3")


def test_what_cannot_be_told_is_left_where_the_route_says_so() -> None:
    asked = wanted(relevance=Relevance(BUILTIN, take_unknown=False))
    assert taken([NAMELESS, *CHESTS[:1]], asked) == {"1.1"}
    assert reasons([NAMELESS], asked)["3.1"].endswith("left, for it cannot be told relevant")


def test_too_few_are_filled_up_with_the_best_of_the_others() -> None:
    asked = wanted(newest=3, at_least=2)
    assert taken([CHESTS[0], KNEE, ABDOMEN], asked) == {"1.1", "2.2"}
    assert reasons([CHESTS[0], KNEE, ABDOMEN], asked)["2.2"].endswith("taken, to fill up to 2")
    assert taken([*CHESTS, KNEE, ABDOMEN], asked) == {"1.1", "1.2", "1.3"}


def test_of_equal_ones_the_newer_fills_up_and_of_one_day_the_lower_uid() -> None:
    older, newer, same = (
        study("2.1", 12, "MR Knee", "MR"),
        study("2.3", 10, "MR Knee", "MR"),
        study("2.2", 10, "MR Knee", "MR"),
    )
    assert taken([older, newer], wanted(newest=1, at_least=1)) == {"2.3"}
    assert taken([newer, same, older], wanted(newest=1, at_least=1)) == {"2.2"}


@pytest.mark.parametrize(
    "exclude",
    [
        Exclusion(modalities=("MR", "SR")),
        Exclusion(description="(?i)knee"),
        Exclusion(body_parts=("KNEE", "HIP")),
    ],
)
def test_what_is_excluded_does_not_fill_up(exclude: Exclusion) -> None:
    asked = wanted(newest=3, at_least=3, exclude=exclude)
    assert taken([KNEE], asked) == set()
    assert "excluded" in reasons([KNEE], asked)["2.1"]


@pytest.mark.parametrize(
    ("one", "exclude"),
    [
        (study("1", 1, "CT Chest", "CT", "SR"), Exclusion(modalities=("SR", "PR"))),
        (study("1", 1, "CT Chest"), Exclusion(modalities=("SR",))),
        (study("1", 1, "CT Chest and Abdomen", "CT"), Exclusion(body_parts=("ABDOMEN",))),
        (study("1", 1, "Follow-up", "CT"), Exclusion(body_parts=("ABDOMEN",))),
    ],
)
def test_a_study_with_more_than_what_is_excluded_or_that_may_have_is_taken(
    one: StudyRecord, exclude: Exclusion
) -> None:
    assert taken([one], wanted(exclude=exclude)) == {"1"}


def test_the_other_side_is_left_unless_the_route_does_not_mind() -> None:
    left = study("1", 1, "MR Knee left", "MR")
    assert taken([left], wanted(RIGHT_KNEE, newest=2, at_least=2)) == set()
    assert reasons([left], wanted(RIGHT_KNEE))["1"].endswith("other side: left, not right")
    assert taken([left], wanted(RIGHT_KNEE, Relevance(BUILTIN, same=()))) == {"1"}


@pytest.mark.parametrize("exam", [RIGHT_KNEE, OrderedExam((), ("Knee right",))])
def test_an_unknown_side_is_told_and_not_left(exam: OrderedExam) -> None:
    one = study("1", 1, "MR Knee", "MR", series=())
    assert taken([one], wanted(exam)) == {"1"}
    assert "side unknown" in reasons([one], wanted(exam))["1"]


def test_a_criterion_that_must_be_the_same_leaves_another_one_whatever_its_points() -> None:
    radiograph = study("1", 1, "XR Chest", "CR")
    assert taken([radiograph], wanted()) == {"1"}
    asked = wanted(relevance=Relevance(BUILTIN, same=("modality",)))
    assert taken([radiograph], asked) == set()
    assert reasons([radiograph], asked)["1"].endswith("other modality")


def test_every_choice_but_the_ordered_study_has_a_score() -> None:
    found = [*CHESTS, KNEE, NAMELESS, study("2.25.999", 0, "CT Chest", "CT"), study("4", 1, "", "SR")]
    asked = wanted(exclude=Exclusion(modalities=("SR",)))
    scores = {choice.study_uid: choice.score for choice in choose_priors(found, asked)}
    assert scores.pop("2.25.999") is None
    assert None not in scores.values()
    assert scores["1.1"] == 90.0


def test_series_are_asked_of_those_whose_choice_hangs_on_them() -> None:
    unsided = study("5", 3, "MR Knee", "MR")
    assert hanging([*CHESTS, KNEE, ABDOMEN, NAMELESS], wanted()) == [NAMELESS]
    assert hanging([unsided, KNEE, ABDOMEN], wanted(RIGHT_KNEE)) == [unsided]
    assert hanging([unsided], wanted(RIGHT_KNEE, Relevance(BUILTIN, same=()))) == []
    assert hanging([study("6", 1, "Chest")], wanted(exclude=Exclusion(("SR",)))) != []
    assert hanging([study("6", 1, "Follow-up", "CT", series=())], wanted()) == []


def test_series_are_not_asked_of_those_that_are_left_whatever_they_tell() -> None:
    old = study("7", 400, "Follow-up", "CT")
    assert hanging([*CHESTS[:2], old], wanted(newest=2)) == []
    assert hanging([*CHESTS[:2], old], wanted(newest=3)) == [old]
    assert hanging([*CHESTS[:2], old], wanted(newest=2, oldest=1)) == [old]
    assert hanging([old], wanted(within=dt.timedelta(days=30))) == []
    assert hanging([study("2.25.999", 1, "Follow-up")], wanted()) == []


unhurried = settings(deadline=None)
DESCRIPTIONS = ["CT Chest", "XR Thorax", "Knee left", "Knee right", "Knee", "Abdomen", "Follow-up", ""]
series_told: st.SearchStrategy[tuple[SeriesRecord, ...] | None] = st.none() | st.builds(
    lambda part, side: (SeriesRecord("1", "1.1", "CT", body_part=part, laterality=side),),
    st.sampled_from(["", "CHEST", "KNEE"]),
    st.sampled_from(["", "L", "R"]),
)
found = st.lists(
    st.builds(
        StudyRecord,
        study_uid=st.integers(1, 40).map(lambda number: f"2.25.{number}") | st.just("2.25.999"),
        date=st.none() | st.dates(dt.date(2010, 1, 1), dt.date(2027, 1, 1)),
        description=st.sampled_from(DESCRIPTIONS),
        modalities=st.sampled_from([None, ("CT",), ("CR",), ("MR", "SR"), ("SR",)]),
        series=series_told,
    ),
    max_size=12,
    unique_by=lambda one: one.study_uid,
)


@st.composite
def asked_for(draw: st.DrawFn) -> PriorsOfPatient:
    newest = draw(st.none() | st.integers(1, 5))
    limit = 5 if newest is None else newest
    return wanted(
        draw(st.sampled_from([CHEST_CT, RIGHT_KNEE, OrderedExam()])),
        Relevance(
            BUILTIN,
            minimum=draw(st.integers(0, 110)),
            same=draw(st.sampled_from([(), ("laterality",), ("body_part", "modality")])),
            take_unknown=draw(st.booleans()),
        ),
        newest=newest,
        oldest=0 if newest is None else draw(st.integers(0, 2)),
        at_least=draw(st.integers(0, limit)),
        within=draw(st.none() | st.just(dt.timedelta(days=2000))),
        exclude=draw(st.sampled_from([Exclusion(), Exclusion(("SR",), "Abd", ("KNEE",))])),
    )


@unhurried
@given(found, asked_for())
def test_the_ordered_study_is_never_taken(studies: list[StudyRecord], asked: PriorsOfPatient) -> None:
    assert "2.25.999" not in taken(studies, asked)


@unhurried
@given(found, asked_for())
def test_never_more_are_taken_than_allowed(studies: list[StudyRecord], asked: PriorsOfPatient) -> None:
    if asked.criteria.newest is not None:
        assert len(taken(studies, asked)) <= asked.criteria.newest + asked.criteria.oldest


@unhurried
@given(found, asked_for(), st.randoms())
def test_the_order_of_the_archives_answers_does_not_matter(
    studies: list[StudyRecord], asked: PriorsOfPatient, random: Any
) -> None:
    shuffled = list(studies)
    random.shuffle(shuffled)
    assert choose_priors(shuffled, asked) == choose_priors(studies, asked)
    assert hanging(shuffled, asked) == hanging(studies, asked)


@unhurried
@given(found, asked_for(), st.dates(dt.date(2010, 1, 1), dt.date(2027, 1, 1)))
def test_a_study_that_is_left_for_itself_changes_nothing_for_others(
    studies: list[StudyRecord], asked: PriorsOfPatient, date: dt.date
) -> None:
    """It is excluded, or irrelevant where nothing is filled up."""
    irrelevant = StudyRecord("2.25.500", date=date, description="US Thyroid", modalities=("US",), series=())
    (alone,) = choose_priors([irrelevant], asked)
    if not alone.taken:
        others = [one for one in choose_priors([*studies, irrelevant], asked) if one.study_uid != "2.25.500"]
        assert others == choose_priors(studies, asked)


@unhurried
@given(found, asked_for())
def test_filling_up_takes_nothing_that_is_excluded_or_known_to_be_another(
    studies: list[StudyRecord], asked: PriorsOfPatient
) -> None:
    for choice in choose_priors(studies, asked):
        if "to fill up" in choice.reason:
            (alone,) = choose_priors([one for one in studies if one.study_uid == choice.study_uid], asked)
            assert alone.taken
            assert "excluded" not in choice.reason
            assert asked.criteria.at_least > 0


@unhurried
@given(found, asked_for())
def test_every_study_has_one_choice_with_a_reason(studies: list[StudyRecord], asked: PriorsOfPatient) -> None:
    choices = choose_priors(studies, asked)
    assert sorted(one.study_uid for one in choices) == sorted(one.study_uid for one in studies)
    assert all(one.taken is ("taken" in one.reason.rpartition(": ")[2]) for one in choices)


@unhurried
@given(found, asked_for(), st.data())
def test_asking_for_more_series_would_not_change_what_is_taken(
    studies: list[StudyRecord], asked: PriorsOfPatient, data: st.DataObject
) -> None:
    """Where nothing is filled up: there more about the others could change which of them is best."""
    closed = [replace(one, series=None) for one in studies]
    opened = {one.study_uid: _opened(one, data.draw(series_told)) for one in closed}
    hung = {one.study_uid for one in hanging(closed, asked)}
    some = [opened[one.study_uid] if one.study_uid in hung else one for one in closed]
    assert "2.25.999" not in hung
    if not asked.criteria.at_least:
        assert taken(some, asked) == taken(list(opened.values()), asked)


def _opened(study: StudyRecord, series: tuple[SeriesRecord, ...] | None) -> StudyRecord:
    return replace(study, series=series or (), modalities=study.modalities or ("CT",))
