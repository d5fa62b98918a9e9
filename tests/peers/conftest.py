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
from tests.peers.processes import LOG_SHOWN, closed_port, running
from tests.peers.studies import STUDIES

Folders = Callable[[str], Path]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what every peer has logged since the test began, where it fails."""
    report = yield
    if report.failed:
        logs = [(f"log of {peer.name}", peer.log_since_mark()[-LOG_SHOWN:]) for peer in running()]
        report.sections += [(title, log) for title, log in logs if log]
    return report


@pytest.fixture(autouse=True)
def _logs_begin_here() -> None:
    for peer in running():
        peer.mark()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    return lambda name: tmp_path_factory.mktemp(name)


@pytest.fixture(scope="session")
def _destinations(folders: Folders) -> Iterator[tuple[StorageNode, StorageNode]]:
    with (
        storescp("READING", folders("reading")) as reading,
        storescp("CTONLY", folders("ct-only"), ct_only=True) as ct_only,
    ):
        yield reading, ct_only


@pytest.fixture
def reading(_destinations: tuple[StorageNode, StorageNode]) -> StorageNode:
    """A destination, empty."""
    _destinations[0].empty()
    return _destinations[0]


@pytest.fixture
def ct_only(_destinations: tuple[StorageNode, StorageNode]) -> StorageNode:
    """A destination that refuses what is not CT, empty."""
    _destinations[1].empty()
    return _destinations[1]


@pytest.fixture(scope="session")
def ports(_destinations: tuple[StorageNode, StorageNode]) -> Iterator[Ports]:
    """Of the destinations that the archives know. Nothing listens for SWITCHEDOFF."""
    with closed_port() as closed:
        yield {**{node.ae_title: node.port for node in _destinations}, "SWITCHEDOFF": closed}


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
    routes = routes_file(folder, (archive.ae_title, archive.port), {**ports, "NOBODY": 104})
    with forefetch(routes) as engine:
        yield Site(archive, engine)


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def site(request: pytest.FixtureRequest) -> Site:
    """A test that asks for it runs once with each archive."""
    chosen: Site = request.getfixturevalue(f"{request.param}_site")
    return chosen
