"""A route with relevance: Orthanc and dcmqrscp tell enough of studies and series for the right priors."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

import pytest
import yaml

from tests.peers.conftest import Folders
from tests.peers.dcmtk import store
from tests.peers.forefetch import Forefetch, forefetch, routes_file
from tests.peers.nodes import ArchiveNode, Ports, StorageNode
from tests.peers.orders import NEW, Order, omi, orm
from tests.peers.studies import OBJECTS, PRIOR_CR, PRIOR_CT
from tests.priors_archive import study

pytestmark = pytest.mark.peers

SAME = {study: OBJECTS[study] for study in (PRIOR_CT, PRIOR_CR)}
OF_CHEST, OF_LIVER = "2.25.2009001", "2.25.2009002"
NAMELESS = (
    study("FF-2009", OF_CHEST, dt.date(2025, 5, 5), "Follow-up", [("CT", "Thin", "CHEST")]),
    study("FF-2009", OF_LIVER, dt.date(2025, 4, 4), "Follow-up", [("CT", "Thin", "LIVER")]),
)
"""Studies of which only Body Part Examined tells what they are of."""


@pytest.fixture(scope="module", params=["orthanc", "dcmqrscp"])
def archive(request: pytest.FixtureRequest, folders: Folders) -> ArchiveNode:
    node: ArchiveNode = request.getfixturevalue(f"{request.param}_archive")
    store(NAMELESS, node.ae_title, node.port, folders("nameless") / "studies")
    return node


@pytest.fixture(scope="module")
def engine(archive: ArchiveNode, ports: Ports, folders: Folders) -> Iterator[Forefetch]:
    path = routes_file(folders("relevance"), (archive.ae_title, archive.port), ports)
    routes = yaml.safe_load(path.read_text(encoding="utf-8"))
    priors = {"patient": "PID-3[FOREST].1", "relevance": "builtin", "within": "10y", "newest": 3}
    routes["routes"][0]["studies"] = {"priors": priors}
    path.write_text(yaml.safe_dump(routes, sort_keys=False), encoding="utf-8")
    with forefetch(path) as process:
        yield process


@pytest.mark.parametrize("message", [orm, omi])
def test_a_chest_ct_brings_what_is_of_the_chest_and_not_the_knee(
    engine: Forefetch, archive: ArchiveNode, reading: StorageNode, message: Callable[[Order], bytes]
) -> None:
    assert engine.send(message(NEW)).code == "AA"
    assert reading.studies() == SAME
    assert archive.moves() == len(SAME)


def test_a_patient_without_relevant_priors_gets_none(
    engine: Forefetch, archive: ArchiveNode, reading: StorageNode
) -> None:
    """The studies of another patient are two knees, one of which is ordered."""
    ordered = Order("NW", study="2.25.1002001", accession="A1002-1", patient="FF-1002")
    assert engine.send(omi(ordered)).code == "AA"
    assert reading.studies() == {}
    assert archive.moves() == 0


def test_body_part_examined_decides_where_the_archive_tells_it(
    engine: Forefetch, archive: ArchiveNode, reading: StorageNode
) -> None:
    """dcmqrscp does not know the key: then the study may be of anything, and is not held back."""
    assert engine.send(orm(Order("NW", study="2.25.2009009", patient="FF-2009"))).code == "AA"
    tells = archive.ae_title == "ORTHANC"
    assert set(reading.studies()) == ({OF_CHEST} if tells else {OF_CHEST, OF_LIVER})
