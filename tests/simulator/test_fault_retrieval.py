"""Faults of C-MOVE at an archive: what comes over the wire, and what Forefetch makes of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove,
)

from engine.errors import AssociationAborted, NodeError, NodeTimeout
from engine.retrieve.outcome import Cause, SubOperations, judge
from engine.simulator import Fault, SimulatedArchive, SimulatedDestination, datasets, demo_studies
from engine.simulator.catalogue import hold

from . import associated, client, counters, identifier, request, responses

STUDY = "2.25.1001001"  # four objects
MOVE = StudyRootQueryRetrieveInformationModelMove
SOON = 1.0


@contextmanager
def nodes(*faults: str, content: Any = None) -> Iterator[tuple[SimulatedArchive, SimulatedDestination]]:
    """An archive with these faults and a destination without; no thread may be left over."""
    before = set(threading.enumerate())
    with (
        SimulatedDestination("VIEWER") as viewer,
        SimulatedArchive(
            "ARCHIVE",
            content or demo_studies(),
            {"VIEWER": viewer.address},
            faults=[Fault.parse(f"main: {fault}") for fault in faults],
        ) as archive,
    ):
        yield archive, viewer
    assert set(threading.enumerate()) <= before


def until(condition: Callable[[], bool]) -> None:
    """Wait for what no event tells of."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def statuses(received: list[tuple[Dataset, Dataset | None]]) -> list[int]:
    return [status.Status for status, _ in received]


@pytest.mark.parametrize(
    "code", [0x0000, 0x0122, 0xA701, 0xA702, 0xA801, 0xA900, 0xB000, 0xC123, 0xFE00, 0x1234]
)
def test_any_code_is_the_final_status_and_nothing_is_sent(code: int) -> None:
    with nodes(f"status=0x{code:04X}, comment=Disk full") as (archive, viewer):
        ((status, failed),) = responses(archive, "VIEWER", STUDY)
        assert status.Status == code
        assert status.ErrorComment == "Disk full"
        assert "NumberOfCompletedSuboperations" not in status
        assert not failed
        assert viewer.associations == 0
        assert archive.faults.fired == archive.faults.faults


def test_a_failure_may_state_counters_and_the_objects_that_failed() -> None:
    stated = "completed=1, failed=2, warning=3, remaining=4, failed_instances=1.2.3 1.2.4"
    with nodes(f"status=0xA702, {stated}") as (archive, _):
        ((status, failed),) = responses(archive, "VIEWER", STUDY)
    assert counters(status) == (1, 2, 3)
    assert status.NumberOfRemainingSuboperations == 4
    assert failed is not None
    assert list(failed.FailedSOPInstanceUIDList) == ["1.2.3", "1.2.4"]


def test_a_failure_in_the_middle_counts_what_was_sent_and_fails_the_rest() -> None:
    with nodes("status=0xA702, after_objects=3") as (archive, viewer):
        *pending, (status, _) = responses(archive, "VIEWER", STUDY)
        assert statuses(pending) == [0xFF00] * 2
        assert (status.Status, counters(status)) == (0xA702, (3, 1, 0))
        assert viewer.arrived(STUDY) == 3


def test_a_failure_after_the_last_object_comes_when_all_is_there() -> None:
    with nodes("status=0xB000, after_objects=99") as (archive, viewer):
        received = responses(archive, "VIEWER", STUDY)
        assert statuses(received) == [0xFF00] * 4 + [0xB000]
        assert viewer.arrived(STUDY) == 4


def test_success_of_nothing_has_counters_of_zero() -> None:
    with nodes("empty") as (archive, viewer):
        ((status, _),) = responses(archive, "VIEWER", STUDY)
        assert (status.Status, counters(status)) == (0x0000, (0, 0, 0))
        assert viewer.associations == 0


def test_counters_can_be_left_out_of_every_response() -> None:
    with nodes("counters, leave_out=all") as (archive, viewer):
        received = responses(archive, "VIEWER", STUDY)
        assert statuses(received) == [0xFF00] * 4 + [0x0000]
        assert not [it for status, _ in received for it in status if "Suboperations" in it.keyword]
        assert viewer.arrived(STUDY) == 4


def test_counters_can_be_left_out_of_the_final_response_only() -> None:
    with nodes("counters, leave_out=final") as (archive, _):
        *pending, (final, _) = responses(archive, "VIEWER", STUDY)
    assert [it.NumberOfCompletedSuboperations for it, _ in pending] == [1, 2, 3, 4]
    assert not [it for it in final if "Suboperations" in it.keyword]


def test_counters_can_be_wrong() -> None:
    with nodes("counters, completed=7, failed=2, remaining=1") as (archive, viewer):
        final, _ = responses(archive, "VIEWER", STUDY)[-1]
        assert (final.Status, counters(final)) == (0x0000, (7, 2, 0))
        assert final.NumberOfRemainingSuboperations == 1
        assert viewer.arrived(STUDY) == 4


