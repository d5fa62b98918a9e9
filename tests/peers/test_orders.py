"""An order by MLLP, and what is at the workstation then: Orthanc and dcmqrscp send, storescp receives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.peers.conftest import Site
from tests.peers.nodes import StorageNode
from tests.peers.orders import NEW, Order, control_id, omi, orm
from tests.peers.studies import LARGE, OBJECTS, PATIENT, PRIOR_CR, PRIOR_CT, PRIOR_MR

pytestmark = pytest.mark.peers

PRIORS = {study: OBJECTS[study] for study in (PRIOR_CT, PRIOR_MR)}
BOTH_VERSIONS = pytest.mark.parametrize("message", [orm, omi])


@BOTH_VERSIONS
def test_a_new_order_brings_the_priors_and_nothing_else(
    site: Site, reading: StorageNode, message: Callable[[Order], bytes]
) -> None:
    order = message(NEW)
    acknowledgment = site.forefetch.send(order)
    assert (acknowledgment.code, acknowledgment.control_id) == ("AA", control_id(order))
    assert reading.studies() == PRIORS
    assert {(dataset.PatientID, dataset.IssuerOfPatientID) for dataset in reading.datasets()} == {
        (PATIENT, "FOREST")
    }
    assert site.archive.moves() == len(PRIORS)


def test_before_2_5_the_acknowledgment_of_what_arrived_has_no_err(site: Site, reading: StorageNode) -> None:
    acknowledgment = site.forefetch.send(orm(NEW))
    assert (acknowledgment.code, acknowledgment.text) == ("AA", "2 of 2 studies arrived")
    assert acknowledgment.errors() == []
    assert reading.studies() == PRIORS


def test_from_2_5_on_the_acknowledgment_has_an_err_for_each_study(site: Site, reading: StorageNode) -> None:
    problems = site.forefetch.send(omi(NEW)).problems()
    assert [(problem.severity, problem.code) for problem in problems] == [("I", "0")] * len(PRIORS)
    for study, objects in reading.studies().items():
        told = next(problem for problem in problems if study in problem.text)
        assert f"completed {objects}, failed 0, warning 0" in told.diagnostics


def test_the_log_of_forefetch_names_no_patient(site: Site, reading: StorageNode) -> None:
    assert site.forefetch.send(omi(NEW)).code == "AA"
    log = site.forefetch.process.log_since_mark()
    assert "OMI^O23" in log
    assert not [word for word in (PATIENT, "Aalto", "19610314") if word in log]


def test_an_accession_number_alone_brings_its_study(site: Site, reading: StorageNode) -> None:
    assert site.forefetch.send(omi(Order(accession="A1001-3"))).code == "AA"
    assert reading.studies() == {PRIOR_CR: OBJECTS[PRIOR_CR]}


def test_an_unknown_accession_number_is_told_and_moves_nothing(site: Site, reading: StorageNode) -> None:
    acknowledgment = site.forefetch.send(omi(Order(accession="A1001-33")))
    assert acknowledgment.code == "AE"
    (problem,) = acknowledgment.problems()
    assert (problem.severity, problem.code) == ("E", "204")
    assert site.archive.moves() == 0
    assert reading.studies() == {}


def test_a_large_study_arrives_whole_and_is_counted(site: Site, reading: StorageNode) -> None:
    acknowledgment = site.forefetch.send(omi(Order(study=LARGE.study_uid)))
    assert acknowledgment.code == "AA"
    (problem,) = acknowledgment.problems()
    assert "completed 50, failed 0, warning 0" in problem.diagnostics
    assert reading.studies() == {LARGE.study_uid: 50}
    assert len({dataset.SOPInstanceUID for dataset in reading.datasets()}) == 50


def test_a_series_comes_without_the_others_of_its_study(site: Site, reading: StorageNode) -> None:
    assert site.forefetch.send(omi(Order(study=PRIOR_CT, series=f"{PRIOR_CT}.1"))).code == "AA"
    assert reading.series() == {f"{PRIOR_CT}.1": 2}


def test_a_series_of_another_study_is_refused(site: Site, reading: StorageNode) -> None:
    """Orthanc would send it: it looks at the lowest of the UIDs only."""
    acknowledgment = site.forefetch.send(omi(Order(study=PRIOR_CT, series=f"{PRIOR_MR}.1")))
    assert acknowledgment.code == "AE"
    (problem,) = acknowledgment.problems()
    assert (problem.severity, problem.code) == ("E", "204")
    assert site.archive.moves() == 0
    assert reading.studies() == {}


@BOTH_VERSIONS
def test_a_message_sent_again_gets_the_same_bytes_and_moves_nothing_more(
    site: Site, reading: StorageNode, message: Callable[[Order], bytes]
) -> None:
    order = message(NEW)
    first = site.forefetch.send(order)
    assert first.code == "AA"
    assert reading.stores() == sum(PRIORS.values())
    assert site.forefetch.send(order).raw == first.raw
    assert reading.stores() == sum(PRIORS.values())
    assert site.archive.moves() == len(PRIORS)
