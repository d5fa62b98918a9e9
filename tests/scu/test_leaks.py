"""After every way in which an operation can end, as many sockets and threads as before, at both ends."""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from engine.dicom.node import Archive
from engine.errors import (
    AssociationAborted,
    AssociationRejected,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    TlsFailed,
)
from engine.scu import ArchiveClient
from engine.tls import Tls
from tests.certificates import Certificates
from tests.dicom_peers import (
    A_ABORT,
    HALF_A_PDU,
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
from tests.scu.conftest import archive

_FILES = Path("/proc/self/fd")
pytestmark = pytest.mark.skipif(not _FILES.exists(), reason="no /proc/self/fd to count sockets in")

_TIMES = 3  # each ending: a leak shows in every one of them


def sockets() -> int:
    gc.collect()
    links = []
    for number in os.listdir(_FILES):
        try:
            links.append(os.readlink(_FILES / number))
        except FileNotFoundError:  # the folder's own, which listing it has opened
            continue
    return sum(link.startswith("socket:") for link in links)


@contextmanager
def nothing_left() -> Iterator[None]:
    before = sockets(), set(threading.enumerate())
    yield
    assert eventually(lambda: set(threading.enumerate()) <= before[1]), threading.enumerate()
    assert eventually(lambda: sockets() <= before[0]), f"{sockets()} sockets, {before[0]} before"


def _requested(then: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        receive_pdu(connection)
        then(connection)

    return behave


def _accepted(then: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        accept_association(connection)
        receive_pdu(connection)
        then(connection)

    return behave


def _says(data: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.sendall(data)
        while connection.recv(4096):
            pass

    return behave


def _aborts(connection: socket.socket) -> None:
    """What a DICOM node makes of a TLS handshake."""
    connection.recv(4096)
    connection.sendall(A_ABORT)


def _closes(connection: socket.socket) -> None:
    """Returns, at which it is closed."""


@contextmanager
def _refusing_port() -> Iterator[int]:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


_REJECTED = bytes.fromhex("03 00 00000004 00 02 03 02")
_ENDINGS: dict[str, tuple[Callable[[], AbstractContextManager[int]], type[NodeError]]] = {
    "connection refused": (_refusing_port, NodeUnreachable),
    "TCP not answered": (deaf_port, NodeUnreachable),
    "rejected": (lambda: tcp_peer(_requested(_says(_REJECTED))), AssociationRejected),
    "aborted at negotiation": (lambda: tcp_peer(_requested(_says(A_ABORT))), AssociationAborted),
    "closed at negotiation": (lambda: tcp_peer(_requested(_closes)), AssociationAborted),
    "silent at negotiation": (lambda: tcp_peer(_requested(_says(b""))), NodeTimeout),
    "aborted during": (lambda: tcp_peer(_accepted(_says(A_ABORT))), AssociationAborted),
    "closed during": (lambda: tcp_peer(_accepted(_closes)), AssociationAborted),
    "silent during": (lambda: tcp_peer(_accepted(_says(b""))), NodeTimeout),
    "silent in the middle of a PDU": (lambda: tcp_peer(_accepted(_says(HALF_A_PDU))), NodeTimeout),
}


def _node(port: int) -> Archive:
    return archive(port, connect=0.3, acse=0.3, dimse=0.3)


@pytest.mark.parametrize("ending", _ENDINGS)
def test_nothing_is_left_of_an_operation_that_failed(ending: str) -> None:
    peer, kind = _ENDINGS[ending]
    with nothing_left(), peer() as port:
        client = ArchiveClient(_node(port))
        for _ in range(_TIMES):
            with pytest.raises(kind):
                client.echo()
            assert client.open_associations == 0


def test_nothing_is_left_after_tls_failed(certificates: Certificates) -> None:
    strange = certificates.server(certificates.pair(strange=True))
    wanting = certificates.server(mutual=True)
    with (
        nothing_left(),
        tcp_peer(_aborts) as plain,
        scripted_scp(answer(SUCCESS), ssl_context=strange) as untrusted,
        scripted_scp(answer(SUCCESS), ssl_context=wanting) as mutual,
        tcp_peer(_says(b"")) as silent,
    ):
        for port in (plain, untrusted.port, mutual.port, silent):
            client = ArchiveClient(replace(_node(port), tls=Tls(certificates.ca)))
            for _ in range(_TIMES):
                with pytest.raises(TlsFailed):
                    client.echo()
                assert client.open_associations == 0
        assert (untrusted.associations, mutual.associations) == (0, 0)


def test_nothing_is_left_after_success_over_tls(certificates: Certificates) -> None:
    with nothing_left(), scripted_scp(answer(SUCCESS), ssl_context=certificates.server()) as scp:
        for _ in range(_TIMES):
            client = ArchiveClient(replace(_node(scp.port), tls=Tls(certificates.ca)))
            client.echo()
            client.close()
        assert scp.associations == _TIMES
        assert eventually(lambda: scp.released == _TIMES)


@pytest.mark.parametrize("encrypted", [False, True])
def test_nothing_is_left_after_a_move_was_canceled(certificates: Certificates, encrypted: bool) -> None:
    canceled = threading.Event()

    def script(request: Request) -> Iterator[Reply]:
        canceled.set()
        request.wait_for_cancel()
        yield Reply(0xFE00)

    context = certificates.server() if encrypted else None
    with nothing_left(), scripted_scp(script, ssl_context=context) as scp:
        node = archive(scp.port)
        client = ArchiveClient(replace(node, tls=Tls(certificates.ca)) if encrypted else node)
        for _ in range(_TIMES):
            canceled.clear()
            assert client.move("1.2.3", "VIEW", canceled=canceled).status == 0xFE00
        client.close()
        assert len(scp.cancels) == _TIMES
        assert eventually(lambda: not any(association.is_alive() for association in scp.open))


@pytest.mark.parametrize("encrypted", [False, True])
def test_nothing_is_left_of_an_association_that_was_closed_while_idle(
    certificates: Certificates, encrypted: bool
) -> None:
    context = certificates.server() if encrypted else None
    with nothing_left(), scripted_scp(answer(SUCCESS), ssl_context=context) as scp:
        node = archive(scp.port)
        client = ArchiveClient(replace(node, tls=Tls(certificates.ca)) if encrypted else node)
        for number in range(_TIMES):
            client.echo()
            assert client.open_associations == 1
            scp.open[number].abort()
        client.close()
        assert client.open_associations == 0
        assert scp.associations == _TIMES
