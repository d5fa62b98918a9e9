"""Faults of C-STORE at a destination, seen by who stores and by who has a study moved there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from engine.retrieve.outcome import Cause, judge
from engine.simulator import Fault, SimulatedArchive, SimulatedDestination, datasets, demo_studies

from . import associated, client, counters, request, responses

STUDY = "2.25.1001001"  # four objects
SOON = 0.5


@contextmanager
def destination(*faults: str) -> Iterator[SimulatedDestination]:
    before = set(threading.enumerate())
    with SimulatedDestination("VIEWER", faults=[Fault.parse(f"viewer: {fault}") for fault in faults]) as node:
        yield node
    assert set(threading.enumerate()) <= before


@contextmanager
def archive(of: SimulatedDestination) -> Iterator[SimulatedArchive]:
    with SimulatedArchive("ARCHIVE", demo_studies(), {"VIEWER": of.address}) as node:
        yield node


def objects() -> list[Dataset]:
    return list(datasets(demo_studies()[0]))


def stored(association: Association, *sent: Dataset) -> list[int | None]:
    """The status of each C-STORE, None where there was no answer."""
    return [association.send_c_store(it).get("Status") for it in sent]


def threads_of(node: SimulatedArchive) -> list[threading.Thread]:
    """Its associations, the threads that serve their connections, and what sends late."""
    return [
        it
        for it in threading.enumerate()
        if getattr(getattr(it, "assoc", it), "ae", None) is node._ae or it.name.startswith(node.ae_title)
    ]


@pytest.mark.parametrize("code", [0x0117, 0x0122, 0xA700, 0xA900, 0xB000, 0xC000, 0x1234])
def test_any_code_refuses_an_object(code: int) -> None:
    with destination(f"status=0x{code:04X}, comment=No room") as viewer:
        with associated(viewer, CTImageStorage) as association:
            answer = association.send_c_store(objects()[0])
        assert (answer.Status, answer.ErrorComment) == (code, "No room")
        assert viewer.arrived() == 0


def test_only_the_third_object_fails() -> None:
    with destination("status=0xC000, after=2") as viewer, associated(viewer, CTImageStorage) as association:
        assert stored(association, *objects()) == [0, 0, 0xC000, 0]
        assert viewer.arrived() == 3


def test_a_duplicate_is_refused_and_the_first_is_not() -> None:
    with destination("duplicate, times=always") as viewer, associated(viewer, CTImageStorage) as association:
        first, second, *_ = objects()
        assert stored(association, first, second, first, second) == [0, 0, 0x0111, 0x0111]
        assert len(viewer.objects) == 2


def test_a_duplicate_may_get_another_status() -> None:
    with (
        destination("duplicate, status=0xB007") as viewer,
        associated(viewer, CTImageStorage) as association,
    ):
        first = objects()[0]
        assert stored(association, first, first, first) == [0, 0xB007, 0]


def test_a_dropped_object_is_answered_with_success_and_never_there() -> None:
    with destination("drop, object=3") as viewer, associated(viewer, CTImageStorage) as association:
        assert stored(association, *objects()) == [0, 0, 0, 0]
        assert [it.sop_instance_uid for it in viewer.objects] == [
            f"{STUDY}.1.1",
            f"{STUDY}.2.1",
            f"{STUDY}.2.3",
        ]
        with client(viewer) as asking:
            assert [it.instances for it in asking.find_studies(study_uid=STUDY)] == [3]


def test_a_fault_of_one_study_leaves_the_others_alone() -> None:
    other = next(datasets(demo_studies()[1]))
    with (
        destination(f"status=0xA700, study={STUDY}, times=always") as viewer,
        associated(viewer, CTImageStorage) as association,
    ):
        assert stored(association, *objects()[:2], other) == [0xA700, 0xA700, 0]


@pytest.mark.parametrize("fault", ["abort, after=2", "close, after=2"])
def test_the_association_ends_after_two_objects(fault: str) -> None:
    with destination(fault) as viewer:
        association = request(viewer, CTImageStorage)
        assert stored(association, *objects()[:3]) == [0, 0, None]
        association.join(20)
        assert association.is_aborted
        assert viewer.arrived() == 2


@pytest.mark.parametrize("fault", ["abort", "close"])
def test_an_object_may_be_kept_and_not_be_answered(fault: str) -> None:
    with destination(f"{fault}, after_objects=1") as viewer:
        association = request(viewer, CTImageStorage)
        assert stored(association, objects()[0]) == [None]
        association.join(20)
        assert viewer.arrived() == 1


@pytest.mark.parametrize("fault", ["silence", "stall", "delay=60m"])
def test_an_object_may_get_no_answer(fault: str) -> None:
    with destination(fault) as viewer:
        association = request(viewer, CTImageStorage)
        association.dimse_timeout = SOON
        connection = association.dul.socket
        assert connection is not None
        assert connection.socket is not None
        connection.socket.settimeout(SOON)  # or pynetdicom waits for the rest of a PDU for ever
        assert stored(association, objects()[0]) == [None]
        association.join(20)
        assert viewer.faults.fired == viewer.faults.faults
        assert viewer.arrived() == 0


def test_a_slow_destination_takes_everything_in_the_end() -> None:
    with destination("delay=20ms, times=always") as viewer, archive(viewer) as node:
        final, _ = responses(node, "VIEWER", STUDY)[-1]
        assert (final.Status, counters(final), viewer.arrived()) == (0x0000, (4, 0, 0), 4)
        assert len(viewer.faults.fired) == 4


@pytest.mark.parametrize(
    ("fault", "status", "counted", "cause"),
    [
        ("status=0xA700, times=always", 0xA702, (0, 4, 0), Cause.CANNOT_PERFORM),
        ("status=0xC000, after=1", 0xB000, (3, 1, 0), Cause.SOME_FAILED),
        ("status=0xB007, times=always", 0xB000, (0, 0, 4), Cause.STORED_WITH_WARNINGS),
        ("abort, after=2", 0xB000, (2, 2, 0), Cause.SOME_FAILED),
        ("close, after=2", 0xB000, (2, 2, 0), Cause.SOME_FAILED),
        ("reject", 0xA801, None, Cause.DESTINATION_UNKNOWN),
        ("abort, on=association", 0xA801, None, Cause.DESTINATION_UNKNOWN),
        ("close, on=association", 0xA801, None, Cause.DESTINATION_UNKNOWN),
        ("drop, object=2", 0x0000, (4, 0, 0), Cause.ARRIVED),
    ],
)
def test_an_archive_passes_on_what_befell_it_at_the_destination(
    fault: str, status: int, counted: tuple[int, int, int] | None, cause: Cause
) -> None:
    with destination(fault) as viewer, archive(viewer) as node, client(node) as asking:
        response = asking.move(STUDY, "VIEWER")
        assert response.status == status
        count = response.counters
        if counted is None:
            assert not count.stated
        else:
            assert (count.completed, count.failed, count.warning) == counted
            assert len(response.failed_instances) == count.failed
        assert judge(response).cause is cause
        assert viewer.faults.fired


def test_a_destination_that_refuses_duplicates_fails_the_second_retrieve() -> None:
    with destination("duplicate, times=always") as viewer, archive(viewer) as node, client(node) as asking:
        assert asking.move(STUDY, "VIEWER").status == 0x0000
        again = asking.move(STUDY, "VIEWER")
        assert (again.status, again.counters.failed) == (0xA702, 4)


@pytest.mark.parametrize("fault", ["silence", "silence, on=association", "delay=60m, on=association"])
def test_an_archive_can_be_stopped_while_its_destination_is_silent(fault: str) -> None:
    with destination(fault) as viewer:
        with archive(viewer) as node:
            received: list[object] = []
            asking = threading.Thread(target=lambda: received.extend(responses(node, "VIEWER", STUDY)))
            asking.start()
            assert viewer.faults.wait_for(1, 20)
            node.stop()
            assert not threads_of(node)
            asking.join(20)
        assert len(received) == 1


@pytest.mark.parametrize("fault", ["silence, on=association", "silence"])
def test_an_archive_that_sends_late_can_be_stopped_while_its_destination_is_silent(fault: str) -> None:
    late = [Fault.parse("main: answer-first")]
    with (
        destination(fault) as viewer,
        SimulatedArchive("ARCHIVE", demo_studies(), {"VIEWER": viewer.address}, faults=late) as node,
    ):
        assert len(responses(node, "VIEWER", STUDY)) == 1
        assert viewer.faults.wait_for(1, 20)
        node.stop()
        assert not threads_of(node)
