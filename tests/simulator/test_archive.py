from __future__ import annotations

import datetime as dt
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelMove,
    StudyRootQueryRetrieveInformationModelMove,
)

from engine.retrieve.task import Priority
from engine.simulator import (
    GeneratedSeries,
    GeneratedStudy,
    HeldObject,
    MoveAsked,
    SimulatedArchive,
    SimulatedDestination,
    datasets,
    demo_studies,
)
from engine.simulator.catalogue import hold

from . import associated, counters, find, identifier, move

ORDERED = "2.25.1001001"


@pytest.fixture
def viewer() -> Iterator[SimulatedDestination]:
    with SimulatedDestination("VIEWER") as node:
        yield node


@pytest.fixture
def archive(viewer: SimulatedDestination) -> Iterator[SimulatedArchive]:
    with SimulatedArchive("ARCHIVE", demo_studies(), {"VIEWER": viewer.address}) as node:
        yield node


@pytest.fixture(scope="module")
def store() -> Iterator[SimulatedArchive]:
    """An archive that is only queried."""
    with SimulatedArchive("ARCHIVE", demo_studies(), {}) as node:
        yield node


def uids(found: list[Dataset], keyword: str = "StudyInstanceUID") -> list[str]:
    return sorted(str(getattr(it, keyword)) for it in found)


def test_it_answers_an_echo(store: SimulatedArchive) -> None:
    with associated(store) as association:
        assert association.send_c_echo().Status == 0x0000


def test_a_study_is_found_by_its_accession_number_with_all_that_is_asked(store: SimulatedArchive) -> None:
    status, (study,) = find(
        store,
        "STUDY",
        AccessionNumber="A1001-1",
        StudyInstanceUID="",
        StudyDate="",
        StudyDescription="",
        PatientID="",
        IssuerOfPatientID="",
        ModalitiesInStudy="",
        NumberOfStudyRelatedSeries=None,
        NumberOfStudyRelatedInstances=None,
    )
    assert status == 0x0000
    assert {element.keyword: element.value for element in study} == {
        "SpecificCharacterSet": "ISO_IR 192",
        "QueryRetrieveLevel": "STUDY",
        "RetrieveAETitle": "ARCHIVE",
        "AccessionNumber": "A1001-1",
        "StudyInstanceUID": ORDERED,
        "StudyDate": "20261120",
        "StudyDescription": "CT Chest w/o contrast",
        "PatientID": "FF-1001",
        "IssuerOfPatientID": "FOREST",
        "ModalitiesInStudy": "CT",
        "NumberOfStudyRelatedSeries": 2,
        "NumberOfStudyRelatedInstances": 4,
    }


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PatientID": "FF-1002"}, ["2.25.1002001", "2.25.1002002"]),
        ({"PatientName": "OKAFOR^*"}, ["2.25.1003001", "2.25.1003002"]),
        ({"PatientName": "Grün^J?rgen"}, ["2.25.1002001", "2.25.1002002"]),
        ({"StudyInstanceUID": ["2.25.1003002", ORDERED, "1.2.3"]}, [ORDERED, "2.25.1003002"]),
        ({"PatientID": "FF-1001", "StudyDate": "20240101-20251231"}, ["2.25.1001002", "2.25.1001003"]),
        ({"PatientID": "FF-1001", "StudyDate": "-20121231"}, ["2.25.1001005"]),
        ({"PatientID": "FF-1001", "ModalitiesInStudy": "MR"}, ["2.25.1001004"]),
        ({"PatientID": "FF-1001", "IssuerOfPatientID": "ELSEWHERE"}, []),
        ({"StudyDescription": "*Chest"}, ["2.25.1001005"]),
    ],
)
def test_studies_are_found_by_every_kind_of_matching(
    store: SimulatedArchive, keys: dict[str, Any], expected: list[str]
) -> None:
    status, found = find(store, "STUDY", **{"StudyInstanceUID": "", **keys})
    assert (status, uids(found)) == (0x0000, expected)


def test_all_modalities_of_a_study_are_named(viewer: SimulatedDestination) -> None:
    study = demo_studies()[0]
    mixed = replace(study, series=(*study.series, GeneratedSeries("SR", "Dose", 1, f"{ORDERED}.3")))
    with SimulatedArchive("ARCHIVE", [mixed], {}) as archive:
        _, (found,) = find(archive, "STUDY", StudyInstanceUID=ORDERED, ModalitiesInStudy="SR")
    assert list(found.ModalitiesInStudy) == ["CT", "SR"]


