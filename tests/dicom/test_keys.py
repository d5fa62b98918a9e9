"""What may be asked by C-FIND, and whether a result has it."""

from __future__ import annotations

import datetime as dt

import pytest

from engine.dicom.keys import Key, parse_day, series_keys, study_keys
from engine.dicom.study import total
from engine.errors import IdentifierError


def wire(keys: dict[str, Key]) -> dict[str, str]:
    return {keyword: key.wire for keyword, key in keys.items()}


def test_all_keys_of_a_study_go_out_by_their_keywords() -> None:
    keys = study_keys(
        study_uid="1.2.3",
        patient_id=" P1 ",
        accession="A1",
        patient_name="Aal*^Mira",
        date="2025-06-02",
        modality="ct",
        description="*chest*",
    )
    assert wire(keys) == {
        "StudyInstanceUID": "1.2.3",
        "PatientID": "P1",
        "AccessionNumber": "A1",
        "PatientName": "Aal*^Mira",
        "StudyDate": "20250602",
        "StudyDescription": "*chest*",
        "ModalitiesInStudy": "CT",
    }


def test_series_are_asked_within_one_study() -> None:
    keys = series_keys("1.2.3", modality="MR", description="T1*")
    assert wire(keys) == {"StudyInstanceUID": "1.2.3", "Modality": "MR", "SeriesDescription": "T1*"}
    for bad in ("", "1.2.3\\1.2.4", "1.2.*"):
        with pytest.raises(IdentifierError, match="study instance UID"):
            series_keys(bad)


@pytest.mark.parametrize("asked", [{}, {"modality": "CT"}])
def test_a_query_for_everything_is_refused_with_the_keys_to_give(asked: dict[str, str]) -> None:
    with pytest.raises(IdentifierError, match="give at least one of: study instance UID, patient ID"):
        study_keys(**asked)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("20250602", "20250602"),
        (" 20250602 ", "20250602"),
        ("2025-06-02", "20250602"),
        ("20250101-20251231", "20250101-20251231"),
        ("20250101-20250101", "20250101"),
        ("20250101-", "20250101-"),
        ("-20251231", "-20251231"),
        ("09990101-", "09990101-"),
    ],
)
def test_a_date_goes_out_as_dicom_writes_it(text: str, sent: str) -> None:
    assert wire(study_keys(date=text)) == {"StudyDate": sent}


@pytest.mark.parametrize(
    "text",
    [
        "2025",
        "20250230",
        "2025-06-02-2025-06-03",
        "20250101-20250230",
        "20250101--20250102",
        "-",
        "today",
        "*",
        "20250101\\20250102",
        "٢٠٢٥٠١٠١",
    ],
)
def test_what_is_no_date_is_refused_with_the_forms_that_are(text: str) -> None:
    with pytest.raises(IdentifierError, match="give YYYYMMDD, YYYY-MM-DD, or a range"):
        study_keys(date=text)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(IdentifierError, match="ends before it begins"):
        study_keys(date="20250102-20250101")


@pytest.mark.parametrize("text", ["C T!", "*", "C?", "CT\\MR", "X" * 17, "ČT"])
def test_a_modality_is_a_code_without_wild_cards(text: str) -> None:
    with pytest.raises(IdentifierError, match="modality"):
        study_keys(date="20250101", modality=text)


