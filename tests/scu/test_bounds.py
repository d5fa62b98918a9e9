"""What an operation never does: go out ambiguous, wait for ever, use what was not accepted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from pynetdicom.dimse_primitives import C_FIND, C_MOVE

from engine.errors import (
    AssociationRejected,
    IdentifierError,
    NodeTimeout,
)
from engine.scu import ArchiveClient
from tests.dicom_peers import (
    PENDING,
    SOP_CLASSES,
    SUCCESS,
    Reply,
    Request,
    answer,
    result,
    scripted_scp,
)
from tests.scu.conftest import Connect, requestor_threads

# what must never go on the wire

Call = Callable[[ArchiveClient], object]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.move("1.2.3\\1.2.4", "DEST"),
        lambda client: client.move("1.2.3", "DEST", "1.2.1\\1.2.2"),
        lambda client: client.move("", "DEST"),
        lambda client: client.move("1.2.*", "DEST"),
        lambda client: client.move("1.2.3", ""),
        lambda client: client.move("1.2.3", "A\\B"),
        lambda client: client.move("1.2.3", "A TITLE THAT IS TOO LONG"),
        lambda client: client.find_studies(),
        lambda client: client.find_studies(patient_id=" "),
        lambda client: client.find_studies(patient_id="P*"),
        lambda client: client.find_studies(patient_id="P1\\P2"),
        lambda client: client.find_studies(patient_id="P\udc84"),
        lambda client: client.find_studies(accession="?"),
        lambda client: client.find_studies(accession="A1", patient_id="*"),
        lambda client: client.find_studies(study_uid="1.2\\1.3"),
        lambda client: client.find_series(""),
        lambda client: client.find_series("1.2", "1.2.1\\1.2.2"),
    ],
)
def test_an_identifier_that_could_mean_more_than_one_thing_opens_no_connection(
    connect: Connect, call: Call
) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        with pytest.raises(IdentifierError):
            call(connect(scp.port))
        assert scp.connections == 0


# time


def go_on_until(over: Callable[[Request], bool], last: Reply) -> Callable[[Request], Iterator[Reply]]:
    """A script of pending responses without end, until the other side has done something."""

    def script(request: Request) -> Iterator[Reply]:
        while not over(request) and not request.ended:
            yield result(StudyInstanceUID="1.2.3", PatientID="P1")
            threading.Event().wait(0.005)
        yield last

    return script


FIND_AND_MOVE: list[Call] = [
    lambda client: client.find_studies(patient_id="P1"),
    lambda client: client.move("1.2.3", "VIEW"),
]


@pytest.mark.parametrize("call", FIND_AND_MOVE)
def test_an_operation_that_goes_on_for_ever_is_canceled_at_the_total_time(
    connect: Connect, call: Call
) -> None:
    with scripted_scp(go_on_until(lambda request: request.is_cancelled, Reply(0xFE00))) as scp:
        client = connect(scp.port, total=0.3)
        with pytest.raises(NodeTimeout, match=r"C-\w+ was not finished after 0\.3 s in all"):
            call(client)
        assert scp.cancels == [scp.requests[0].message_id]
        assert client.open_associations == 0


@pytest.mark.parametrize("call", FIND_AND_MOVE)
def test_an_operation_that_goes_on_in_spite_of_that_is_aborted(connect: Connect, call: Call) -> None:
    with scripted_scp(go_on_until(lambda request: request.ended, SUCCESS)) as scp:
        client = connect(scp.port, total=0.3, grace=0.3)
        with pytest.raises(NodeTimeout, match=r"C-\w+ was not finished after 0\.3 s in all"):
            call(client)
        assert scp.requests[0].wait_for_end()
        assert client.open_associations == 0
        assert requestor_threads() == []


def test_a_move_that_ends_between_that_cancel_and_the_abort_is_reported_as_it_ended(
    connect: Connect,
) -> None:
    final = Reply(0x0000, completed=9)
    with scripted_scp(go_on_until(lambda request: request.is_cancelled, final)) as scp:
        client = connect(scp.port, total=0.3)
        assert client.move("1.2.3", "VIEW").counters.completed == 9
        assert client.open_associations == 1


def test_an_echo_that_is_not_answered_in_the_total_time_is_not_canceled(connect: Connect) -> None:
    with scripted_scp(go_on_until(lambda request: request.wait_for_end(), SUCCESS)) as scp:
        client = connect(scp.port, total=0.3)
        with pytest.raises(NodeTimeout, match="C-ECHO was not finished"):
            client.echo()
    assert scp.cancels == []


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.echo(),
        lambda client: client.find_studies(patient_id="P1"),
        lambda client: client.move("1.2.3", "VIEW"),
    ],
)
@pytest.mark.parametrize("pending", [0, 1])
def test_silence_between_responses_is_a_timeout_of_its_own(
    connect: Connect, call: Call, pending: int
) -> None:
    def script(request: Request) -> Iterator[Reply]:
        if pending and isinstance(request.message, C_FIND):
            yield result(StudyInstanceUID="1.2.3", PatientID="P1")
        elif pending and isinstance(request.message, C_MOVE):
            yield Reply(PENDING)
        request.wait_for_end()

    with scripted_scp(script) as scp:
        client = connect(scp.port, dimse=0.3)
        with pytest.raises(NodeTimeout, match=r"no response to C-\w+ for 0\.3 s"):
            call(client)
        assert client.open_associations == 0
        assert requestor_threads() == []
        assert scp.associations == 1


# presentation contexts


def test_an_archive_without_move_can_be_asked_but_not_told(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS), sop_classes=SOP_CLASSES[:2]) as scp:
        client = connect(scp.port)
        assert client.find_studies(patient_id="P1") == []
        with pytest.raises(AssociationRejected, match="MOVE"):
            client.move("1.2.3", "VIEW")
        assert len(scp.requests) == 1