def test_series_are_found_with_modality_description_and_count(store: SimulatedArchive) -> None:
    status, found = find(
        store,
        "SERIES",
        StudyInstanceUID=ORDERED,
        SeriesInstanceUID="",
        Modality="",
        SeriesDescription="",
        NumberOfSeriesRelatedInstances=None,
    )
    told = [
        (it.SeriesInstanceUID, it.Modality, it.SeriesDescription, it.NumberOfSeriesRelatedInstances)
        for it in found
    ]
    assert status == 0x0000
    assert told == [(f"{ORDERED}.1", "CT", "Topogram", 1), (f"{ORDERED}.2", "CT", "Lung 1.0", 3)]


def test_images_are_found_below_their_series(store: SimulatedArchive) -> None:
    status, found = find(
        store, "IMAGE", StudyInstanceUID=ORDERED, SeriesInstanceUID=f"{ORDERED}.2", SOPInstanceUID=""
    )
    assert status == 0x0000
    assert uids(found, "SOPInstanceUID") == [f"{ORDERED}.2.{number}" for number in (1, 2, 3)]


def test_patient_root_finds_patients_and_below_them_studies(store: SimulatedArchive) -> None:
    model = PatientRootQueryRetrieveInformationModelFind
    _, patients = find(
        store, "PATIENT", model, PatientID="", PatientName="", NumberOfPatientRelatedStudies=None
    )
    _, studies = find(store, "STUDY", model, PatientID="FF-1003", StudyInstanceUID="")
    assert [(it.PatientID, str(it.PatientName), it.NumberOfPatientRelatedStudies) for it in patients] == [
        ("FF-1001", "Aalto^Mira", 5),
        ("FF-1002", "Grün^Jürgen", 2),
        ("FF-1003", "Okafor^Ada", 2),
    ]
    assert uids(studies) == ["2.25.1003001", "2.25.1003002"]


def test_nothing_found_is_success_without_a_match(store: SimulatedArchive) -> None:
    assert find(store, "STUDY", AccessionNumber="NONE") == (0x0000, [])


def test_a_query_that_does_not_fit_the_model_is_answered_with_a900(store: SimulatedArchive) -> None:
    assert find(store, "SERIES", SeriesInstanceUID="") == (0xA900, [])


def test_a_study_is_moved_whole(archive: SimulatedArchive, viewer: SimulatedDestination) -> None:
    response, failed = move(archive, "VIEWER", "STUDY", StudyInstanceUID=ORDERED)
    assert (response.Status, counters(response), failed) == (0x0000, (4, 0, 0), None)
    assert viewer.arrived(ORDERED) == viewer.arrived() == 4
    assert {(it.calling_ae_title, it.move_originator) for it in viewer.objects} == {("ARCHIVE", "TESTER")}


@pytest.mark.parametrize("study", demo_studies(), ids=lambda study: study.accession)
def test_every_demo_study_can_be_moved(
    archive: SimulatedArchive, viewer: SimulatedDestination, study: GeneratedStudy
) -> None:
    response, _ = move(archive, "VIEWER", "STUDY", StudyInstanceUID=study.study_uid)
    instances = sum(series.instances for series in study.series)
    assert (response.Status, counters(response)) == (0x0000, (instances, 0, 0))
    assert viewer.arrived(study.study_uid) == instances


def test_a_series_is_moved_alone(archive: SimulatedArchive, viewer: SimulatedDestination) -> None:
    response, _ = move(
        archive, "VIEWER", "SERIES", StudyInstanceUID=ORDERED, SeriesInstanceUID=f"{ORDERED}.1"
    )
    assert (response.Status, counters(response)) == (0x0000, (1, 0, 0))
    assert [it.series_uid for it in viewer.objects] == [f"{ORDERED}.1"]


def test_a_patient_is_moved_by_patient_root(archive: SimulatedArchive, viewer: SimulatedDestination) -> None:
    model = PatientRootQueryRetrieveInformationModelMove
    response, _ = move(archive, "VIEWER", "PATIENT", model, PatientID="FF-1002")
    assert counters(response) == (7, 0, 0)
    assert viewer.arrived("2.25.1002001") + viewer.arrived("2.25.1002002") == 7


def test_pending_responses_count_down(archive: SimulatedArchive) -> None:
    with associated(archive) as association:
        responses = association.send_c_move(
            identifier("STUDY", StudyInstanceUID=ORDERED),
            "VIEWER",
            StudyRootQueryRetrieveInformationModelMove,
        )
        pending = [response for response, _ in responses if response.Status == 0xFF00]
    assert [it.NumberOfRemainingSuboperations for it in pending] == [3, 2, 1, 0]


