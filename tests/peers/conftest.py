"""The peers that the tests share: started once, and known to each other by AE title."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.dcmtk import dcmqrscp, store, storescp
from tests.peers.forefetch import Forefetch, forefetch, routes_file
from tests.peers.nodes import ArchiveNode, Ports, StorageNode
from tests.peers.orthanc import orthanc
from tests.peers.processes import LOG_SHOWN, free_port, running
from tests.peers.studies import STUDIES

Folders = Callable[[str], Path]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what every peer has logged since the test began, where it fails."""
    report = yield
    if report.failed:
        report.sections += [(f"log of {it.name}", it.log_since_mark()[-LOG_SHOWN:]) for it in running()]
    return report


@pytest.fixture(autouse=True)
def _logs_begin_here() -> None:
    for peer in running():
        peer.mark()


@pytest.fixture(scope="session")
def ports() -> Ports:
    """Of the destinations that the archives know. Nothing listens for SWITCHEDOFF."""
    return {title: free_port() for title in ("READING", "CTONLY", "SWITCHEDOFF")}


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return lambda name: tmp_path_factory.mktemp(name)


@pytest.fixture(scope="session")
def _reading(ports: Ports, folders: Folders) -> Iterator[StorageNode]:
    with storescp("READING", ports["READING"], folders("reading")) as node:
        yield node


@pytest.fixture
def reading(_reading: StorageNode) -> StorageNode:
    """The destination, empty."""
    _reading.empty()
    return _reading


@pytest.fixture
def ct_only(ports: Ports, tmp_path: Path) -> Iterator[StorageNode]:
    """A destination that refuses what is not CT."""
    with storescp("CTONLY", ports["CTONLY"], tmp_path, ct_only=True) as node:
        yield node


@pytest.fixture(scope="session")
def orthanc_archive(ports: Ports, folders: Folders) -> Iterator[ArchiveNode]:
    folder = folders("orthanc")
    with orthanc("ORTHANC", ports, folder) as node:
        store(STUDIES, node.ae_title, node.port, folder / "studies")
        yield node


@pytest.fixture(scope="session")
def dcmqrscp_archive(ports: Ports, folders: Folders) -> Iterator[ArchiveNode]:
    folder = folders("dcmqrscp")
    with dcmqrscp("DCMQRSCP", ports, folder) as node:
        store(STUDIES, node.ae_title, node.port, folder / "studies")
        yield node


@dataclass(frozen=True, slots=True)
class Site:
    """An archive and a Forefetch that retrieves from it. Only Forefetch knows the destination NOBODY."""

    archive: ArchiveNode
    forefetch: Forefetch


@pytest.fixture(scope="session")
def orthanc_site(orthanc_archive: ArchiveNode, ports: Ports, folders: Folders) -> Iterator[Site]:
    yield from _site(orthanc_archive, ports, folders("forefetch"))


@pytest.fixture(scope="session")
def dcmqrscp_site(dcmqrscp_archive: ArchiveNode, ports: Ports, folders: Folders) -> Iterator[Site]:
    yield from _site(dcmqrscp_archive, ports, folders("forefetch"))


def _site(archive: ArchiveNode, ports: Ports, folder: Path) -> Iterator[Site]:
    routes = routes_file(folder, (archive.ae_title, archive.port), {**ports, "NOBODY": free_port()})
    with forefetch(routes) as engine:
        yield Site(archive, engine)


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def site(request: pytest.FixtureRequest) -> Site:
    """A test that asks for it runs once with each archive."""
    chosen: Site = request.getfixturevalue(f"{request.param}_site")
    return chosen
