from __future__ import annotations

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from engine.errors import IdentifierError
from engine.simulator import HeldObject, datasets, demo_studies
from engine.simulator.catalogue import PATIENT_ROOT, STUDY_ROOT, Catalogue, hold

from . import identifier


def held(dataset: Dataset) -> HeldObject:
    return hold(dataset, lambda: dataset)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue(held(dataset) for study in demo_studies() for dataset in datasets(study))


def one_object() -> Dataset:
    return next(datasets(demo_studies()[0]))


def test_it_counts_its_objects(catalogue: Catalogue) -> None:
    assert len(catalogue) == 32


def test_of_two_objects_with_one_uid_the_last_counts() -> None:
    old, new = one_object(), one_object()
    new.StudyDescription = "corrected"
    catalogue = Catalogue([held(old), held(new)])
    (study,) = catalogue.find(STUDY_ROOT, identifier("STUDY", StudyDescription=""))
    assert len(catalogue) == 1
    assert study.StudyDescription == "corrected"


def test_a_key_that_is_not_supported_is_neither_matched_nor_returned(catalogue: Catalogue) -> None:
    keys = identifier("STUDY", StudyInstanceUID="2.25.1001001", InstitutionName="Elsewhere")
    (study,) = catalogue.find(STUDY_ROOT, keys)
    assert study.StudyInstanceUID == "2.25.1001001"
    assert "InstitutionName" not in study


def test_a_key_of_a_lower_level_is_neither_matched_nor_returned(catalogue: Catalogue) -> None:
    keys = identifier("STUDY", StudyInstanceUID="2.25.1001001", Modality="MR")
    (study,) = catalogue.find(STUDY_ROOT, keys)
    assert "Modality" not in study


def test_the_body_part_of_a_series_is_matched_and_returned() -> None:
    study = demo_studies()[0]
    parts = (replace(study.series[0], body_part="CHEST"), replace(study.series[1], body_part="KNEE"))
    catalogue = Catalogue(map(held, datasets(replace(study, series=parts))))
    asked = identifier(
        "SERIES", StudyInstanceUID=study.study_uid, SeriesInstanceUID="", BodyPartExamined="KNEE"
    )
    assert [(it.SeriesInstanceUID, it.BodyPartExamined) for it in catalogue.find(STUDY_ROOT, asked)] == [
        (study.series[1].series_uid, "KNEE")
    ]


def test_an_attribute_that_the_object_lacks_is_returned_empty(catalogue: Catalogue) -> None:
    keys = identifier("SERIES", StudyInstanceUID="2.25.1001003", SeriesInstanceUID="", BodyPartExamined="")
    (series,) = catalogue.find(STUDY_ROOT, keys)
    assert series.BodyPartExamined == ""


def test_a_query_does_not_change_what_is_held(catalogue: Catalogue) -> None:
    keys = identifier("STUDY", StudyInstanceUID="2.25.1001001", AccessionNumber="")
    (first,) = catalogue.find(STUDY_ROOT, keys)
    first.AccessionNumber = "changed"
    (second,) = catalogue.find(STUDY_ROOT, keys)
    assert second.AccessionNumber == "A1001-1"


@pytest.mark.parametrize(
    ("levels", "keys"),
    [
        (STUDY_ROOT, identifier("PATIENT", PatientID="FF-1001")),
        (STUDY_ROOT, identifier("", StudyInstanceUID="2.25.1001001")),
        (STUDY_ROOT, Dataset()),
        (STUDY_ROOT, identifier("SERIES", SeriesInstanceUID="2.25.1001001.1")),
        (STUDY_ROOT, identifier("SERIES", StudyInstanceUID="", SeriesInstanceUID="2.25.1001001.1")),
        (STUDY_ROOT, identifier("SERIES", StudyInstanceUID=["1.2", "1.3"], SeriesInstanceUID="1.2.1")),
        (STUDY_ROOT, identifier("IMAGE", StudyInstanceUID="1.2", SOPInstanceUID="1.2.1.1")),
        (PATIENT_ROOT, identifier("STUDY", StudyInstanceUID="2.25.1001001")),
        (PATIENT_ROOT, identifier("STUDY", PatientID="FF-*", StudyInstanceUID="2.25.1001001")),
    ],
)
def test_an_identifier_that_does_not_fit_the_model_is_refused(
    catalogue: Catalogue, levels: tuple[str, ...], keys: Dataset
) -> None:
    with pytest.raises(IdentifierError):
        list(catalogue.find(levels, keys))
    with pytest.raises(IdentifierError):
        catalogue.select(levels, keys)


def test_a_retrieve_with_an_empty_key_of_its_own_level_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(IdentifierError, match="StudyInstanceUID is empty"):
        catalogue.select(STUDY_ROOT, identifier("STUDY", StudyInstanceUID=""))


@pytest.mark.parametrize(
    ("keys", "count"),
    [
        (identifier("PATIENT", PatientID="FF-1003"), 8),
        (identifier("STUDY", PatientID="FF-1001", StudyInstanceUID=["2.25.1001001", "2.25.1001003"]), 6),
        (identifier("STUDY", PatientID="FF-1002", StudyInstanceUID="2.25.1001001"), 0),
    ],
)
def test_a_patient_root_retrieve_selects_below_the_patient(
    catalogue: Catalogue, keys: Dataset, count: int
) -> None:
    assert len(catalogue.select(PATIENT_ROOT, keys)) == count


def test_images_are_selected_below_their_series(catalogue: Catalogue) -> None:
    keys = identifier(
        "IMAGE",
        StudyInstanceUID="2.25.1001001",
        SeriesInstanceUID="2.25.1001001.2",
        SOPInstanceUID=["2.25.1001001.2.1", "2.25.1001001.2.3"],
    )
    chosen = [it.value("SOPInstanceUID") for it in catalogue.select(STUDY_ROOT, keys)]
    assert chosen == ["2.25.1001001.2.1", "2.25.1001001.2.3"]


@pytest.mark.parametrize(
    "keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "file_meta"]
)
def test_an_object_without_what_identifies_it_cannot_be_held(keyword: str) -> None:
    dataset = one_object()
    delattr(dataset, keyword)
    with pytest.raises(IdentifierError):
        held(dataset)
