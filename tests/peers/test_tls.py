"""TLS and user identity with nodes of others. Debian's dcmqrscp has no TLS; its storescp and Orthanc have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from engine.dicom.node import Archive, Identity, IdentityKind, Node, Timeouts
from engine.errors import AssociationAborted, TlsFailed
from engine.scu import ArchiveClient, echo
from engine.secret import Secret
from engine.tls import Tls
from tests.certificates import Certificates, Pair
from tests.peers.conftest import Folders
from tests.peers.dcmtk import store, storescp
from tests.peers.forefetch import command, forefetch, routes_file
from tests.peers.nodes import ArchiveNode, StorageNode
from tests.peers.orders import Order, omi
from tests.peers.orthanc import orthanc
from tests.peers.studies import OBJECTS, PRIOR_CT, STUDIES

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def pair(certificates: Certificates) -> Pair:
    """One for all: DCMTK checks that a client's is from an authority it knows, not whose it is."""
    return certificates.pair(rsa=True)


@pytest.fixture(scope="module")
def shown(certificates: Certificates, pair: Pair) -> Tls:
    return Tls(certificates.ca, pair.certificate, pair.key)


def dcmtk_options(tls: Tls) -> list[str]:
    return ["+tls", tls.key, tls.certificate, "+cf", tls.ca]


@pytest.fixture(scope="module")
def reading(shown: Tls, folders: Folders) -> Iterator[StorageNode]:
    """A destination with TLS only, which wants a certificate from its clients."""
    options = dcmtk_options(shown)
    with storescp("READING", folders("reading-tls"), options=["-d", *options], asking=options) as node:
        yield node


@pytest.fixture(scope="module")
def secure(shown: Tls, reading: StorageNode, folders: Folders) -> Iterator[ArchiveNode]:
    """Orthanc with TLS only, which wants a certificate from its clients and sends to READING by TLS."""
    destination = {"AET": "READING", "Host": "127.0.0.1", "Port": reading.port, "UseDicomTls": True}
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": shown.certificate,
        "DicomTlsPrivateKey": shown.key,
        "DicomTlsTrustedCertificates": shown.ca,
        "DicomTlsRemoteCertificateRequired": True,
        "DicomModalities": {"FOREFETCH": ["FOREFETCH", "127.0.0.1", 1], "READING": destination},
    }
    folder = folders("orthanc-tls")
    with orthanc("ORTHANC", {}, folder, settings=settings) as node:
        store(STUDIES, node.ae_title, node.port, folder / "studies", *dcmtk_options(shown))
        yield node


def archive(node: ArchiveNode, tls: Tls | None) -> Archive:
    timeouts = Timeouts(acse=5.0, dimse=30.0, total=60.0)
    return Archive("pacs", node.ae_title, "127.0.0.1", node.port, tls=tls, timeouts=timeouts)


def test_orthanc_is_asked_and_moves_by_tls(secure: ArchiveNode, reading: StorageNode, shown: Tls) -> None:
    reading.empty()
    client = ArchiveClient(archive(secure, shown))
    client.echo()
    (found,) = client.find_studies(study_uid=PRIOR_CT)
    assert found.study_uid == PRIOR_CT
    assert client.move(PRIOR_CT, "READING").counters.completed == OBJECTS[PRIOR_CT]
    client.close()
    assert reading.studies() == {PRIOR_CT: OBJECTS[PRIOR_CT]}
    assert secure.associations() == 1


def test_orthanc_refuses_who_shows_no_certificate(
    secure: ArchiveNode, shown: Tls, certificates: Certificates
) -> None:
    strange = certificates.pair(strange=True, rsa=True)
    refused = [
        replace(shown, certificate="", key=""),
        replace(shown, certificate=strange.certificate, key=strange.key),
    ]
    for tls in refused:
        with pytest.raises(TlsFailed, match=r"certificate.*\(?tls\.certificate"):
            ArchiveClient(archive(secure, tls)).echo()
    with pytest.raises(TlsFailed, match="does not come from our authorities"):
        ArchiveClient(archive(secure, replace(shown, ca=certificates.strange_ca))).echo()
    assert secure.associations() == 0


def test_orthanc_with_tls_is_told_apart_from_one_without(
    secure: ArchiveNode, orthanc_archive: ArchiveNode, shown: Tls
) -> None:
    with pytest.raises((TlsFailed, AssociationAborted), match="a tls section"):
        ArchiveClient(archive(secure, None)).echo()
    with pytest.raises(TlsFailed, match=r"the TLS|not speak TLS"):
        ArchiveClient(archive(orthanc_archive, shown)).echo()


def test_storescp_is_echoed_by_tls_and_refuses_who_shows_no_certificate(
    reading: StorageNode, shown: Tls
) -> None:
    node = Node("reading", "READING", "127.0.0.1", reading.port, tls=shown)
    echo(node, "FOREFETCH", Timeouts(acse=5.0))
    with pytest.raises(TlsFailed, match=r"tls\.certificate"):
        echo(replace(node, tls=replace(shown, certificate="", key="")), "FOREFETCH", Timeouts(acse=5.0))


def test_storescp_is_told_our_user_identity(reading: StorageNode, shown: Tls) -> None:
    identity = Identity(IdentityKind.USER_AND_PASSWORD, "forefetch-svc", Secret("geheim"))
    node = Node("reading", "READING", "127.0.0.1", reading.port, tls=shown, identity=identity)
    echo(node, "FOREFETCH", Timeouts(acse=5.0))
    log = reading.process.log_since_mark()
    assert "Requested User Identity Negotiation" in log
    assert "forefetch-svc" in log


def test_an_order_is_carried_out_by_tls_from_end_to_end(
    secure: ArchiveNode, reading: StorageNode, shown: Tls, tmp_path: Path
) -> None:
    reading.empty()
    path = routes_file(tmp_path, (secure.ae_title, secure.port), {"READING": reading.port})
    routes = yaml.safe_load(path.read_text())
    section = {"ca": shown.ca, "certificate": shown.certificate, "key": shown.key}
    routes["archives"]["archive"]["tls"] = section
    routes["destinations"]["READING"]["tls"] = section
    path.write_text(yaml.safe_dump(routes, sort_keys=False))
    status, output = command("echo", "--config", path)
    assert status == 0, output
    assert output.count("with TLS") == 2
    with forefetch(path) as engine:
        assert engine.send(omi(Order(study=PRIOR_CT))).code == "AA"
    assert reading.studies() == {PRIOR_CT: OBJECTS[PRIOR_CT]}