@pytest.mark.parametrize(("fault", "missing"), [("drop, object=3", {3}), ("drop", {1, 2, 3, 4})])
def test_a_dropped_object_is_counted_and_never_sent(fault: str, missing: set[int]) -> None:
    uids = [dataset.SOPInstanceUID for dataset in datasets(demo_studies()[0])]
    with nodes(fault) as (archive, viewer):
        final, failed = responses(archive, "VIEWER", STUDY)[-1]
        assert (final.Status, counters(final), failed) == (0x0000, (4, 0, 0), None)
        assert {it.sop_instance_uid for it in viewer.objects} == {
            uid for number, uid in enumerate(uids, 1) if number not in missing
        }


@pytest.mark.parametrize("how", ["abort", "close"])
@pytest.mark.parametrize(("after", "pending"), [("", 0), ("after_objects=2", 1), ("after_responses=2", 2)])
def test_the_association_ends_at_the_point_that_is_asked_for(how: str, after: str, pending: int) -> None:
    counted: list[SubOperations] = []
    with nodes(f"{how}, {after}".rstrip(", ")) as (archive, viewer):
        with client(archive) as asking, pytest.raises(AssociationAborted) as caught:
            asking.move(STUDY, "VIEWER", progress=counted.append)
        assert ("A-ABORT" if how == "abort" else "closed the connection") in str(caught.value)
        assert len(counted) == pending
        assert viewer.arrived(STUDY) == (2 if after else 0)


@pytest.mark.parametrize("kind", ["silence", "stall"])
@pytest.mark.parametrize(
    ("after", "pending"), [("", 0), (", after_objects=2", 1), (", after_responses=3", 3)]
)
def test_silence_begins_at_the_point_that_is_asked_for(kind: str, after: str, pending: int) -> None:
    counted: list[SubOperations] = []
    with nodes(f"{kind}{after}") as (archive, _):
        with client(archive, dimse=SOON) as asking, pytest.raises(NodeTimeout, match="no response to C-MOVE"):
            asking.move(STUDY, "VIEWER", progress=counted.append)
        assert len(counted) == pending
        with client(archive) as asking:
            assert asking.move(STUDY, "VIEWER").status == 0x0000


def test_pending_for_ever_ends_with_a_cancel() -> None:
    with (
        nodes("endless, delay=20ms, after_responses=1") as (archive, viewer),
        associated(archive) as association,
    ):
        received = association.send_c_move(
            identifier("STUDY", StudyInstanceUID=STUDY), "VIEWER", MOVE, msg_id=7
        )
        first = [next(received)[0] for _ in range(5)]
        association.send_c_cancel(7, query_model=MOVE)
        final = list(received)[-1][0]
        assert [it.NumberOfRemainingSuboperations for it in first] == [3] * 5
        assert (final.Status, final.NumberOfRemainingSuboperations) == (0xFE00, 3)
        assert viewer.arrived(STUDY) == 1


def test_pending_for_ever_is_ended_by_forefetch_when_the_total_time_is_over() -> None:
    late = pytest.raises(NodeTimeout, match=r"not finished after 1 s in all")
    with nodes("endless, delay=20ms") as (archive, _), client(archive, total=SOON) as asking, late:
        asking.move(STUDY, "VIEWER")


def test_a_cancel_that_is_ignored_changes_nothing() -> None:
    """The second object is held back until the C-CANCEL is there for certain."""
    reached, canceled = threading.Event(), threading.Event()
    first, second, *rest = datasets(demo_studies()[0])

    def read() -> Dataset:
        reached.set()
        assert canceled.wait(20)
        return second

    content = [first, hold(second, read), *rest]
    with nodes("ignore-cancel", content=content) as (archive, viewer), associated(archive) as association:
        received = association.send_c_move(
            identifier("STUDY", StudyInstanceUID=STUDY), "VIEWER", MOVE, msg_id=7
        )
        assert reached.wait(20)
        association.send_c_cancel(7, query_model=MOVE)
        (acceptor,) = (it for it in archive._ae.active_associations if it.is_acceptor)
        until(lambda: 7 in acceptor.dimse.cancel_req)
        canceled.set()
        final, _ = list(received)[-1]
        assert (final.Status, counters(final)) == (0x0000, (4, 0, 0))
        assert viewer.arrived(STUDY) == 4


def test_forefetch_aborts_an_archive_that_ignores_its_cancel() -> None:
    with nodes("endless, delay=20ms", "ignore-cancel") as (archive, _), client(archive, grace=SOON) as asking:
        canceled = threading.Event()
        with pytest.raises(AssociationAborted, match=r"went on for 1 s after C-CANCEL"):
            asking.move(STUDY, "VIEWER", progress=lambda _: canceled.set(), canceled=canceled)


