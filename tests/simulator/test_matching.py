from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from engine.simulator.matching import matches, texts


def key_matches(keyword: str, key: object, value: object) -> bool:
    query, held = Dataset(), Dataset()
    setattr(query, keyword, key)
    setattr(held, keyword, value)
    return matches(query[keyword], held[keyword])


@pytest.mark.parametrize(
    ("keyword", "key", "value"),
    [
        ("PatientID", "", "FF-1"),
        ("PatientID", None, ""),
        ("PatientID", "FF-1", "FF-1 "),
        ("PatientID", "FF-*", "FF-1"),
        ("PatientID", "FF-?", "FF-1"),
        ("PatientID", "*", ""),
        ("StudyDescription", "*Chest*", "CT Chest (low dose)"),
        ("StudyDescription", "CT.*", "CT. knee"),
        ("PatientName", "grün*", "Grün^Jürgen"),
        ("PatientName", "AALTO^MIRA^^", "Aalto^Mira"),
        ("StudyInstanceUID", "1.2.3", "1.2.3"),
        ("StudyInstanceUID", ["1.2.3", "1.2.4"], "1.2.4"),
        ("ModalitiesInStudy", "CT", ["CT", "SR"]),
        ("ModalitiesInStudy", ["MR", "SR"], ["CT", "SR"]),
        ("SeriesNumber", "2", 2),
        ("StudyDate", "20250602", "20250602"),
        ("StudyDate", "20250602-20250603", "20250602"),
        ("StudyDate", "20250601-20250602", "20250602"),
        ("StudyDate", "20250101-", "20250602"),
        ("StudyDate", "-20251231", "20250602"),
        ("StudyTime", "09-10", "103059"),
        ("StudyTime", "0930-", "093000"),
    ],
)
def test_a_key_is_satisfied(keyword: str, key: object, value: object) -> None:
    assert key_matches(keyword, key, value)


@pytest.mark.parametrize(
    ("keyword", "key", "value"),
    [
        ("PatientID", "FF-1", "FF-10"),
        ("PatientID", "ff-1", "FF-1"),
        ("PatientID", "FF-?", "FF-10"),
        ("PatientID", "FF-1", ""),
        ("AccessionNumber", "A.1", "AB1"),
        ("StudyDescription", "Chest", "CT Chest"),
        ("StudyInstanceUID", ["1.2.3", "1.2.4"], "1.2.5"),
        ("ModalitiesInStudy", "MR", ["CT", "SR"]),
        ("ModalitiesInStudy", "MR", []),
        ("SeriesNumber", "2", 22),
        ("StudyDate", "20250602", "20250603"),
        ("StudyDate", "20250603-20250604", "20250602"),
        ("StudyDate", "-20250601", "20250602"),
        ("StudyDate", "20250603-", "20250602"),
        ("StudyDate", "20250101-", ""),
        ("StudyTime", "09-10", "113000"),
    ],
)
def test_a_key_is_not_satisfied(keyword: str, key: object, value: object) -> None:
    assert not key_matches(keyword, key, value)


def test_wild_cards_mean_nothing_in_a_uid() -> None:
    """PS3.4 C.2.2.2.4; as raw bytes, since pydicom objects to such a UID."""
    query, held = Dataset(), Dataset()
    query.add_new("StudyInstanceUID", "LO", "1.2.*")
    held.StudyInstanceUID = "1.2.3"
    assert not matches(query["StudyInstanceUID"], held["StudyInstanceUID"])


def test_an_empty_element_has_no_texts_and_padding_is_none_of_them() -> None:
    dataset = Dataset()
    dataset.PatientID = None
    dataset.ImageType = ["ORIGINAL ", "PRIMARY"]
    assert texts(dataset["PatientID"]) == ()
    assert texts(dataset["ImageType"]) == ("ORIGINAL", "PRIMARY")
