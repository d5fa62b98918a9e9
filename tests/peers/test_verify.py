"""Destinations that can be asked: Orthanc and dcmqrscp, between which Orthanc moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import NamedTuple

import pytest

from engine.carry import Errand, carry
from engine.dicom.node import Archive, Node, Timeouts
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import Verify
from engine.scu import ArchiveClient, echo
from tests.peers.conftest import Folders
from tests.peers.dcmtk import dcmqrscp, store
from tests.peers.nodes import ArchiveNode
from tests.peers.orthanc import delete, orthanc
from tests.peers.processes import closed_port
from tests.peers.studies import MIXED, STUDIES, UNKNOWN

pytestmark = pytest.mark.peers

STUDY = Study(MIXED.study_uid)  # 3 CT and 2 MR
CT, MR = (series.series_uid for series in MIXED.series)
DOWN = ("does not answer", "no TCP connection")


class Nodes(NamedTuple):
    """An Orthanc with every study, the destinations that it knows, and a port at which nothing listens."""

    source: ArchiveNode
    second: ArchiveNode
    qrscp: ArchiveNode
    closed: int


@pytest.fixture(scope="module")
def nodes(folders: Folders) -> Iterator[Nodes]:
    folder = folders("source")
    with (
        closed_port() as closed,
        orthanc("SECOND", {}, folders("second")) as second,
        dcmqrscp("QRSCP", {}, folders("qrscp")) as qrscp,
        orthanc(
            "SOURCE", {"SECOND": second.port, "QRSCP": qrscp.port, "SWITCHEDOFF": closed}, folder
        ) as source,
    ):
        store(STUDIES, source.ae_title, source.port, folder / "studies")
        yield Nodes(source, second, qrscp, closed)


@pytest.fixture
def client() -> Iterator[Callable[[ArchiveNode], ArchiveClient]]:
    with ExitStack() as stack:

        def make(node: ArchiveNode) -> ArchiveClient:
            made = ArchiveClient(Archive(node.ae_title, node.ae_title, "127.0.0.1", node.port))
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def source(nodes: Nodes, client: Callable[[ArchiveNode], ArchiveClient]) -> ArchiveClient:
    return client(nodes.source)


@pytest.fixture
def second(nodes: Nodes, client: Callable[[ArchiveNode], ArchiveClient]) -> ArchiveClient:
    """An Orthanc that has nothing."""
    delete(nodes.second)
    return client(nodes.second)


ERRAND = Errand(STUDY, "SECOND", verify=Verify.STUDY, verify_within=5.0)


@pytest.mark.parametrize("verify", [Verify.STUDY, Verify.SERIES])
def test_orthanc_is_asked_whether_a_study_arrived_and_then_it_is_not_moved_again(
    nodes: Nodes, source: ArchiveClient, second: ArchiveClient, verify: Verify
) -> None:
    errand = replace(ERRAND, verify=verify, skip_present=True)
    first = carry(source, second, errand)
    assert (first.outcome.status, first.outcome.cause) == (TaskStatus.COMPLETED, Cause.ARRIVED)
    assert first.outcome.text.endswith("5 of 5 objects are at SECOND")
    again = carry(source, second, errand)
    assert (again.outcome.cause, again.outcome.arrived) == (Cause.ALREADY_THERE, True)
    assert again.instances == 5
    assert nodes.source.moves() == 1


def test_a_series_that_is_missing_is_moved_alone(
    nodes: Nodes, source: ArchiveClient, second: ArchiveClient
) -> None:
    assert carry(source, second, ERRAND).outcome.arrived
    delete(nodes.second, MR)
    skipping = replace(ERRAND, verify=Verify.SERIES, skip_present=True)
    carried = carry(source, second, skipping)
    assert carried.outcome.text == ("1 of 1 missing series arrived, 2 objects; 5 of 5 objects are at SECOND")
    assert (carried.outcome.arrived, carried.outcome.counters.completed, nodes.source.moves()) == (True, 2, 2)


def test_what_the_destination_lacks_after_a_success_is_missing_and_then_moved(
    nodes: Nodes, source: ArchiveClient, second: ArchiveClient
) -> None:
    """The success is of another series of the study: the destination is asked about all of it."""
    errand = replace(ERRAND, missing=(CT,), verify_within=0.0)
    short = carry(source, second, errand)
    assert (short.outcome.cause, short.outcome.arrived) == (Cause.MISSING, False)
    assert short.outcome.text == "3 of 5 objects are at SECOND, 2 missing"
    assert (short.missing, short.instances) == ((MR,), 5)
    whole = carry(source, second, replace(errand, missing=short.missing, verify_within=5.0))
    assert (whole.outcome.status, whole.outcome.arrived, whole.missing) == (TaskStatus.COMPLETED, True, ())
    assert nodes.source.moves() == 2


def test_dcmqrscp_does_not_count_and_so_verifies_nothing(
    nodes: Nodes, source: ArchiveClient, client: Callable[[ArchiveNode], ArchiveClient]
) -> None:
    carried = carry(source, client(nodes.qrscp), replace(ERRAND, destination_ae_title="QRSCP"))
    assert (carried.outcome.cause, carried.outcome.arrived) == (Cause.UNVERIFIED, False)
    assert carried.outcome.text == (
        "not verified: QRSCP does not count objects; the archive says: 5 objects arrived"
    )


def test_orthanc_does_not_have_an_unknown_study(source: ArchiveClient, second: ArchiveClient) -> None:
    carried = carry(source, second, replace(ERRAND, study=Study(UNKNOWN)))
    assert (carried.outcome.status, carried.outcome.cause) == (TaskStatus.FAILED, Cause.NOT_FOUND)
    assert (carried.outcome.text, carried.outcome.dicom_status) == ("the archive has no such study", 0xC000)


def test_orthanc_does_not_know_a_destination_that_answers(nodes: Nodes, source: ArchiveClient) -> None:
    node = Node("nobody", nodes.second.ae_title, "127.0.0.1", nodes.second.port)
    errand = Errand(STUDY, "NOBODY")
    outcome = carry(source, None, errand, echo=lambda: echo(node, "FOREFETCH", Timeouts())).outcome
    assert (outcome.cause, outcome.dicom_status) == (Cause.UNABLE_TO_PROCESS, 0xC000)
    assert outcome.text == "unable to process; the archive has it, and the destination answers"
    assert outcome.cure == "enter the destination's AE title, host and port in the archive"


def test_orthanc_cannot_reach_a_destination_that_is_down(nodes: Nodes, source: ArchiveClient) -> None:
    node = Node("off", "SWITCHEDOFF", "127.0.0.1", nodes.closed)
    errand = Errand(STUDY, "SWITCHEDOFF")
    outcome = carry(source, None, errand, echo=lambda: echo(node, "FOREFETCH", Timeouts())).outcome
    assert (outcome.cause, outcome.dicom_status) == (Cause.CANNOT_PERFORM, 0xC000)
    assert all(words in outcome.text for words in ("the archive has it", *DOWN))


@pytest.mark.parametrize("study", [STUDY, Study(STUDY.study_uid, MR)])
def test_a_dry_run_moves_nothing(
    nodes: Nodes, source: ArchiveClient, second: ArchiveClient, study: Study
) -> None:
    outcome = carry(source, second, replace(ERRAND, study=study, dry_run=True)).outcome
    number = 2 if study.series_uid else 5
    assert outcome.text == f"dry run: would have moved {number} objects to SECOND; nothing was moved"
    assert (nodes.source.moves(), second.find_studies(study_uid=STUDY.study_uid)) == (0, [])


def test_the_instances_of_a_series_are_told(
    source: ArchiveClient, nodes: Nodes, client: Callable[[ArchiveNode], ArchiveClient]
) -> None:
    told = source.find_instances(STUDY.study_uid, CT)
    assert len(set(told)) == 3
    qrscp = client(nodes.qrscp)
    assert carry(source, None, Errand(STUDY, "QRSCP")).outcome.arrived
    assert sorted(qrscp.find_instances(STUDY.study_uid, CT)) == sorted(told)