@pytest.mark.parametrize(
    ("asked", "cure"),
    [
        ({"patient_name": "*"}, "2 letters or digits"),
        ({"patient_name": "A*"}, "2 letters or digits"),
        ({"patient_name": "??^*"}, "2 letters or digits"),
        ({"patient_name": "^=^"}, "2 letters or digits"),
        ({"description": "* - *"}, "2 letters or digits"),
        ({"patient_name": "Aalto\\Gruen"}, "backslash"),
        ({"description": "chest\\knee"}, "backslash"),
        ({"description": "chest\nknee"}, "control character"),
        ({"patient_name": "Aalto\ud800"}, "control character"),
        ({"patient_name": "A" * 65}, "65 characters; 64 are allowed"),
        ({"patient_name": "Aa=Bb=Cc=Dd"}, "4 component groups"),
        ({"description": "A" * 65}, "65 characters; 64 are allowed"),
        ({"patient_id": "FF*"}, "would match other studies too"),
        ({"accession": "A?"}, "would match other studies too"),
        ({"patient_id": " "}, "patient ID is empty"),
        ({"patient_id": "A" * 65}, "64 are allowed"),
        ({"patient_id": "P1\\P2"}, "would match other studies too"),
        ({"study_uid": "1.2.3\\1.2.4"}, "list of UIDs"),
    ],
)
def test_what_would_match_too_much_is_refused(asked: dict[str, str], cure: str) -> None:
    with pytest.raises(IdentifierError, match=cure) as caught:
        study_keys(**asked)
    assert "Aalto" not in str(caught.value)


def test_a_name_may_have_64_characters_in_each_group_and_one_letter_where_it_is_exact() -> None:
    groups = "=".join(["A" * 64] * 3)
    assert wire(study_keys(patient_name=groups)) == {"PatientName": groups}
    assert wire(study_keys(patient_name="李")) == {"PatientName": "李"}


@pytest.mark.parametrize(
    ("asked", "value", "taken"),
    [
        ({"patient_name": "Aalto^Mira"}, "AALTO^MIRA", True),
        ({"patient_name": "Aalto^Mira"}, "Aalto^Mira^^", True),
        ({"patient_name": "Aalto^Mira"}, "Aalto^Mirabel", False),
        ({"patient_name": "Aal*"}, "Aalto^Mira", True),
        ({"patient_name": "A?lto*"}, "Aalto^Mira", True),
        ({"patient_name": "alto*"}, "Aalto^Mira", False),
        ({"patient_name": "Grun*"}, "Grün^Jürgen", True),
        ({"patient_name": "山田^太郎"}, "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ({"patient_name": "Yamada^Tarou=山田*"}, "Yamada^Tarou=山田^太郎", True),
        ({"patient_name": "김?수"}, "김영수", True),
        ({"patient_name": "A[ab]*"}, "Aa^X", False),
        ({"patient_name": "A[ab]*"}, "A[ab]c", True),
        ({"patient_name": "Aalto"}, "", False),
        ({"description": "*CHEST*"}, "CT Chest with contrast", True),
        ({"description": "chest"}, "CT Chest", False),
        ({"date": "20250101-20250131"}, "20250131", True),
        ({"date": "20250101-20250131"}, "20250201", False),
        ({"date": "20250101-"}, "20991231", True),
        ({"date": "-20250101"}, "19000101", True),
        ({"date": "-20250101"}, "20250102", False),
        ({"date": "20250101"}, "", False),
        ({"patient_id": "P1"}, "p1", False),
        ({"patient_id": "P1"}, "P1", True),
        ({"study_uid": "1.2.3"}, "1.2.30", False),
    ],
)
def test_a_result_has_what_was_asked_or_not(asked: dict[str, str], value: str, taken: bool) -> None:
    (key,) = study_keys(**asked).values()
    assert key.takes(value) is taken


@pytest.mark.parametrize(("value", "taken"), [("CT", True), ("SR\\CT", True), ("CTA", False), ("", False)])
def test_a_modality_is_one_of_several(value: str, taken: bool) -> None:
    assert study_keys(date="20250101", modality="CT")["ModalitiesInStudy"].takes(value) is taken


def test_many_wild_cards_take_no_time_to_compare() -> None:
    (key,) = study_keys(description="*a" * 31 + "b").values()
    assert not key.takes("a" * 64)


@pytest.mark.parametrize(
    ("text", "day"),
    [("20240229", dt.date(2024, 2, 29)), ("20230229", None), ("2024", None), ("", None), ("00000000", None)],
)
def test_a_day_is_one_that_there_is(text: str, day: dt.date | None) -> None:
    assert parse_day(text) == day


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    assert (total([1, 2]), total([1, None]), total([])) == (3, None, 0)