def test_a_delay_comes_before_each_object_and_a_cancel_does_not_wait_for_it() -> None:
    with nodes("delay=60m") as (archive, viewer), associated(archive) as association:
        received = association.send_c_move(
            identifier("STUDY", StudyInstanceUID=STUDY), "VIEWER", MOVE, msg_id=7
        )
        assert archive.faults.wait_for(1, 20)
        association.send_c_cancel(7, query_model=MOVE)
        final, _ = list(received)[-1]
        assert (final.Status, final.NumberOfRemainingSuboperations) == (0xFE00, 4)
        assert viewer.arrived(STUDY) == 0


def test_a_short_delay_only_takes_time() -> None:
    with nodes("delay=10ms") as (archive, viewer):
        final, _ = responses(archive, "VIEWER", STUDY)[-1]
        assert (final.Status, counters(final), viewer.arrived(STUDY)) == (0x0000, (4, 0, 0), 4)


def test_success_comes_before_the_objects() -> None:
    """They are held back until the association has been released."""
    released = threading.Event()
    first, *rest = datasets(demo_studies()[0])

    def read() -> Dataset:
        assert released.wait(20)
        return first

    with nodes("answer-first", content=[hold(first, read), *rest]) as (archive, viewer):
        ((final, _),) = responses(archive, "VIEWER", STUDY)
        assert (final.Status, counters(final)) == (0x0000, (4, 0, 0))
        assert viewer.arrived(STUDY) == 0
        released.set()
        assert viewer.wait_for(4, 20, STUDY)
        assert {it.move_originator for it in viewer.objects} == {"TESTER"}


def test_an_archive_that_answers_first_for_nothing_answers_once() -> None:
    with nodes("answer-first") as (archive, viewer):
        ((final, _),) = responses(archive, "VIEWER", "1.2.3")
        assert (final.Status, counters(final), viewer.associations) == (0x0000, (0, 0, 0), 0)


def test_an_archive_that_has_answered_first_can_be_stopped_before_it_sends() -> None:
    with nodes("answer-first", "delay=60m") as (archive, viewer):
        assert responses(archive, "VIEWER", STUDY)[-1][0].Status == 0x0000
        archive.stop()
        assert viewer.arrived(STUDY) == 0


@pytest.mark.parametrize(
    "fault", ["endless, delay=20ms", "silence", "delay=60m", "stall", "silence, after_objects=1"]
)
def test_an_archive_that_does_not_finish_can_be_stopped(fault: str) -> None:
    with nodes(fault) as (archive, _):
        association = request(archive)
        received = association.send_c_move(identifier("STUDY", StudyInstanceUID=STUDY), "VIEWER", MOVE)
        assert archive.faults.wait_for(1, 20)
        archive.stop()
        assert "Status" not in list(received)[-1][0]
        association.join(20)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("status=0xA702", Cause.CANNOT_PERFORM),
        ("status=0xA801", Cause.DESTINATION_UNKNOWN),
        ("status=0xC000, comment=No", Cause.UNABLE_TO_PROCESS),
        ("status=0x0124", Cause.NOT_AUTHORIZED),
        ("status=0x1234", Cause.OTHER_STATUS),
        ("status=0xB000, completed=3, failed=1", Cause.SOME_FAILED),
        ("status=0x0000", Cause.UNCOUNTED),
        ("empty", Cause.NOTHING_MOVED),
        ("counters, leave_out=all", Cause.UNCOUNTED),
        ("counters, leave_out=final", Cause.ARRIVED),
        ("counters, failed=1", Cause.SOME_FAILED),
        ("counters, remaining=1", Cause.SOME_FAILED),
        ("drop", Cause.ARRIVED),
        ("answer-first", Cause.ARRIVED),
    ],
)
def test_forefetch_judges_what_it_is_told(fault: str, cause: Cause) -> None:
    with nodes(fault) as (archive, _), client(archive) as asking:
        assert judge(asking.move(STUDY, "VIEWER")).cause is cause


def test_a_fault_of_one_study_and_one_destination_leaves_the_others_alone() -> None:
    fault = f"status=0xA702, study={STUDY}, destination=OTHER, times=always"
    with nodes(fault) as (archive, _), client(archive) as asking:
        assert asking.move(STUDY, "VIEWER").status == 0x0000
        assert asking.move("2.25.1001003", "VIEWER").status == 0x0000
        assert asking.move("2.25.1001003", "OTHER").status == 0xA801
        assert asking.move(STUDY, "OTHER").status == 0xA702


def test_what_succeeds_on_the_third_attempt() -> None:
    with nodes("status=0xA702", "abort, after_objects=1") as (archive, viewer), client(archive) as asking:
        assert asking.move(STUDY, "VIEWER").status == 0xA702
        with pytest.raises(NodeError):
            asking.move(STUDY, "VIEWER")
        assert asking.move(STUDY, "VIEWER").status == 0x0000
        assert viewer.arrived(STUDY) == 4
        assert len(archive.moves) == 3
