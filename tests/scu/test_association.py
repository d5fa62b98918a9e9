"""Every way in which an association does not come about, or breaks off: the right error, and no leak."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

import pytest
from pynetdicom import evt
from pynetdicom.acse import ACSE
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from engine.dicom.node import Node, Timeouts
from engine.errors import (
    AssociationAborted,
    AssociationRejected,
    IdentifierError,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
)
from engine.scu import ArchiveClient, echo
from engine.scu.association import NodeAssociation
from engine.scu.dimse import Bounds
from tests.dicom_peers import (
    A_ABORT,
    A_RELEASE_RQ,
    HALF_A_PDU,
    NOT_A_PDU,
    SUCCESS,
    Reply,
    Request,
    accept_association,
    answer,
    deaf_port,
    eventually,
    receive_pdu,
    scripted_scp,
    tcp_peer,
)
from tests.scu.conftest import Connect, archive, requestor_threads


def assert_fails(client: ArchiveClient, error: type[NodeError], words: str) -> None:
    """A move fails so, and nothing is left of it."""
    with pytest.raises(error, match=words) as caught:
        client.move("1.2.3", "VIEW")
    assert caught.value.node == "pacs"
    assert client.open_associations == 0
    assert requestor_threads() == []


# before there is an association


def test_a_refused_connection_is_unreachable_and_keeps_its_cause(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = connect(port)
    assert_fails(client, NodeUnreachable, f"127.0.0.1:{port}: Connection refused")
    with pytest.raises(NodeUnreachable) as caught:
        client.echo()
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_connection_that_is_not_answered_is_unreachable(connect: Connect) -> None:
    with deaf_port() as port:
        assert_fails(connect(port, connect=0.3), NodeUnreachable, r"no TCP connection .* within 0\.3 s")


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70])
def test_a_host_without_an_address_is_unreachable(host: str) -> None:
    with pytest.raises(NodeUnreachable, match="cannot be resolved") as caught:
        echo(Node("view", "VIEW", host, 104), "FOREFETCH", Timeouts())
    assert caught.value.__cause__ is not None
    assert requestor_threads() == []


def test_a_rejection_gives_its_reason(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS), require_called_aet=True) as scp:
        with pytest.raises(AssociationRejected, match="Called AE title not recognised"):
            echo(Node("pacs", "OTHER", "127.0.0.1", scp.port), "FOREFETCH", Timeouts())
        assert requestor_threads() == []
        assert scp.associations == 0


def test_no_accepted_presentation_context_is_a_rejection(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS), sop_classes=[CTImageStorage]) as scp:
        assert_fails(connect(scp.port), AssociationRejected, "none of the presentation contexts")


def _silent(connection: socket.socket) -> None:
    receive_pdu(connection)
    connection.recv(1)
    connection.recv(1)


def _sends(data: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        receive_pdu(connection)
        connection.sendall(data)
        while connection.recv(4096):
            pass

    return behave


def _closes(connection: socket.socket) -> None:
    receive_pdu(connection)


@pytest.mark.parametrize(
    ("behave", "error", "words"),
    [
        (_sends(b""), NodeTimeout, r"no answer to A-ASSOCIATE for 0\.4 s"),
        (_closes, AssociationAborted, "closed the connection while the association was negotiated"),
        (_sends(A_ABORT), AssociationAborted, "A-ABORT"),
        (_sends(NOT_A_PDU), AssociationAborted, "not DICOM"),
        (_sends(A_RELEASE_RQ), AssociationAborted, "not DICOM"),
    ],
)
def test_a_negotiation_that_breaks_off_has_its_own_error(
    connect: Connect, behave: Callable[[socket.socket], None], error: type[NodeError], words: str
) -> None:
    with tcp_peer(behave) as port:
        assert_fails(connect(port, acse=0.4), error, words)


@pytest.mark.parametrize(
    ("behave", "error", "words"),
    [
        (_sends(bytes.fromhex("03 00 00000004 00 01 01 07")), AssociationRejected, "Called AE title not"),
        (_sends(A_ABORT), AssociationAborted, "A-ABORT"),
    ],
)
def test_an_answer_that_is_there_before_pynetdicom_looks_is_told(
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    behave: Callable[[socket.socket], None],
    error: type[NodeError],
    words: str,
) -> None:
    """It then finds the connection closed, and takes it for one that never was."""
    request = ACSE.send_request

    def request_and_be_late(acse: ACSE) -> None:
        request(acse)
        assert acse.socket is not None
        transport = acse.socket
        assert eventually(lambda: transport._ready.is_set() and not transport._is_connected)

    monkeypatch.setattr(ACSE, "send_request", request_and_be_late)
    with tcp_peer(behave) as port:
        assert_fails(connect(port), error, words)


def test_half_an_answer_to_the_association_request_does_not_hang(connect: Connect) -> None:
    with tcp_peer(_sends(HALF_A_PDU.replace(b"\x04", b"\x02", 1))) as port:
        client = connect(port, acse=0.4)
        with pytest.raises((NodeTimeout, AssociationAborted)):
            client.move("1.2.3", "VIEW")
        assert client.open_associations == 0
        assert requestor_threads() == []


@pytest.mark.parametrize(
    ("called", "calling"), [("A\\B", "OK"), ("OK", "A TITLE THAT IS TOO LONG"), ("", "OK")]
)
def test_a_bad_ae_title_opens_no_connection(called: str, calling: str) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        with pytest.raises(IdentifierError):
            echo(Node("view", called, "127.0.0.1", scp.port), calling, Timeouts())
        assert scp.connections == 0


# while a response is awaited


def _answers_with(data: bytes, *, close: bool = False) -> Callable[[socket.socket], None]:
    """Accepts the association, reads the request (command and identifier) and sends ``data``."""

    def behave(connection: socket.socket) -> None:
        accept_association(connection)
        receive_pdu(connection)
        receive_pdu(connection)
        connection.sendall(data)
        while not close and connection.recv(4096):
            pass

    return behave


@pytest.mark.parametrize(
    ("behave", "error", "words"),
    [
        (_answers_with(b""), NodeTimeout, r"no response to C-MOVE for 0\.4 s"),
        (_answers_with(HALF_A_PDU), NodeTimeout, r"no response to C-MOVE for 0\.4 s"),
        (_answers_with(b"", close=True), AssociationAborted, "closed the connection"),
        (_answers_with(HALF_A_PDU, close=True), AssociationAborted, "closed the connection"),
        (_answers_with(A_ABORT), AssociationAborted, r"aborted the association \(A-ABORT\)"),
        (_answers_with(A_RELEASE_RQ), AssociationAborted, "released the association"),
        (_answers_with(NOT_A_PDU), AssociationAborted, "does not allow"),
    ],
)
def test_an_association_that_breaks_off_while_a_response_is_awaited_has_its_own_error(
    connect: Connect, behave: Callable[[socket.socket], None], error: type[NodeError], words: str
) -> None:
    with tcp_peer(behave) as port:
        assert_fails(connect(port, dimse=0.4, acse=0.4), error, words)


def test_an_abort_after_a_pending_response_is_told_and_not_tried_again(connect: Connect) -> None:
    def script(request: Request) -> Iterator[Reply]:
        yield Reply(0xFF00, remaining=1)
        request.association.abort()

    with scripted_scp(script) as scp:
        assert_fails(connect(scp.port), AssociationAborted, "A-ABORT|closed the connection")
        assert scp.associations == 1


def test_a_response_to_another_request_ends_the_association(connect: Connect) -> None:
    def script(request: Request) -> Iterator[Reply]:
        yield Reply(0x0000, message_id=request.message_id + 1)

    with scripted_scp(script) as scp:
        assert_fails(connect(scp.port), AssociationAborted, "something else than a response to C-MOVE")


# an established association


def test_nagle_is_off_and_keepalive_is_on() -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        node = archive(scp.port)
        association = NodeAssociation(node, "FOREFETCH", node.timeouts)
        sock = association._negotiation.socket
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        association.release()
        assert sock.fileno() == -1


def test_message_ids_count_up_and_start_again_after_65535() -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        node = archive(scp.port)
        association = NodeAssociation(node, "FOREFETCH", node.timeouts)
        bounds = Bounds(time.monotonic() + 30)
        association.echo(bounds)
        association.echo(bounds)
        association._message_id = 65534
        association.echo(bounds)
        association.echo(bounds)
        association.release()
        assert [request.message_id for request in scp.requests] == [1, 2, 65535, 1]


def test_a_release_that_is_not_answered_ends_in_an_abort() -> None:
    received = []

    def behave(connection: socket.socket) -> None:
        accept_association(connection)
        received.append(receive_pdu(connection)[0])
        received.append(receive_pdu(connection)[0])

    with tcp_peer(behave) as port:
        node = archive(port, acse=0.3)
        NodeAssociation(node, "FOREFETCH", node.timeouts).release()
        assert requestor_threads() == []
    assert received == [5, 7]  # A-RELEASE-RQ, A-ABORT


def test_an_aborted_association_tells_the_peer() -> None:
    aborted = []
    with scripted_scp(answer(SUCCESS)) as scp:
        node = archive(scp.port)
        association = NodeAssociation(node, "FOREFETCH", node.timeouts)
        assert eventually(lambda: len(scp.open) == 1)
        scp.open[0].bind(evt.EVT_ABORTED, lambda event: aborted.append(True))
        association.abort()
        assert not association.is_established
        assert requestor_threads() == []
        scp.open[0].join(10)
    assert aborted == [True]
