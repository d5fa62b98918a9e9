"""Points for what an earlier study has in common with the order; what is not known counts neither way."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from engine.config.build.relevance import vocabularies
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.retrieve.relevance import OrderedExam, ProcedureGroup, Relation, Relevance, Vocabulary, Weights
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient
from engine.routing.relevance import Score, in_words, score
from engine.routing.relevance_facts import Side, of_order, of_study, with_parts

DAY = dt.date(2026, 11, 24)
BUILTIN = vocabularies({})["builtin"]
CHEST_CT = OrderedExam((), ("CT Chest",), ("CT",))
RIGHT_KNEE = OrderedExam((), ("MR Knee right",), ("MR",))
CODED = Vocabulary(
    groups=(
        ProcedureGroup("a", codes=(("A1", ""),), patterns=("(?i)alpha",)),
        ProcedureGroup("b", codes=(("B1", "L"),), patterns=("beta",), modalities=("CT",)),
    ),
    relations=(Relation("a", "b", 0.5),),
)


def study(description: str = "", *modalities: str, days: int = 0, **more: Any) -> StudyRecord:
    date = DAY - dt.timedelta(days=days)
    record = StudyRecord("1.1", "P", date=date, description=description, modalities=modalities or None)
    return replace(record, **more)


def scored(
    one: StudyRecord, exam: OrderedExam = CHEST_CT, vocabulary: Vocabulary = BUILTIN, **more: Any
) -> Score:
    relevance = Relevance(vocabulary, **more)
    return score(one, PriorsOfPatient("P", PriorCriteria(relevance=relevance), DAY, exam=exam), relevance)


def points(one: Score) -> dict[str, tuple[int, int]]:
    return {part.criterion: (part.points, part.most) for part in one.parts}


def series(body_part: str = "", description: str = "", laterality: str = "") -> SeriesRecord:
    return SeriesRecord("1.1", "1.1.1", "CT", description, 1, body_part, laterality)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("CT Chest w/o contrast", {"CHEST"}),
        ("RÖ THORAX p.a.", {"CHEST"}),
        ("MRT Schädel", {"HEAD"}),
        ("MRT Schaedel", {"HEAD"}),
        ("Kniegelenk rechts", {"KNEE"}),
        ("CT Thorax/Abdomen/Becken", {"CHEST", "ABDOMEN", "PELVIS"}),
        ("MR lumbar spine", {"LSPINE"}),
        ("T-SPINE", {"TSPINE"}),
        ("thoracic_spine", {"TSPINE"}),
        ("CHESTABDPELVIS", {"CHESTABDPELVIS"}),
        ("MR femoral head", {"HIP"}),
        ("Gall bladder", {"GALLBLADDER"}),
        ("PET-CT skull base to thigh", {"WHOLEBODY"}),
        ("Orchestra", set()),
        ("CT", set()),
        ("", set()),
    ],
)
def test_body_parts_are_recognised_by_their_words(text: str, parts: set[str]) -> None:
    assert set(of_study(study(text), BUILTIN).named) == parts


def test_a_region_has_the_parts_of_its_parts() -> None:
    assert {"CHEST", "HEART", "HEAD", "BRAIN"} <= with_parts(["WHOLEBODY"], BUILTIN)
    assert with_parts(["KNEE"], BUILTIN) == {"KNEE"}
    assert "KNEE" in with_parts(["EXTREMITY"], BUILTIN)


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("MR Knee left", "left"),
        ("Knie rechts", "right"),
        ("MR KNEE R", "right"),
        ("HIP_L", "left"),
        ("XR Knees bilateral", "both"),
        ("Left and right knee", "both"),
        ("L Spine", None),
        ("Knee", None),
        ("Leftover", None),
    ],
)
def test_sides_are_recognised(text: str, side: Side | None) -> None:
    assert of_study(study(text), BUILTIN).side == side


def test_the_description_is_asked_before_the_series_and_body_part_before_their_descriptions() -> None:
    told = (series("ABDOMEN", "Knee"),)
    assert of_study(study("CT Chest", series=told), BUILTIN).named == ("CHEST",)
    assert of_study(study("Follow-up", series=told), BUILTIN).named == ("ABDOMEN",)
    assert of_study(study("Follow-up", series=(series("", "Knee"),)), BUILTIN).named == ("KNEE",)
    assert of_study(study("Follow-up", series=(series("", ""),)), BUILTIN).named == ()


@pytest.mark.parametrize(("values", "side"), [("L", "left"), ("R", "right"), ("LR", "both"), ("", None)])
def test_laterality_of_the_series_is_a_side(values: str, side: Side | None) -> None:
    told = tuple(series(laterality=value) for value in values)
    assert of_study(study("Knee", series=told), BUILTIN).side == side
    assert of_study(study("Knee left", series=told), BUILTIN).side == "left"


@pytest.mark.parametrize(
    ("exam", "groups"),
    [
        (OrderedExam((("A1", "X"),)), {"a"}),
        (OrderedExam((("A1", ""),)), {"a"}),
        (OrderedExam((("B1", "L"),), (), ("MR",)), {"b"}),
        (OrderedExam((("B1", "X"),)), set()),
        (OrderedExam((("B1", ""),)), set()),
        (OrderedExam((), ("An Alpha",)), {"a"}),
        (OrderedExam((), ("beta",), ("CT",)), {"b"}),
        (OrderedExam((), ("beta",), ("MR",)), set()),
        (OrderedExam((), ("beta",)), set()),
        (OrderedExam((("A1", ""), ("B1", "L"))), {"a", "b"}),
    ],
)
def test_groups_are_told_by_code_or_by_text_and_modality(exam: OrderedExam, groups: set[str]) -> None:
    assert of_order(exam, CODED).groups == groups


def test_a_group_that_hangs_on_a_modality_that_is_not_known_is_a_maybe() -> None:
    facts = of_study(study("beta"), CODED)
    assert (set(facts.groups), set(facts.maybe)) == (set(), {"b"})


@pytest.mark.parametrize(
    ("description", "modality", "expected"),
    [("alpha", "CT", (40, 40)), ("beta", "CT", (20, 20)), ("beta", "MR", (0, 0)), ("gamma", "CT", (0, 0))],
)
def test_the_group_gets_its_points_and_a_related_one_its_part(
    description: str, modality: str, expected: tuple[int, int]
) -> None:
    one = scored(study(description, modality), OrderedExam((("A1", ""),)), CODED)
    assert points(one)["group"] == expected


def test_a_group_that_may_be_related_may_get_the_points() -> None:
    assert points(scored(study("beta"), OrderedExam((("A1", ""),)), CODED))["group"] == (0, 20)


@pytest.mark.parametrize(
    ("description", "expected", "text"),
    [
        ("Thorax", (30, 30), "same body part CHEST"),
        ("CT CHESTABDPELVIS", (30, 30), "same body part CHEST"),
        ("Heart", (30, 30), "same body part HEART"),
        ("Knee", (0, 0), "other body part KNEE"),
        ("Follow-up", (0, 30), "body part unknown"),
    ],
)
def test_a_common_body_part_gets_points_and_an_unknown_one_may(
    description: str, expected: tuple[int, int], text: str
) -> None:
    one = scored(study(description, "CT"))
    assert points(one)["body_part"] == expected
    assert text in str(one)


@pytest.mark.parametrize(
    ("modalities", "expected"),
    [
        (("CT",), (10, 10)),
        (("CT", "SR"), (10, 10)),
        (("PT",), (5, 5)),
        (("MR",), (0, 0)),
        (("MR", "CT"), (10, 10)),
        ((), (0, 10)),
    ],
)
def test_the_modality_gets_points_and_half_of_them_within_its_family(
    modalities: tuple[str, ...], expected: tuple[int, int]
) -> None:
    assert points(scored(study("Chest", *modalities)))["modality"] == expected


@pytest.mark.parametrize(
    ("description", "expected", "agrees"),
    [
        ("Knee right", (10, 10), True),
        ("Knees both", (10, 10), True),
        ("Knee left", (0, 0), False),
        ("Knee", (0, 10), None),
        ("left", (0, 0), False),
    ],
)
def test_the_other_side_is_another_and_an_unknown_one_neither(
    description: str, expected: tuple[int, int], agrees: bool | None
) -> None:
    one = scored(study(description, "MR"), RIGHT_KNEE)
    assert points(one)["laterality"] == expected
    assert next(part for part in one.parts if part.criterion == "laterality").agrees is agrees
    assert (one.against(["laterality"]) is not None) is (agrees is False)
    assert one.against([]) is None


@pytest.mark.parametrize(
    ("exam", "description"),
    [
        (OrderedExam((), ("MR Knee",), ("MR",)), "Knee left"),
        (OrderedExam((), ("CT Chest, nodule right",), ("CT",)), "Chest left"),
        (RIGHT_KNEE, "Hip left"),
    ],
)
def test_the_side_counts_only_where_the_order_names_one_of_the_same_part_that_has_two(
    exam: OrderedExam, description: str
) -> None:
    assert "laterality" not in points(scored(study(description, "MR"), exam))


@pytest.mark.parametrize(
    ("days", "expected", "text"),
    [
        (-3, 10, "of the same day 10"),
        (0, 10, "of the same day 10"),
        (1, 10, "1 day old 10"),
        (70, 10, "2 months old 10"),
        (400, 9, "1 year old 9"),
        (1826, 5, "4 years old 5"),
        (3653, 0, "10 years old"),
        (9999, 0, "27 years old"),
    ],
)
def test_age_gets_the_fewer_points_the_longer_ago(days: int, expected: int, text: str) -> None:
    one = scored(study("Chest", "CT", days=days))
    assert points(one)["age"] == (expected, expected)
    assert text in str(one)


def test_a_study_without_a_date_gets_no_points_for_age() -> None:
    one = scored(study("Chest", "CT", date=None))
    assert points(one)["age"] == (0, 0)
    assert "no date" in str(one)


@pytest.mark.parametrize(
    ("description", "minimum", "relevant"),
    [("Chest", 25, True), ("Chest", 91, False), ("Knee", 25, False), ("Follow-up", 25, None)],
)
def test_a_study_is_relevant_from_the_minimum_on(
    description: str, minimum: int, relevant: bool | None
) -> None:
    assert scored(study(description, "CT")).relevant(minimum) is relevant


def test_weights_are_the_routes() -> None:
    weights = Weights(group=1, body_part=2, modality=4, laterality=8, age=16)
    assert scored(study("Chest", "CT"), weights=weights).points == 1 + 2 + 4 + 16


def test_modality_side_and_age_alone_make_no_study_relevant() -> None:
    one = scored(study("MR Shoulder right", "MR"), RIGHT_KNEE)
    assert one.relevant(Relevance(BUILTIN).minimum) is False


@pytest.mark.parametrize("exam", [OrderedExam(), OrderedExam((("X", ""),), ("Imaging",), ("CT",))])
def test_an_order_that_names_nothing_known_leaves_every_study_open(exam: OrderedExam) -> None:
    one = scored(study("Chest", "CT"), exam)
    assert one.relevant(25) is None
    assert not one.hangs(Relevance(BUILTIN))
    assert "the order names no procedure or body part that is known" in str(one)


@pytest.mark.parametrize(
    ("one", "exam", "same", "hangs"),
    [
        (study("Follow-up", "CT"), CHEST_CT, (), True),
        (study("Chest"), CHEST_CT, (), False),
        (study("Knee", "CT"), CHEST_CT, (), False),
        (study("Knee", "MR"), RIGHT_KNEE, (), False),
        (study("Knee", "MR"), RIGHT_KNEE, ("laterality",), True),
        (study("Chest"), CHEST_CT, ("modality",), True),
    ],
)
def test_a_choice_hangs_on_what_is_unknown_only_where_that_decides(
    one: StudyRecord, exam: OrderedExam, same: Any, hangs: bool
) -> None:
    assert scored(one, exam).hangs(Relevance(BUILTIN, same=same)) is hangs


def test_the_order_is_told_in_words() -> None:
    wanted = PriorsOfPatient("P", PriorCriteria(relevance=Relevance(BUILTIN)), DAY, exam=RIGHT_KNEE)
    words = "ordered for 2026-11-24: no procedure that is known, body part KNEE, modality MR, side right"
    assert in_words(wanted) == words
    assert in_words(PriorsOfPatient("P", PriorCriteria(), DAY)) == ""


def test_the_sum_of_the_points_that_are_told_is_the_score() -> None:
    text = str(scored(study("CT Chest", "CT", days=400)))
    assert text == (
        "score 89 (same group chest-ct 40, same body part CHEST 30, same modality 10, 1 year old 9)"
    )
