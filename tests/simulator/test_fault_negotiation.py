"""Faults of the negotiation of an association, and those that any request can have, here a C-ECHO."""

from __future__ import annotations

import socket
import threading

import pytest
from pynetdicom import evt
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from engine.errors import AssociationAborted, AssociationRejected, NodeError, NodeTimeout
from engine.simulator import Fault, SimulatedArchive, SimulatedDestination

from . import associated, client, request

SOON = 1.0  # s; an answer comes sooner, and it is not long to wait for none


def viewer(*faults: str) -> SimulatedDestination:
    return SimulatedDestination("VIEWER", faults=map(Fault.parse, faults))


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("a: reject", (2, 3, 2)),
        ("a: reject=local-limit-exceeded", (2, 3, 2)),
        ("a: reject=temporary-congestion", (2, 3, 1)),
        ("a: reject=calling-ae-title", (1, 1, 3)),
        ("a: reject=called-ae-title", (1, 1, 7)),
        ("a: reject=no-reason", (1, 1, 1)),
        ("a: reject=1/2/2", (1, 2, 2)),
    ],
)
def test_an_association_is_rejected_with_that_reason(fault: str, expected: tuple[int, int, int]) -> None:
    with viewer(fault) as node:
        association = request(node, Verification)
        answer = association.acceptor.primitive
        assert association.is_rejected
        assert answer is not None
        assert (answer.result, answer.result_source, answer.diagnostic) == expected
        with associated(node, Verification) as second:
            assert second.send_c_echo().Status == 0x0000
        assert node.associations == 1
        assert node.faults.fired == node.faults.faults


@pytest.mark.parametrize(
    ("fault", "error", "text"),
    [
        ("a: reject", AssociationRejected, r"Local limit exceeded.*Rejected Transient.*Presentation"),
        ("a: abort, on=association", AssociationAborted, r"while it was negotiated \(A-ABORT\)"),
        ("a: close, on=association", AssociationAborted, "closed the connection while the association was"),
        ("a: silence, on=association", NodeTimeout, "no answer to A-ASSOCIATE"),
        ("a: delay=30s, on=association", NodeTimeout, "no answer to A-ASSOCIATE"),
        ("a: abort, on=echo", AssociationAborted, r"aborted the association \(A-ABORT\)"),
        ("a: close, on=echo", AssociationAborted, "closed the connection while a response was awaited"),
        ("a: silence, on=echo", NodeTimeout, "no response to C-ECHO"),
        ("a: stall, on=echo", NodeTimeout, "no response to C-ECHO"),
        ("a: delay=30s, on=echo", NodeTimeout, "no response to C-ECHO"),
        ("a: status=0x0122, on=echo", NodeError, r"C-ECHO ended with status 0x0122"),
        ("a: status=0x0210, on=echo, comment=Try later", NodeError, r"status 0x0210 \(Try later\)"),
    ],
)
def test_forefetch_says_what_has_befallen_it_and_goes_on(
    fault: str, error: type[NodeError], text: str
) -> None:
    before = set(threading.enumerate())
    with viewer(fault) as node:
        patience = {"acse" if "association" in fault else "dimse": SOON}
        with client(node, **patience) as asking, pytest.raises(error, match=text):
            asking.echo()
        assert node.faults.fired == node.faults.faults
        with client(node) as asking:
            asking.echo()
    assert set(threading.enumerate()) <= before


def test_a_delay_that_is_shorter_than_patience_is_only_a_delay() -> None:
    with viewer("a: delay=50ms, on=association", "a: delay=50ms, on=echo") as node, client(node) as asking:
        asking.echo()
        assert len(node.faults.fired) == 2


@pytest.mark.parametrize("kind", ["abort", "close", "silence"])
def test_the_first_association_passes_where_the_second_is_struck(kind: str) -> None:
    with viewer(f"a: {kind}, on=association, after=1") as node:
        with client(node) as asking:
            asking.echo()
        with client(node, acse=SOON) as asking, pytest.raises(NodeError):
            asking.echo()


def test_a_stalled_response_is_half_of_a_pdu_on_the_wire() -> None:
    sent: list[bytes] = []
    with viewer("a: stall, on=echo, after=1") as node:
        with associated(node, Verification) as association:
            association.bind(evt.EVT_DATA_SENT, lambda event: sent.append(event.data))
            assert association.send_c_echo().Status == 0x0000
            asked = association.requestor.primitive
        ask = A_ASSOCIATE_RQ(asked).encode()
        with socket.create_connection(node.address, timeout=20) as connection:
            connection.sendall(ask)
            assert whole_pdu(connection)[:1] == b"\x02"  # A-ASSOCIATE-AC
            connection.sendall(sent[0])
            header = connection.recv(6, socket.MSG_WAITALL)
            node.faults.wait_for(1, 20)
            connection.settimeout(SOON)
            rest = connection.recv(4096)
            assert header[:1] == b"\x04"  # P-DATA-TF
            assert 0 < len(rest) < int.from_bytes(header[2:])
            with pytest.raises(TimeoutError):
                connection.recv(1)


def whole_pdu(connection: socket.socket) -> bytes:
    header = connection.recv(6, socket.MSG_WAITALL)
    return header + connection.recv(int.from_bytes(header[2:]), socket.MSG_WAITALL)


@pytest.mark.parametrize("fault", ["silence, on=association", "delay=60m, on=association"])
def test_a_node_that_negotiates_for_ever_can_be_stopped(fault: str) -> None:
    before = set(threading.enumerate())
    node = viewer(f"a: {fault}").start()
    asking = threading.Thread(target=request, args=(node, Verification))
    asking.start()
    assert node.faults.wait_for(1, 20)
    node.stop()
    asking.join(20)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("fault", ["silence", "delay=60m", "stall"])
def test_a_node_that_does_not_answer_can_be_stopped(fault: str) -> None:
    before = set(threading.enumerate())
    node = viewer(f"a: {fault}, on=echo").start()
    association = request(node, Verification)
    asking = threading.Thread(target=association.send_c_echo)
    asking.start()
    assert node.faults.wait_for(1, 20)
    node.stop()
    asking.join(20)
    association.join(20)
    assert set(threading.enumerate()) <= before


def test_a_peer_that_leaves_while_it_is_kept_waiting_leaves_nothing_behind() -> None:
    before = set(threading.enumerate())
    with viewer("a: silence, on=association, times=always") as node:
        for _ in range(3):
            with socket.create_connection(node.address, timeout=20):
                pass
        with client(node, acse=SOON) as asking, pytest.raises(NodeTimeout):
            asking.echo()
    assert set(threading.enumerate()) <= before


def test_an_archive_has_the_same_faults() -> None:
    faults = [Fault.parse("main: reject"), Fault.parse("main: status=0x0122, on=echo")]
    with SimulatedArchive("ARCHIVE", [], {}, faults=faults) as archive:
        for error in (AssociationRejected, NodeError):
            with client(archive) as asking, pytest.raises(error):
                asking.echo()
        assert archive.faults.fired == tuple(faults)
