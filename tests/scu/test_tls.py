"""DICOM over TLS: it works with and without a certificate of ours, and each failure names its cure."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.dicom.node import Archive, Node, Timeouts
from engine.errors import AssociationAborted, NodeError, NodeTimeout, NodeUnreachable, TlsFailed
from engine.retrieve.outcome import Cause, failure
from engine.scu import ArchiveClient, echo
from engine.simulator import SimulatedDestination
from engine.tls import Tls
from tests.certificates import Certificates
from tests.dicom_peers import A_ABORT, SUCCESS, Reply, answer, receive_pdu, result, scripted_scp, tcp_peer
from tests.scu.conftest import archive, requestor_threads


def fails(node: Archive, words: str, kind: type[NodeError] = TlsFailed) -> NodeError:
    """The error of a C-ECHO, of which nothing is left."""
    client = ArchiveClient(node)
    with pytest.raises(kind, match=words) as caught:
        client.echo()
    assert type(caught.value) is kind
    assert caught.value.node == "pacs"
    assert client.open_associations == 0
    assert requestor_threads() == []
    return caught.value


@pytest.mark.parametrize("minimum", ["1.2", "1.3"])
def test_queries_and_moves_go_through_tls(certificates: Certificates, minimum: str) -> None:
    replies = answer(result(StudyInstanceUID="1.2.3", PatientID="P1"), Reply(0x0000, completed=3))
    with scripted_scp(replies, ssl_context=certificates.server()) as scp:
        client = ArchiveClient(replace(archive(scp.port), tls=Tls(certificates.ca, minimum=minimum)))
        assert [study.study_uid for study in client.find_studies(patient_id="P1")] == ["1.2.3"]
        assert client.move("1.2.3", "VIEW").counters.completed == 3
        client.close()
        assert scp.associations == 1
    assert requestor_threads() == []


def test_tls_1_2_is_spoken_with_a_peer_that_has_no_more(certificates: Certificates) -> None:
    context = certificates.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with scripted_scp(answer(SUCCESS), ssl_context=context) as scp:
        client = ArchiveClient(replace(archive(scp.port), tls=Tls(certificates.ca)))
        client.echo()
        client.close()
        fails(
            replace(archive(scp.port), tls=Tls(certificates.ca, minimum="1.3")),
            "no TLS version or cipher in common .*compare tls.minimum",
        )


def test_a_certificate_of_ours_is_shown_where_the_peer_wants_one(certificates: Certificates) -> None:
    ours = certificates.pair("forefetch")
    with scripted_scp(answer(SUCCESS), ssl_context=certificates.server(mutual=True)) as scp:
        node = replace(archive(scp.port), tls=Tls(certificates.ca, ours.certificate, ours.key))
        client = ArchiveClient(node)
        client.echo()
        client.close()
        assert scp.associations == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("strange", [False, True])
def test_a_peer_that_refuses_our_certificate_is_told_apart(
    certificates: Certificates, version: ssl.TLSVersion, strange: bool
) -> None:
    context = certificates.server(mutual=True)
    context.maximum_version = version
    tls = Tls(certificates.ca)
    if strange:
        pair = certificates.pair("forefetch", strange=True)
        tls = replace(tls, certificate=pair.certificate, key=pair.key)
    with scripted_scp(answer(SUCCESS), ssl_context=context) as scp:
        fails(replace(archive(scp.port), tls=tls), r"certificate.*\(?tls.certificate")
        assert scp.associations == 0


def test_each_certificate_that_is_not_to_be_trusted_has_its_own_sentence(certificates: Certificates) -> None:
    cases = [
        (certificates.pair(strange=True), Tls(certificates.ca), "does not come from our authorities.*tls.ca"),
        (certificates.pair(), Tls(), "does not come from our authorities.*tls.ca"),
        (certificates.pair(expired=True), Tls(certificates.ca), "has expired; have it renewed"),
        (certificates.pair("pacs.example"), Tls(certificates.ca), "not for this address.*tls.hostname"),
        (
            certificates.pair(),
            Tls(certificates.ca, hostname="pacs.example"),
            "for another name.*tls.hostname",
        ),
    ]
    for pair, tls, words in cases:
        with scripted_scp(answer(SUCCESS), ssl_context=certificates.server(pair)) as scp:
            error = fails(replace(archive(scp.port), tls=tls), words)
            assert f"127.0.0.1:{scp.port}" in error.text
            assert isinstance(error.__cause__, ssl.SSLCertVerificationError)
            assert scp.associations == 0


def test_the_name_in_the_certificate_may_be_another_than_the_host(certificates: Certificates) -> None:
    context = certificates.server(certificates.pair("pacs.example"))
    with scripted_scp(answer(SUCCESS), ssl_context=context) as scp:
        client = ArchiveClient(replace(archive(scp.port), tls=Tls(certificates.ca, hostname="pacs.example")))
        client.echo()
        client.close()
        assert scp.associations == 1


def test_a_certificate_that_is_not_verified_is_taken_and_warned_of(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    context = certificates.server(certificates.pair("other", strange=True))
    with scripted_scp(answer(SUCCESS), ssl_context=context) as scp, caplog.at_level(logging.WARNING):
        client = ArchiveClient(replace(archive(scp.port), tls=Tls(verify=False)))
        client.echo()
        client.close()
        assert scp.associations == 1
    assert "archive pacs: its certificate is not verified" in caplog.text


def test_a_peer_without_tls_is_told_apart(certificates: Certificates) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(A_ABORT)

    with tcp_peer(behave) as port:
        fails(replace(archive(port), tls=Tls(certificates.ca)), "does not speak TLS there; check the port")


def test_a_peer_with_tls_that_we_do_not_speak_is_told_apart(certificates: Certificates) -> None:
    with scripted_scp(answer(SUCCESS), ssl_context=certificates.server()) as scp:
        words = "closed the connection.*if that port is for TLS, give it a tls section"
        fails(archive(scp.port), words, AssociationAborted)


def test_a_tls_alert_in_answer_to_an_association_request_is_understood() -> None:
    def behave(connection: socket.socket) -> None:
        receive_pdu(connection)
        connection.sendall(bytes.fromhex("15 0301 0002 0246"))  # fatal: protocol_version
        while connection.recv(4096):
            pass

    with tcp_peer(behave) as port:
        fails(archive(port), "speaks TLS and we do not; give it a tls section")


def _silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def _closes(connection: socket.socket) -> None:
    connection.recv(1)


@pytest.mark.parametrize(
    ("behave", "words"),
    [
        (_silent, "the TLS handshake is not answered; check that the port is its TLS port"),
        (_closes, "closed the connection during the TLS handshake"),
        (lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "does not speak TLS"),
    ],
)
def test_a_handshake_that_breaks_off_leaves_nothing(
    certificates: Certificates, behave: Callable[[socket.socket], None], words: str
) -> None:
    with tcp_peer(behave) as port:
        fails(replace(archive(port, acse=0.4), tls=Tls(certificates.ca)), words)


def test_nothing_listening_is_still_unreachable(certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = fails(
        replace(archive(port), tls=Tls(certificates.ca)), "no TCP connection .*refused", NodeUnreachable
    )
    assert isinstance(error.__cause__, ConnectionRefusedError)


def test_silence_after_the_handshake_is_a_timeout(certificates: Certificates) -> None:
    context = certificates.server()

    def behave(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            while encrypted.recv(4096):
                pass

    with tcp_peer(behave) as port:
        node = replace(archive(port, acse=0.4), tls=Tls(certificates.ca))
        fails(node, r"no answer to A-ASSOCIATE for 0\.4 s", NodeTimeout)


def test_settings_that_cannot_be_used_open_no_connection(certificates: Certificates) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        fails(
            replace(archive(scp.port), tls=Tls(certificates.ca, hostname=".example")),
            "'.example' is no name that a certificate can have",
        )
        fails(
            replace(archive(scp.port), tls=Tls("/nowhere/ca.pem")),
            "our TLS settings cannot be used.*check tls",
        )
        assert scp.connections == 0


def test_an_abort_over_tls_is_an_abort(certificates: Certificates) -> None:
    with scripted_scp(
        lambda request: request.association.abort() or iter(()),  # type: ignore[func-returns-value]
        ssl_context=certificates.server(),
    ) as scp:
        client = ArchiveClient(replace(archive(scp.port), tls=Tls(certificates.ca)))
        with pytest.raises(AssociationAborted):
            client.move("1.2.3", "VIEW")
        assert client.open_associations == 0
        assert requestor_threads() == []


def test_a_destination_is_echoed_with_its_tls(certificates: Certificates) -> None:
    view = SimulatedDestination("VIEW")
    view.ssl_context = certificates.server()
    with view:
        host, port = view.address
        echo(Node("view", "VIEW", host, port, tls=Tls(certificates.ca)), "FOREFETCH", Timeouts())
        with pytest.raises(AssociationAborted, match="for TLS"):
            echo(Node("view", "VIEW", host, port), "FOREFETCH", Timeouts())
        assert view.associations == 1


def test_a_tls_failure_is_an_outcome_of_its_own_whose_text_has_the_cure() -> None:
    outcome = failure(TlsFailed("pacs", "its certificate has expired; have it renewed"))
    assert outcome.cause is Cause.TLS_FAILED
    assert outcome.sentence == "its certificate has expired; have it renewed"
