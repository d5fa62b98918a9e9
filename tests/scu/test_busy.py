"""An archive that has no room, and associations that have grown old."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from pynetdicom.dimse_primitives import C_ECHO

from engine.errors import AssociationRejected, NodeBusy
from engine.retrieve.outcome import Cause, MoveResponse, failure
from engine.scu import ArchiveClient
from tests.dicom_peers import (
    PATIENCE,
    SUCCESS,
    Reply,
    Request,
    accept_association,
    answer,
    eventually,
    receive_pdu,
    scripted_scp,
    tcp_peer,
)
from tests.scu.conftest import Connect, archive, requestor_threads


def rejection(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ PDU (PS3.8 9.3.4)."""
    return bytes([3, 0, 0, 0, 0, 4, 0, result, source, reason])


@pytest.mark.parametrize(
    ("pdu", "kind"),
    [
        (rejection(2, 3, 1), NodeBusy),  # temporary congestion
        (rejection(2, 3, 2), NodeBusy),  # local limit exceeded
        (rejection(2, 1, 1), AssociationRejected),
        (rejection(1, 1, 7), AssociationRejected),
        (rejection(1, 2, 2), AssociationRejected),
    ],
)
def test_only_congestion_and_the_limit_of_associations_are_busy(
    connect: Connect, pdu: bytes, kind: type[AssociationRejected]
) -> None:
    def behave(connection: socket.socket) -> None:
        receive_pdu(connection)
        connection.sendall(pdu)
        connection.recv(1)

    with tcp_peer(behave) as port:
        with pytest.raises(AssociationRejected) as caught:
            connect(port).move("1.2.3", "VIEW")
        assert type(caught.value) is kind
    assert requestor_threads() == []


def test_busy_is_an_outcome_of_its_own_with_a_cure() -> None:
    outcome = failure(NodeBusy("pacs", "rejected the association: Local limit exceeded"))
    assert outcome.cause is Cause.BUSY
    assert "concurrency" in outcome.cure


