"""DCMTK's SCUs against a simulator with faults: a foreign implementation sees what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.simulator import Fault, SimulatedArchive, SimulatedDestination, datasets
from tests.peers.dcmtk import scu
from tests.peers.studies import OBJECTS, ORDERED, PATIENT, PRIOR_CT, STUDIES

pytestmark = pytest.mark.peers

OBJECTS_MOVED = OBJECTS[PRIOR_CT]
PATIENCE = ["-td", "1"]  # s of silence


@contextmanager
def nodes(*faults: str) -> Iterator[tuple[SimulatedArchive, SimulatedDestination]]:
    given = [Fault.parse(f"archive: {fault}") for fault in faults]
    with (
        SimulatedDestination("READING") as reading,
        SimulatedArchive("ARCHIVE", STUDIES, {"READING": reading.address}, faults=given) as archive,
    ):
        yield archive, reading


def move(archive: SimulatedArchive, *options: str) -> str:
    """What ``movescu`` prints of a study that is moved."""
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={PRIOR_CT}"]
    port = archive.address[1]
    result = scu("movescu", "ARCHIVE", port, "-S", "-d", *PATIENCE, *options, "-aem", "READING", *keys)
    return result.stdout.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("fault", "seen", "arrived"),
    [
        ("reject", "Reason: Local Limit Exceeded", 0),
        ("reject=calling-ae-title", "Reason: Calling AE Title Not Recognized", 0),
        ("abort, on=association", "Peer aborted Association", 0),
        ("status=0xA702, comment=No room", "[No room]", 0),
        ("status=0xA702", "0xa702: Refused: Out of resources", 0),
        ("status=0xC123", "0xc123: Failed: Unable to process", 0),
        ("status=0xB000, after_objects=1", "0xb000: Warning", 1),
        ("abort, after_objects=2", "Peer aborted Association", 2),
        ("close, after_responses=2", "Peer aborted Association", 2),
        ("silence, after_objects=1", "timeout in non-blocking mode", 1),
        ("counters, completed=99", "Completed Suboperations       : 99", OBJECTS_MOVED),
        ("drop, object=2", f"Completed Suboperations       : {OBJECTS_MOVED}", OBJECTS_MOVED - 1),
        ("empty", "Completed Suboperations       : 0", 0),
    ],
)
def test_movescu_sees_the_fault(fault: str, seen: str, arrived: int) -> None:
    with nodes(fault) as (archive, reading):
        assert seen in move(archive)
        assert reading.arrived() == arrived
        assert archive.faults.fired == archive.faults.faults


def test_movescu_sees_no_counters_where_they_are_left_out() -> None:
    with nodes("counters, leave_out=all") as (archive, reading):
        output = move(archive)
        assert output.count("Completed Suboperations       : none") == OBJECTS_MOVED + 1
        assert reading.arrived() == OBJECTS_MOVED


def test_movescu_can_cancel_what_is_pending_for_ever() -> None:
    with nodes("endless, delay=50ms") as (archive, _):
        assert "0xfe00: Cancel" in move(archive, "--cancel", "3")


@pytest.mark.parametrize(
    ("fault", "seen"),
    [
        ("status=0xA700, on=find, after_responses=1", "0xa700: Refused: Out of resources"),
        ("abort, on=find", "Peer aborted Association"),
        ("silence, on=find", "timeout in non-blocking mode"),
    ],
)
def test_findscu_sees_the_fault(fault: str, seen: str) -> None:
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"PatientID={PATIENT}", "-k", "StudyInstanceUID"]
    with nodes(fault) as (archive, _):
        result = scu("findscu", "ARCHIVE", archive.address[1], "-S", "-d", *PATIENCE, *keys)
    assert seen in result.stdout.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("fault", "seen", "arrived"),
    [
        ("status=0xA700, after=1", "0xa700: Refused: Out of resources", OBJECTS[ORDERED] - 1),
        ("duplicate", "0x0111", OBJECTS[ORDERED]),
        ("abort, after=2", "Peer aborted Association", 2),
        ("reject", "Reason: Local Limit Exceeded", 0),
    ],
)
def test_storescu_sees_the_fault(fault: str, seen: str, arrived: int, tmp_path: Path) -> None:
    (study,) = (it for it in STUDIES if it.study_uid == ORDERED)
    files = []
    for dataset in datasets(study):
        files.append(tmp_path / f"{dataset.SOPInstanceUID}.dcm")
        dataset.save_as(files[-1], enforce_file_format=True)
    with SimulatedDestination("READING", faults=[Fault.parse(f"reading: {fault}")]) as reading:
        # -nh: go on after a refusal; the first object once more, for who refuses duplicates
        port = reading.address[1]
        result = scu("storescu", "READING", port, "-d", "-nh", files=[*files, files[0]])
        assert seen in result.stdout.decode("utf-8", "replace")
        assert reading.arrived() == arrived


def test_findscu_asks_a_destination_what_it_has() -> None:
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={PRIOR_CT}"]
    count = "NumberOfStudyRelatedInstances"
    with nodes() as (archive, reading):
        move(archive)
        result = scu("findscu", "READING", reading.address[1], "-S", *keys, "-k", count)
    (line,) = (it for it in result.stdout.decode().splitlines() if count in it and "IS [" in it)
    assert f"IS [{OBJECTS_MOVED}" in line