def test_an_unknown_destination_is_a801(archive: SimulatedArchive, viewer: SimulatedDestination) -> None:
    response, _ = move(archive, "NOWHERE", "STUDY", StudyInstanceUID=ORDERED)
    assert response.Status == 0xA801
    assert "NumberOfCompletedSuboperations" not in response
    assert viewer.associations == 0


def test_a_destination_that_is_down_is_a801(archive: SimulatedArchive, viewer: SimulatedDestination) -> None:
    viewer.stop()
    response, _ = move(archive, "VIEWER", "STUDY", StudyInstanceUID=ORDERED)
    assert response.Status == 0xA801


def test_a_move_of_nothing_is_success_with_counters_of_zero(
    archive: SimulatedArchive, viewer: SimulatedDestination
) -> None:
    response, _ = move(archive, "VIEWER", "STUDY", StudyInstanceUID="1.2.3")
    assert (response.Status, counters(response)) == (0x0000, (0, 0, 0))
    assert viewer.associations == 0


def test_a_move_without_a_study_is_a900_and_moves_nothing(
    archive: SimulatedArchive, viewer: SimulatedDestination
) -> None:
    response, _ = move(archive, "VIEWER", "SERIES", SeriesInstanceUID=f"{ORDERED}.1")
    assert response.Status == 0xA900
    assert viewer.objects == ()


def test_objects_that_the_destination_refuses_are_named(tmp_path: Path) -> None:
    not_a_folder = tmp_path / "file"
    not_a_folder.touch()
    with (
        SimulatedDestination("FULL", folder=not_a_folder) as full,
        SimulatedArchive("ARCHIVE", demo_studies(), {"FULL": full.address}) as archive,
    ):
        response, failed = move(archive, "FULL", "STUDY", StudyInstanceUID="2.25.1001003")
    assert (response.Status, counters(response)) == (0xA702, (0, 2, 0))
    assert failed is not None
    assert list(failed.FailedSOPInstanceUIDList) == ["2.25.1001003.1.1", "2.25.1001003.1.2"]


def test_what_was_asked_is_recorded(archive: SimulatedArchive) -> None:
    move(archive, "VIEWER", "STUDY", StudyInstanceUID=ORDERED, priority=1)
    move(archive, "NOWHERE", "SERIES", StudyInstanceUID="1.2", SeriesInstanceUID=["1.2.1", "1.2.2"])
    assert archive.moves == (
        MoveAsked("TESTER", "VIEWER", ORDERED, "", Priority.HIGH),
        MoveAsked("TESTER", "NOWHERE", "1.2", "1.2.1\\1.2.2", Priority.MEDIUM),
    )
    assert archive.associations == 2


def test_a_move_stops_when_it_is_canceled(viewer: SimulatedDestination) -> None:
    """The first object is held back until the C-CANCEL is on its way; 100 more give it time to arrive."""
    reached, canceled = threading.Event(), threading.Event()
    study = replace(
        demo_studies()[0], series=(GeneratedSeries("CT", "Many", 101, f"{ORDERED}.1"),), time=dt.time(8)
    )
    first, *rest = datasets(study)

    def read() -> Dataset:
        reached.set()
        assert canceled.wait(20)
        return first

    content: list[HeldObject | Dataset] = [hold(first, read), *rest]
    with (
        SimulatedArchive("ARCHIVE", content, {"VIEWER": viewer.address}) as archive,
        associated(archive) as association,
    ):
        model = StudyRootQueryRetrieveInformationModelMove
        responses = association.send_c_move(
            identifier("STUDY", StudyInstanceUID=ORDERED), "VIEWER", model, msg_id=7
        )
        assert reached.wait(20)
        association.send_c_cancel(7, query_model=model)
        canceled.set()
        final, _ = list(responses)[-1]
    assert final.Status == 0xFE00
    assert final.NumberOfRemainingSuboperations > 0
    assert viewer.arrived() == final.NumberOfCompletedSuboperations < 101


def test_sockets_are_set_to_send_at_once(archive: SimulatedArchive) -> None:
    with associated(archive) as association:
        assert association.send_c_echo().Status == 0x0000
        acceptors = [
            it
            for it in threading.enumerate()
            if isinstance(it, Association) and it.is_acceptor and it.ae.ae_title == "ARCHIVE"
        ]
        for acceptor in acceptors:
            connection = acceptor.dul.socket
            assert connection is not None
            assert connection.socket is not None
            assert connection.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert acceptors
