from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, JPEGBaseline8Bit
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from engine.simulator import ArrivedObject, SimulatedDestination, datasets, demo_studies

from . import associated, request

STUDY = "2.25.1001001"


@pytest.fixture
def viewer(tmp_path: Path) -> Iterator[SimulatedDestination]:
    with SimulatedDestination("VIEWER", folder=tmp_path / "stored") as node:
        yield node


def ordered() -> list[Dataset]:
    return list(datasets(demo_studies()[0]))


def store(viewer: SimulatedDestination, *objects: Dataset) -> list[int]:
    with associated(viewer, CTImageStorage) as association:
        return [association.send_c_store(dataset).Status for dataset in objects]


def test_it_answers_an_echo(viewer: SimulatedDestination) -> None:
    with associated(viewer, Verification) as association:
        assert association.send_c_echo().Status == 0x0000


def test_each_arrival_is_recorded(viewer: SimulatedDestination) -> None:
    first = ordered()[0]
    with associated(viewer, CTImageStorage) as association:
        association.send_c_store(first, originator_aet="ARCHIVE", originator_id=3)
        association.send_c_store(first)
    by_move, by_itself = viewer.objects
    assert by_move == ArrivedObject(
        study_uid=STUDY,
        series_uid=f"{STUDY}.1",
        sop_instance_uid=f"{STUDY}.1.1",
        calling_ae_title="TESTER",
        move_originator="ARCHIVE",
        size=by_itself.size,
    )
    assert by_itself.move_originator == ""
    assert by_itself.size > 64 * 64 * 2


def test_an_object_that_comes_twice_has_arrived_once(viewer: SimulatedDestination) -> None:
    first = ordered()[0]
    assert store(viewer, first, first) == [0x0000, 0x0000]
    assert (len(viewer.objects), viewer.arrived(STUDY), viewer.arrived("1.2.3")) == (2, 1, 0)


def test_files_are_written_below_study_and_series(viewer: SimulatedDestination, tmp_path: Path) -> None:
    store(viewer, *ordered())
    stored = tmp_path / "stored"
    assert sorted(str(path.relative_to(stored)) for path in stored.rglob("*.dcm")) == [
        f"{STUDY}/{STUDY}.1/{STUDY}.1.1.dcm",
        f"{STUDY}/{STUDY}.2/{STUDY}.2.1.dcm",
        f"{STUDY}/{STUDY}.2/{STUDY}.2.2.dcm",
        f"{STUDY}/{STUDY}.2/{STUDY}.2.3.dcm",
    ]
    file = dcmread(stored / STUDY / f"{STUDY}.1" / f"{STUDY}.1.1.dcm")
    assert file.file_meta.MediaStorageSOPInstanceUID == file.SOPInstanceUID
    assert file == ordered()[0]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("uid", ["../../outside", "/tmp/outside", "..", "", "1.2\\1.3", "1.02"])
@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_a_uid_that_could_lead_elsewhere_is_refused_and_nothing_is_written(
    viewer: SimulatedDestination, tmp_path: Path, keyword: str, uid: str
) -> None:
    (crooked,) = ordered()[:1]
    setattr(crooked, keyword, uid)
    assert store(viewer, crooked) == [0xC000]
    assert viewer.objects == ()
    assert list(tmp_path.rglob("*")) == []


def test_an_object_without_a_series_is_refused(viewer: SimulatedDestination) -> None:
    (homeless,) = ordered()[:1]
    del homeless.SeriesInstanceUID
    assert store(viewer, homeless) == [0xC000]


def test_what_cannot_be_written_is_refused_as_out_of_resources_and_has_not_arrived(tmp_path: Path) -> None:
    not_a_folder = tmp_path / "file"
    not_a_folder.touch()
    with SimulatedDestination("FULL", folder=not_a_folder) as full:
        assert store(full, ordered()[0]) == [0xA700]
        assert full.arrived() == 0


def test_without_a_folder_objects_are_only_remembered() -> None:
    with SimulatedDestination("VIEWER") as viewer:
        assert store(viewer, *ordered()) == [0x0000] * 4
        assert viewer.arrived() == 4


def test_waiting_ends_when_enough_has_arrived(viewer: SimulatedDestination) -> None:
    results: list[bool] = []
    waiter = threading.Thread(target=lambda: results.append(viewer.wait_for(4, 20, STUDY)))
    waiter.start()
    store(viewer, *ordered())
    waiter.join(20)
    assert results == [True]


def test_waiting_for_what_does_not_come_ends_with_false(viewer: SimulatedDestination) -> None:
    store(viewer, ordered()[0])
    assert viewer.wait_for(1, 20)
    assert not viewer.wait_for(2, 0.01)
    assert not viewer.wait_for(1, 0.01, "1.2.3")


def test_compressed_images_are_accepted_as_they_are(viewer: SimulatedDestination) -> None:
    with associated(viewer, CTImageStorage, transfer_syntax=JPEGBaseline8Bit) as association:
        assert [str(it.transfer_syntax[0]) for it in association.accepted_contexts] == [JPEGBaseline8Bit]


def test_a_call_to_another_ae_title_is_rejected(viewer: SimulatedDestination) -> None:
    association = request(viewer, Verification, called="SOMEBODY")
    assert association.is_rejected
    assert viewer.associations == 0
