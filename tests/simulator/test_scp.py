from __future__ import annotations

import socket
import threading

import pytest
from pynetdicom.events import Event
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from engine.errors import ForefetchError, IdentifierError, NodeError
from engine.simulator import SimulatedArchive, SimulatedDestination, demo_studies

from . import associated, identifier, request


def test_starting_and_stopping_many_times_leaves_no_thread_and_keeps_the_port() -> None:
    before = set(threading.enumerate())
    node = SimulatedDestination("VIEWER")
    addresses = set()
    for _ in range(10):
        with node, associated(node, Verification) as association:
            addresses.add(node.address)
            assert association.send_c_echo().Status == 0x0000
    assert set(threading.enumerate()) <= before
    assert len(addresses) == 1
    assert node.associations == 10


def test_starting_twice_and_stopping_twice_is_doing_it_once() -> None:
    node = SimulatedDestination("VIEWER").start()
    address = node.address
    assert node.start().address == address
    node.stop()
    node.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)


def test_there_is_no_address_before_the_first_start() -> None:
    with pytest.raises(ForefetchError, match="start it first"):
        _ = SimulatedDestination("VIEWER").address


def test_an_ae_title_that_dicom_does_not_allow_is_refused() -> None:
    with pytest.raises(IdentifierError):
        SimulatedDestination("SEVENTEEN LETTERS")
    with pytest.raises(IdentifierError):
        SimulatedArchive("ARCHIVE", [], {"": ("127.0.0.1", 104)})


def test_a_port_that_is_taken_is_an_error_that_says_so() -> None:
    with SimulatedDestination("VIEWER") as node:
        second = SimulatedDestination("SECOND", port=node.address[1])
        with pytest.raises(NodeError, match="SECOND: cannot listen on 127") as caught:
            second.start()
    assert isinstance(caught.value.__cause__, OSError)


def test_stopping_cuts_a_connection_that_never_asked_for_an_association() -> None:
    before = set(threading.enumerate())
    node = SimulatedDestination("VIEWER").start()
    with socket.create_connection(node.address, timeout=20) as connection:
        with associated(node, Verification) as association:  # so the connection before it was accepted too
            assert association.send_c_echo().Status == 0x0000
        node.stop()
        assert connection.recv(1) == b""
    assert set(threading.enumerate()) <= before


def test_stopping_cuts_an_idle_association() -> None:
    node = SimulatedDestination("VIEWER").start()
    association = request(node, Verification)
    assert association.send_c_echo().Status == 0x0000
    node.stop()
    association.join(20)
    assert association.is_aborted


class Stuck(SimulatedDestination):
    """Takes the first object and does not answer."""

    def __init__(self) -> None:
        super().__init__("STUCK")
        self.reached = threading.Event()
        self.released = threading.Event()

    def _store(self, event: Event) -> int:
        self.reached.set()
        self.released.wait(20)
        return super()._store(event)


def test_stopping_an_archive_in_the_middle_of_a_move_ends_its_threads() -> None:
    before = set(threading.enumerate())
    with Stuck() as stuck:
        archive = SimulatedArchive("ARCHIVE", demo_studies(), {"STUCK": stuck.address}).start()
        association = request(archive)
        responses = association.send_c_move(
            identifier("STUDY", StudyInstanceUID="2.25.1001001"),
            "STUCK",
            StudyRootQueryRetrieveInformationModelMove,
        )
        assert stuck.reached.wait(20)
        archive.stop()
        assert [
            thread for thread in threading.enumerate() if getattr(thread, "ae", None) is archive._ae
        ] == []
        final, _ = list(responses)[-1]
        assert "Status" not in final
        stuck.released.set()
    association.join(20)
    assert set(threading.enumerate()) <= before


def test_a_destination_that_dies_in_the_middle_of_a_move_leaves_failed_sub_operations() -> None:
    stuck = Stuck().start()
    with (
        SimulatedArchive("ARCHIVE", demo_studies(), {"STUCK": stuck.address}) as archive,
        associated(archive) as association,
    ):
        responses = association.send_c_move(
            identifier("STUDY", StudyInstanceUID="2.25.1001001"),
            "STUCK",
            StudyRootQueryRetrieveInformationModelMove,
        )
        assert stuck.reached.wait(20)
        threading.Timer(0, stuck.stop).start()
        final, failed = list(responses)[-1]
        stuck.released.set()
    assert (final.Status, final.NumberOfFailedSuboperations) == (0xA702, 4)
    assert failed is not None
    assert len(failed.FailedSOPInstanceUIDList) == 4