class Slow:
    """A script that answers a C-MOVE when it is told to."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.end = Reply(0x0000, completed=1)

    def __call__(self, request: Request) -> Iterator[Reply]:
        if isinstance(request.message, C_ECHO) or self.started.is_set():
            yield SUCCESS
            return
        self.started.set()
        self.go_on.wait(PATIENCE)
        yield self.end


def busy_calls(client: ArchiveClient) -> list[bool]:
    """One entry for each time that the archive turned an association of this client down."""
    refused: list[bool] = []
    opened = client._pool._connect

    def opening() -> object:
        try:
            return opened()
        except NodeBusy:
            refused.append(True)
            raise

    client._pool._connect = opening  # type: ignore[assignment]
    return refused


@pytest.mark.parametrize("end", [Reply(0x0000, completed=1), Reply(0xA702)])
def test_where_the_archive_has_its_limit_an_association_of_ours_is_waited_for(
    connect: Connect, end: Reply
) -> None:
    """Reused where it comes free; where it ends, another takes its place."""
    script = Slow()
    script.end = end
    with scripted_scp(script, maximum_associations=1) as scp, ThreadPoolExecutor(2) as threads:
        client = connect(scp.port, concurrency=2)
        refused = busy_calls(client)
        first = threads.submit(client.move, "1.2.3", "VIEW")
        assert script.started.wait(PATIENCE)
        second = threads.submit(client.move, "1.2.4", "VIEW")
        assert eventually(lambda: len(refused) == 1)
        assert not second.done()
        script.go_on.set()
        assert first.result(PATIENCE).status == end.status
        if end.status:  # the association is released, which the archive may count a moment later
            error = second.exception(PATIENCE)
            assert error is None or isinstance(error, NodeBusy)
        else:
            assert second.result(PATIENCE).status == 0x0000
            assert (scp.associations, refused) == (1, [True])


def test_where_none_of_ours_is_open_a_busy_archive_is_an_error(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS), maximum_associations=1) as scp:
        other, client = connect(scp.port), connect(scp.port)
        other.echo()
        with pytest.raises(NodeBusy):
            client.echo()
        assert client.open_associations == 0


def test_the_wait_for_an_association_of_ours_ends_at_the_total_time_and_when_canceled(
    connect: Connect,
) -> None:
    script = Slow()
    with scripted_scp(script, maximum_associations=1) as scp, ThreadPoolExecutor(2) as threads:
        client = connect(scp.port, concurrency=2)
        refused = busy_calls(client)
        first = threads.submit(client.move, "1.2.3", "VIEW")
        assert script.started.wait(PATIENCE)
        canceled = threading.Event()
        second = threads.submit(client.move, "1.2.4", "VIEW", canceled=canceled)
        assert eventually(lambda: len(refused) == 1)
        canceled.set()
        assert second.result(PATIENCE) == MoveResponse(0xFE00)
        client._archive = replace(client._archive, timeouts=replace(client._archive.timeouts, total=0.3))
        with pytest.raises(NodeBusy):
            client.move("1.2.5", "VIEW")
        script.go_on.set()
        assert first.result(PATIENCE).status == 0x0000


def test_an_association_that_the_archive_closed_while_it_was_idle_is_not_used(connect: Connect) -> None:
    closed = threading.Event()
    requests: list[int] = []

    def behave(connection: socket.socket) -> None:
        accept_association(connection)
        requests.append(receive_pdu(connection)[0])
        connection.sendall(echo_response())
        closed.set()

    with tcp_peer(behave) as port:
        client = connect(port)
        client.echo()
        assert closed.wait(PATIENCE)
        association = client._pool._idle[0][0]
        assert eventually(lambda: not association.is_established)
        client.echo()
        assert requests == [4, 4]  # one P-DATA-TF on each: none was wasted on the first


def echo_response() -> bytes:
    """A P-DATA-TF with a C-ECHO-RSP to message 1 on presentation context 1 (PS3.7 9.3.5.2)."""
    elements = [
        (0x0002, b"1.2.840.10008.1.1\0"),
        (0x0100, b"\x30\x80"),
        (0x0120, b"\x01\x00"),
        (0x0800, b"\x01\x01"),
        (0x0900, b"\x00\x00"),
    ]
    body = b"".join(
        b"\0\0" + tag.to_bytes(2, "little") + len(value).to_bytes(4, "little") + value
        for tag, value in elements
    )
    command = b"\0\0\0\0\4\0\0\0" + len(body).to_bytes(4, "little") + body
    fragment = (len(command) + 2).to_bytes(4, "big") + b"\1\3" + command
    return b"\4\0" + len(fragment).to_bytes(4, "big") + fragment


def test_an_association_that_was_unused_for_long_is_checked_first(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        checked = ArchiveClient(replace(archive(scp.port), health=0.0))
        young = ArchiveClient(replace(archive(scp.port), health=3600.0))
        for client, kinds in ((checked, 3), (young, 2)):
            scp.requests.clear()
            client.move("1.2.3", "VIEW")
            client.move("1.2.4", "VIEW")
            assert len(scp.requests) == kinds
            client.close()
        assert scp.associations == 2


def test_an_association_that_fails_its_check_is_replaced_before_the_request(connect: Connect) -> None:
    """A firewall that has dropped an idle connection answers nothing: found out within the ACSE timeout."""

    def script(request: Request) -> Iterator[Reply]:
        if isinstance(request.message, C_ECHO):
            request.wait_for_end()
            return
        yield Reply(0x0000, completed=1)

    with scripted_scp(script) as scp:
        node = archive(scp.port, acse=0.4)
        client = ArchiveClient(replace(node, health=0.0))
        for study in ("1.2.3", "1.2.4"):
            assert client.move(study, "VIEW").counters.completed == 1
        assert scp.associations == 2
        assert client.open_associations == 1
        client.close()
    assert requestor_threads() == []
