from __future__ import annotations

import logging
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from engine.errors import ForefetchError
from engine.simulator import SimulatedArchive, SimulatedDestination, datasets, demo_studies, load_folder

from . import counters, find, move


def save(dataset: Dataset, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The ordered CT of the demo in two folders, among files that are not DICOM."""
    for number, dataset in enumerate(datasets(demo_studies()[0])):
        save(dataset, tmp_path / f"disc{number % 2}" / "images" / f"{number}")
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "empty").touch()
    return tmp_path


def test_dicom_files_are_found_at_any_depth_and_others_are_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "engine.simulator")
    found = load_folder(folder)
    assert sorted(it.value("SOPInstanceUID") for it in found) == [
        "2.25.1001001.1.1",
        "2.25.1001001.2.1",
        "2.25.1001001.2.2",
        "2.25.1001001.2.3",
    ]
    assert "4 DICOM objects found, 2 files skipped" in caplog.messages


def test_a_truncated_file_and_one_without_a_study_are_skipped(folder: Path) -> None:
    nowhere = next(datasets(demo_studies()[1]))
    del nowhere.StudyInstanceUID
    save(nowhere, folder / "nowhere.dcm")
    (folder / "short.dcm").write_bytes((folder / "disc0" / "images" / "0").read_bytes()[:150])
    assert len(load_folder(folder)) == 4


def test_pixels_are_read_only_when_they_are_sent(folder: Path) -> None:
    first = load_folder(folder)[0]
    assert "PixelData" not in first.header
    assert len(first.read().PixelData) == 64 * 64 * 2
    (folder / "disc0" / "images" / "0").unlink()
    with pytest.raises(FileNotFoundError):
        first.read()


def test_what_is_not_a_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ForefetchError, match="is not a folder"):
        load_folder(tmp_path / "missing")


def test_an_archive_serves_a_folder(folder: Path) -> None:
    with (
        SimulatedDestination("VIEWER") as viewer,
        SimulatedArchive("DISC", load_folder(folder), {"VIEWER": viewer.address}) as archive,
    ):
        response, _ = move(archive, "VIEWER", "STUDY", StudyInstanceUID="2.25.1001001")
        assert counters(response) == (4, 0, 0)
        assert viewer.arrived("2.25.1001001") == 4


def test_a_file_in_latin_1_is_found_by_a_query_in_utf_8_and_answered_in_utf_8(tmp_path: Path) -> None:
    dataset = next(datasets(demo_studies()[5]))
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.StudyDescription = "MR Knie für später"
    save(dataset, tmp_path / "latin.dcm")
    with SimulatedArchive("DISC", load_folder(tmp_path), {}) as archive:
        _, found = find(archive, "STUDY", PatientName="grün*", StudyDescription="")
    assert [(str(it.PatientName), it.StudyDescription) for it in found] == [
        ("Grün^Jürgen", "MR Knie für später")
    ]


def test_a_file_that_vanished_ends_the_move_as_unable_to_process(folder: Path) -> None:
    content = load_folder(folder)
    (folder / "disc0" / "images" / "0").unlink()
    with (
        SimulatedDestination("VIEWER") as viewer,
        SimulatedArchive("DISC", content, {"VIEWER": viewer.address}) as archive,
    ):
        response, _ = move(archive, "VIEWER", "STUDY", StudyInstanceUID="2.25.1001001")
    assert response.Status == 0xC000
    assert counters(response) == (0, 4, 0)
