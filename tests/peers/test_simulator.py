"""DCMTK's SCUs against Forefetch's own simulator: what imitates an archive has to satisfy real clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from engine.simulator import SimulatedArchive, SimulatedDestination
from tests.peers.dcmtk import answers, scu, store
from tests.peers.processes import closed_port
from tests.peers.studies import LARGE, OBJECTS, ORDERED, PATIENT, PRIOR_CT, PRIOR_MR, STUDIES, UNKNOWN

pytestmark = pytest.mark.peers


@pytest.fixture
def destination() -> Iterator[SimulatedDestination]:
    with SimulatedDestination("READING") as node:
        yield node


@pytest.fixture
def archive(destination: SimulatedDestination) -> Iterator[SimulatedArchive]:
    with closed_port() as closed:
        addresses = {"READING": destination.address, "SWITCHEDOFF": ("127.0.0.1", closed)}
        with SimulatedArchive("ARCHIVE", STUDIES, addresses) as node:
            yield node


def find(archive: SimulatedArchive, folder: Path, *keys: str, model: str = "-S") -> list[pydicom.Dataset]:
    """The responses to ``findscu``, which writes each into a file."""
    options = [option for key in keys for option in ("-k", key)]
    result = scu("findscu", "ARCHIVE", archive.address[1], model, "-X", "-od", folder, *options)
    assert result.returncode == 0, result.stdout.decode()
    return [pydicom.dcmread(path) for path in sorted(folder.glob("rsp*.dcm"))]


def move(archive: SimulatedArchive, destination: str, *keys: str, model: str = "-S") -> tuple[bool, str]:
    """Whether ``movescu`` calls it a success, and what it printed."""
    options = [option for key in keys for option in ("-k", key)]
    result = scu("movescu", "ARCHIVE", archive.address[1], model, "-d", "-aem", destination, *options)
    return result.returncode == 0, result.stdout.decode("utf-8", "replace")


def test_echoscu_gets_an_answer_from_both(
    archive: SimulatedArchive, destination: SimulatedDestination
) -> None:
    assert answers("ARCHIVE", archive.address[1])
    assert answers("READING", destination.address[1])


def test_echoscu_is_rejected_under_another_ae_title(archive: SimulatedArchive) -> None:
    assert not answers("ELSEWHERE", archive.address[1])


@pytest.mark.parametrize("model", ["-S", "-P"])
def test_findscu_gets_the_studies_of_a_patient(archive: SimulatedArchive, tmp_path: Path, model: str) -> None:
    keys = [
        "QueryRetrieveLevel=STUDY",
        f"PatientID={PATIENT}",
        "StudyInstanceUID",
        "NumberOfStudyRelatedInstances",
    ]
    found = find(archive, tmp_path, *keys, model=model)
    assert {study.PatientID for study in found} == {PATIENT}
    assert {str(study.StudyInstanceUID): study.NumberOfStudyRelatedInstances for study in found} == {
        study.study_uid: sum(series.instances for series in study.series)
        for study in STUDIES
        if study.patient_id == PATIENT
    }


def test_findscu_gets_the_series_of_a_study(archive: SimulatedArchive, tmp_path: Path) -> None:
    keys = ["QueryRetrieveLevel=SERIES", f"StudyInstanceUID={PRIOR_MR}", "SeriesInstanceUID", "Modality"]
    found = find(archive, tmp_path, *keys)
    assert {(str(it.SeriesInstanceUID), it.Modality) for it in found} == {
        (f"{PRIOR_MR}.1", "MR"),
        (f"{PRIOR_MR}.2", "MR"),
    }


def test_findscu_gets_names_beyond_ascii(archive: SimulatedArchive, tmp_path: Path) -> None:
    found = find(archive, tmp_path, "QueryRetrieveLevel=STUDY", "PatientID=FF-1002", "PatientName")
    assert {str(study.PatientName) for study in found} == {"Grün^Jürgen"}


def test_movescu_has_a_study_sent(archive: SimulatedArchive, destination: SimulatedDestination) -> None:
    succeeded, output = move(
        archive, "READING", "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={LARGE.study_uid}"
    )
    assert succeeded, output
    assert (destination.arrived(LARGE.study_uid), destination.arrived()) == (50, 50)


def test_movescu_has_a_study_sent_in_the_patient_root_model(
    archive: SimulatedArchive, destination: SimulatedDestination
) -> None:
    keys = ["QueryRetrieveLevel=STUDY", f"PatientID={PATIENT}", f"StudyInstanceUID={PRIOR_CT}"]
    succeeded, output = move(archive, "READING", *keys, model="-P")
    assert succeeded, output
    assert (destination.arrived(PRIOR_CT), destination.arrived()) == (OBJECTS[PRIOR_CT], OBJECTS[PRIOR_CT])


def test_movescu_has_a_series_sent(archive: SimulatedArchive, destination: SimulatedDestination) -> None:
    keys = ["QueryRetrieveLevel=SERIES", f"StudyInstanceUID={ORDERED}", f"SeriesInstanceUID={ORDERED}.2"]
    succeeded, output = move(archive, "READING", *keys)
    assert succeeded, output
    assert {it.series_uid for it in destination.objects} == {f"{ORDERED}.2"}


@pytest.mark.parametrize("title", ["NOBODY", "SWITCHEDOFF"])
def test_movescu_is_told_of_a_destination_that_cannot_be_reached(
    archive: SimulatedArchive, title: str
) -> None:
    succeeded, output = move(archive, title, "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={PRIOR_CT}")
    assert not succeeded
    assert "MoveDestinationUnknown" in output


def test_movescu_of_nothing_moves_nothing(
    archive: SimulatedArchive, destination: SimulatedDestination
) -> None:
    _, output = move(archive, "READING", "QueryRetrieveLevel=STUDY", f"StudyInstanceUID={UNKNOWN}")
    assert "Completed Suboperations       : 0" in output
    assert destination.arrived() == 0


def test_storescu_stores_at_the_destination(destination: SimulatedDestination, tmp_path: Path) -> None:
    store(STUDIES[:2], "READING", destination.address[1], tmp_path / "studies")
    assert destination.arrived() == sum(OBJECTS[study.study_uid] for study in STUDIES[:2])
