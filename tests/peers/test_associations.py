"""How many associations the archives see: they are kept from one order to the next, and opened again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.dcmtk import store
from tests.peers.forefetch import forefetch, routes_file
from tests.peers.nodes import ArchiveNode, Ports, StorageNode
from tests.peers.orders import NEW, Order, omi
from tests.peers.orthanc import orthanc
from tests.peers.studies import OBJECTS, PRIOR_CT, STUDIES

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("archive", ["orthanc_archive", "dcmqrscp_archive"])
def test_ten_orders_one_after_another_use_one_association(
    request: pytest.FixtureRequest, archive: str, reading: StorageNode, ports: Ports, tmp_path: Path
) -> None:
    node: ArchiveNode = request.getfixturevalue(archive)
    node.process.mark_when_quiet()
    with forefetch(routes_file(tmp_path, (node.ae_title, node.port), ports, concurrency=1)) as engine:
        assert [engine.send(omi(NEW)).code for _ in range(10)] == ["AA"] * 10
    assert (node.moves(), node.associations()) == (20, 1)


def test_after_orthanc_has_ended_an_idle_association_the_next_order_succeeds(
    reading: StorageNode, ports: Ports, tmp_path: Path
) -> None:
    order = Order(study=PRIOR_CT)
    with orthanc("ORTHANC", ports, tmp_path, idle=1) as node:
        wanted = [study for study in STUDIES if study.study_uid == PRIOR_CT]
        store(wanted, node.ae_title, node.port, tmp_path / "studies")
        node.process.mark()
        with forefetch(routes_file(tmp_path, (node.ae_title, node.port), ports)) as engine:
            assert engine.send(omi(order)).code == "AA"
            node.process.await_that(
                lambda: "aborting association with AET FOREFETCH" in node.process.log_since_mark(),
                "rid of the idle association",
            )
            reading.empty()
            assert engine.send(omi(order)).code == "AA"
        assert (node.moves(), node.associations()) == (2, 2)
    assert reading.studies() == {PRIOR_CT: OBJECTS[PRIOR_CT]}
