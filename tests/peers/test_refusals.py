"""What does not arrive, and what the acknowledgment says of it: the answers are the archives' own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.conftest import Site
from tests.peers.forefetch import SWITCH, forefetch, routes_file
from tests.peers.nodes import ArchiveNode, Ports, StorageNode
from tests.peers.orders import NEW, Order, Problem, omi, orm
from tests.peers.processes import closed_port
from tests.peers.studies import MIXED, PRIOR_CT, UNKNOWN

pytestmark = pytest.mark.peers

NOTHING = "completed 0, failed 0, warning 0"
# DICOM status and counters by archive. Orthanc 1.10 says C000 whatever goes wrong, and counts nothing.
STUDY_UNKNOWN = {"ORTHANC": ("C000", NOTHING), "DCMQRSCP": ("0000", NOTHING)}
DESTINATION_UNKNOWN = {"ORTHANC": ("C000", NOTHING), "DCMQRSCP": ("A801", NOTHING)}
DESTINATION_DOWN = {
    "ORTHANC": ("C000", NOTHING),
    "DCMQRSCP": ("A702", "completed 0, failed 5, warning 0"),
}


def refused(site: Site, order: Order) -> Problem:
    """The one ERR segment of an AE."""
    acknowledgment = site.forefetch.send(omi(order))
    assert acknowledgment.code == "AE"
    (problem,) = acknowledgment.problems()
    return problem


def test_an_unknown_study_is_told_whatever_the_archive_calls_it(site: Site, reading: StorageNode) -> None:
    problem = refused(site, Order(study=UNKNOWN))
    status, counters = STUDY_UNKNOWN[site.archive.ae_title]
    assert (problem.severity, problem.application_code) == ("E", status)
    assert counters in problem.diagnostics
    assert UNKNOWN in problem.text
    assert (site.archive.moves(), reading.studies()) == (1, {})


def test_before_2_5_err_1_has_the_dicom_status(site: Site, reading: StorageNode) -> None:
    acknowledgment = site.forefetch.send(orm(Order(study=UNKNOWN)))
    assert acknowledgment.code == "AE"
    (error,) = acknowledgment.errors()
    status, _ = STUDY_UNKNOWN[site.archive.ae_title]
    assert f"&HL70357&{status}&" in error
    assert reading.studies() == {}


def test_a_destination_that_the_archive_does_not_know_is_told(site: Site, reading: StorageNode) -> None:
    problem = refused(site, Order(study=PRIOR_CT, room="NOBODY"))
    status, counters = DESTINATION_UNKNOWN[site.archive.ae_title]
    assert (problem.severity, problem.application_code) == ("E", status)
    assert counters in problem.diagnostics
    assert "NOBODY" in problem.text
    assert (site.archive.moves(), reading.studies()) == (1, {})


def test_a_destination_that_is_down_is_told_with_the_counts(site: Site, reading: StorageNode) -> None:
    problem = refused(site, Order(study=PRIOR_CT, room="SWITCHEDOFF"))
    status, counters = DESTINATION_DOWN[site.archive.ae_title]
    assert (problem.severity, problem.application_code) == ("E", status)
    assert counters in problem.diagnostics
    assert (site.archive.moves(), reading.studies()) == (1, {})


def test_dcmqrscp_counts_what_a_destination_refuses_and_so_does_the_acknowledgment(
    dcmqrscp_site: Site, ct_only: StorageNode
) -> None:
    problem = refused(dcmqrscp_site, Order(study=MIXED.study_uid, room="CTONLY"))
    assert (problem.severity, problem.application_code) == ("W", "B000")
    assert "completed 3, failed 2, warning 0" in problem.diagnostics
    assert ct_only.series() == {f"{MIXED.study_uid}.1": 3}


def test_what_a_destination_refuses_of_orthanc_is_not_told_as_arrived(
    orthanc_site: Site, ct_only: StorageNode
) -> None:
    """Orthanc stops at the first object that is refused; its counters leave out those that went before."""
    problem = refused(orthanc_site, Order(study=MIXED.study_uid, room="CTONLY"))
    assert (problem.severity, problem.application_code) == ("E", "C000")
    assert f"{MIXED.study_uid}.2" not in ct_only.series()


def test_an_archive_that_is_down_is_told_as_unreachable(
    reading: StorageNode, ports: Ports, tmp_path: Path
) -> None:
    with (
        closed_port() as closed,
        forefetch(routes_file(tmp_path, ("ORTHANC", closed), ports)) as engine,
    ):
        acknowledgment = engine.send(omi(Order(study=PRIOR_CT)))
    assert acknowledgment.code == "AE"
    (problem,) = acknowledgment.problems()
    assert (problem.severity, problem.application_code) == ("E", "unreachable")
    assert reading.studies() == {}


def test_orthanc_rejects_the_wrong_called_ae_title_and_that_is_told(
    orthanc_archive: ArchiveNode, reading: StorageNode, ports: Ports, tmp_path: Path
) -> None:
    with forefetch(routes_file(tmp_path, ("ELSEWHERE", orthanc_archive.port), ports)) as engine:
        acknowledgment = engine.send(omi(Order(study=PRIOR_CT)))
    assert acknowledgment.code == "AE"
    (problem,) = acknowledgment.problems()
    assert (problem.severity, problem.application_code) == ("E", "association-rejected")
    assert (orthanc_archive.moves(), reading.studies()) == (0, {})


@pytest.mark.parametrize("order", [NEW, Order(study=PRIOR_CT)])
def test_orthanc_lets_a_stranger_neither_query_nor_retrieve_and_the_cure_is_told(
    orthanc_archive: ArchiveNode, reading: StorageNode, ports: Ports, tmp_path: Path, order: Order
) -> None:
    """It accepts the association, and aborts it at the first request."""
    routes = routes_file(
        tmp_path, (orthanc_archive.ae_title, orthanc_archive.port), ports, calling="STRANGER"
    )
    with forefetch(routes) as engine:
        acknowledgment = engine.send(omi(order))
    assert acknowledgment.code == "AE"
    (problem,) = acknowledgment.problems()
    assert (problem.severity, problem.application_code) == ("E", "association-aborted")
    assert "enter this calling AE title in the archive" in problem.text
    assert reading.studies() == {}


@pytest.mark.parametrize("switch", [None, "True", "1", "true "])
@pytest.mark.parametrize("order", [NEW, Order(study=PRIOR_CT)])
def test_with_the_gate_closed_the_archive_is_not_even_called(
    orthanc_archive: ArchiveNode,
    reading: StorageNode,
    ports: Ports,
    tmp_path: Path,
    switch: str | None,
    order: Order,
) -> None:
    routes = routes_file(tmp_path, (orthanc_archive.ae_title, orthanc_archive.port), ports)
    with forefetch(routes, switch) as engine:
        acknowledgment = engine.send(omi(order))
        older = engine.send(orm(order))
    assert (acknowledgment.code, older.code) == ("AE", "AE")
    (problem,) = acknowledgment.problems()
    assert f"set the environment variable {SWITCH} to exactly 'true'" in problem.text
    assert (orthanc_archive.associations(), orthanc_archive.moves()) == (0, 0)
    assert (reading.stores(), reading.studies()) == (0, {})
