"""Faults of C-FIND, at an archive and at a destination; and what a destination says has arrived."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
)

from engine.errors import AssociationAborted, NodeError, NodeTimeout, QueryFailed
from engine.simulator import (
    Fault,
    QueryAsked,
    SimulatedArchive,
    SimulatedDestination,
    datasets,
    demo_studies,
)
from tests.dicom_peers import eventually

from . import associated, client, find, identifier

STUDY = "2.25.1001001"
PATIENT = "FF-1001"  # five studies
FIND = StudyRootQueryRetrieveInformationModelFind
SOON = 1.0


@contextmanager
def archive(*faults: str) -> Iterator[SimulatedArchive]:
    before = set(threading.enumerate())
    given = [Fault.parse(f"main: {fault}, on=find") for fault in faults]
    with SimulatedArchive("ARCHIVE", demo_studies(), {}, faults=given) as node:
        yield node
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("code", [0x0122, 0xA700, 0xA900, 0xB001, 0xC001, 0xFE00, 0x1234])
def test_any_code_is_the_only_response(code: int) -> None:
    with archive(f"status=0x{code:04X}, comment=Not now") as node, associated(node) as association:
        asked = identifier("STUDY", PatientID=PATIENT)
        ((status, found),) = list(association.send_c_find(asked, FIND))
        assert (status.Status, status.ErrorComment, found) == (code, "Not now", None)


def test_a_status_may_come_after_some_results() -> None:
    with archive("status=0xC001, after_responses=2") as node:
        status, found = find(node, "STUDY", PatientID=PATIENT, StudyInstanceUID="")
        assert (status, len(found)) == (0xC001, 2)


def test_an_archive_may_find_nothing() -> None:
    with archive("empty") as node:
        assert find(node, "STUDY", PatientID=PATIENT) == (0x0000, [])


def test_a_fault_of_one_study_leaves_the_query_for_another_alone() -> None:
    with archive(f"empty, study={STUDY}") as node:
        assert len(find(node, "SERIES", StudyInstanceUID="2.25.1001003", SeriesInstanceUID="")[1]) == 1
        assert find(node, "SERIES", StudyInstanceUID=STUDY, SeriesInstanceUID="") == (0x0000, [])


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        ("status=0xA700", QueryFailed, "C-FIND ended with status 0xA700"),
        ("abort", AssociationAborted, "A-ABORT"),
        ("close, after_responses=1", AssociationAborted, "closed the connection"),
        ("silence", NodeTimeout, "no response to C-FIND"),
        ("silence, after_responses=2", NodeTimeout, "no response to C-FIND"),
        ("stall, after_responses=1", NodeTimeout, "no response to C-FIND"),
        ("delay=60m", NodeTimeout, "no response to C-FIND"),
    ],
)
def test_forefetch_says_what_has_befallen_its_query(fault: str, error: type[NodeError], text: str) -> None:
    with archive(fault) as node:
        with client(node, dimse=SOON) as asking, pytest.raises(error, match=text):
            asking.find_studies(patient_id=PATIENT)
        with client(node) as asking:
            assert len(asking.find_studies(patient_id=PATIENT)) == 5


@pytest.mark.parametrize("after", ["", ", after_responses=1"])
def test_results_for_ever_end_with_a_cancel(after: str) -> None:
    with archive(f"endless, delay=20ms{after}") as node, associated(node) as association:
        asked = identifier("STUDY", PatientID=PATIENT, StudyInstanceUID="")
        received = association.send_c_find(asked, FIND, msg_id=7)
        found = [next(received) for _ in range(4)]
        assert [status.Status for status, _ in found] == [0xFF00] * 4
        assert {it.PatientID for _, it in found if it is not None} == {PATIENT}
        association.send_c_cancel(7, query_model=FIND)
        assert list(received)[-1][0].Status == 0xFE00


@pytest.mark.parametrize(
    ("faults", "canceled", "results"),
    [((), False, 5), (("endless, delay=20ms, after_responses=2",), True, 2), (("empty",), False, 0)],
)
def test_what_was_asked_is_recorded_and_whether_a_cancel_came(
    faults: tuple[str, ...], canceled: bool, results: int
) -> None:
    with archive(*faults) as node, associated(node) as association:
        asked = identifier("STUDY", PatientID=PATIENT, StudyInstanceUID="")
        for number, _ in enumerate(association.send_c_find(asked, FIND, msg_id=7)):
            if canceled and number == results:
                association.send_c_cancel(7, query_model=FIND)
        assert eventually(lambda: len(node.queries) == 1)
        keys = {"PatientID": PATIENT, "SpecificCharacterSet": "ISO_IR 192"}
        assert node.queries == (QueryAsked("TESTER", "STUDY", keys, results, canceled),)


def test_a_cancel_that_is_ignored_is_recorded_too() -> None:
    with archive("ignore-cancel", "delay=50ms") as node, associated(node) as association:
        asked = identifier("STUDY", PatientID=PATIENT, StudyInstanceUID="")
        received = association.send_c_find(asked, FIND, msg_id=7)
        next(received)
        association.send_c_cancel(7, query_model=FIND)
        assert list(received)[-1][0].Status == 0x0000
        assert eventually(lambda: len(node.queries) == 1)
        assert (node.queries[0].results, node.queries[0].canceled) == (5, True)


def test_results_for_ever_are_ended_by_forefetch_when_the_total_time_is_over() -> None:
    late = pytest.raises(NodeTimeout, match="not finished")
    with archive("endless, delay=20ms") as node, client(node, total=SOON) as asking, late:
        asking.find_studies(patient_id=PATIENT)


@pytest.fixture
def viewer() -> Iterator[SimulatedDestination]:
    with SimulatedDestination("VIEWER") as node:
        yield node


def store(node: SimulatedDestination, *objects: Dataset) -> None:
    with associated(node, CTImageStorage) as association:
        assert [association.send_c_store(it).Status for it in objects] == [0x0000] * len(objects)


def test_a_destination_tells_what_has_arrived_of_a_study(viewer: SimulatedDestination) -> None:
    objects = list(datasets(demo_studies()[0]))
    with client(viewer) as asking:
        assert asking.find_studies(study_uid=STUDY) == []
        store(viewer, *objects[:3])
        (study,) = asking.find_studies(study_uid=STUDY)
        series = asking.find_series(STUDY)
    assert (study.instances, study.patient_id, study.accession) == (3, PATIENT, "A1001-1")
    assert [(it.series_uid, it.instances) for it in series] == [(f"{STUDY}.1", 1), (f"{STUDY}.2", 2)]


def test_an_object_that_came_twice_is_counted_once(viewer: SimulatedDestination) -> None:
    first = next(datasets(demo_studies()[0]))
    store(viewer, first, first)
    with client(viewer) as asking:
        assert [it.instances for it in asking.find_studies(study_uid=STUDY)] == [1]


def test_a_destination_tells_of_images_too(viewer: SimulatedDestination) -> None:
    store(viewer, *datasets(demo_studies()[0]))
    with associated(viewer, FIND) as association:
        asked = identifier("IMAGE", StudyInstanceUID=STUDY, SeriesInstanceUID=f"{STUDY}.2", SOPInstanceUID="")
        found = [it.SOPInstanceUID for _, it in association.send_c_find(asked, FIND) if it is not None]
    assert found == [f"{STUDY}.2.{number}" for number in (1, 2, 3)]


def test_the_query_of_a_destination_has_faults_too() -> None:
    faults = [Fault.parse("viewer: status=0xC001, on=find"), Fault.parse("viewer: empty, on=find")]
    with SimulatedDestination("VIEWER", faults=faults) as node, client(node) as asking:
        store(node, *datasets(demo_studies()[0]))
        with pytest.raises(QueryFailed):
            asking.find_studies(study_uid=STUDY)
        assert asking.find_studies(study_uid=STUDY) == []
        assert len(asking.find_studies(study_uid=STUDY)) == 1
