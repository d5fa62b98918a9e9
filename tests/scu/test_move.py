"""C-MOVE against real SCPs: responses, progress, cancel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_primitives import C_MOVE

from engine.errors import (
    AssociationAborted,
)
from engine.retrieve.outcome import MoveResponse, SubOperations
from engine.retrieve.task import Priority
from engine.stop import Stop
from tests.dicom_peers import (
    PENDING,
    SUCCESS,
    Reply,
    Request,
    answer,
    scripted_scp,
)
from tests.scu.conftest import Connect, requestor_threads

# C-MOVE


def test_a_move_carries_level_uids_destination_and_priority(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        client = connect(scp.port)
        client.move("1.2.3", "VIEW", priority=Priority.HIGH)
        client.move("1.2.3", "VIEW", "1.2.3.1")
        study, series = scp.requests
    assert isinstance(study.message, C_MOVE)
    assert isinstance(series.message, C_MOVE)
    assert (study.message.MoveDestination, study.message.Priority) == ("VIEW", 1)
    assert series.message.Priority == 0
    assert study.identifier is not None
    assert series.identifier is not None
    assert {e.keyword: e.value for e in study.identifier} == {
        "QueryRetrieveLevel": "STUDY",
        "StudyInstanceUID": "1.2.3",
    }
    assert {e.keyword: e.value for e in series.identifier} == {
        "QueryRetrieveLevel": "SERIES",
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.1",
    }


@pytest.mark.parametrize(
    ("final", "expected"),
    [
        (Reply(0x0000), MoveResponse(0x0000)),
        (
            Reply(0x0000, remaining=0, completed=0, failed=0, warning=0),
            MoveResponse(0x0000, SubOperations(0, 0, 0, 0)),
        ),
        (Reply(0x0000, completed=7), MoveResponse(0x0000, SubOperations(completed=7))),
        (
            Reply(0xA801, comment="no such destination"),
            MoveResponse(0xA801, comment="no such destination"),
        ),
        (Reply(0x4242, failed=1), MoveResponse(0x4242, SubOperations(failed=1))),
    ],
)
def test_counters_that_are_absent_are_not_zero(
    connect: Connect, final: Reply, expected: MoveResponse
) -> None:
    with scripted_scp(answer(final)) as scp:
        client = connect(scp.port)
        assert client.move("1.2.3", "VIEW") == expected
        refused = expected.status in (0xA801, 0x4242)  # after which an association is not used again
        assert client.open_associations == (0 if refused else 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["1.2.3.1", "1.2.3.2"], ("1.2.3.1", "1.2.3.2")),
        ("1.2.3.1", ("1.2.3.1",)),
        (None, ()),
    ],
)
@pytest.mark.parametrize("status", [0xB000, 0xA702, 0xFE00, 0xC000])
def test_the_failed_instances_are_read(
    connect: Connect, status: int, value: list[str] | str | None, expected: tuple[str, ...]
) -> None:
    identifier = Dataset()
    identifier.FailedSOPInstanceUIDList = value
    with scripted_scp(answer(Reply(status, identifier, completed=1, failed=2))) as scp:
        response = connect(scp.port).move("1.2.3", "VIEW")
    assert response.failed_instances == expected
    assert response.counters == SubOperations(completed=1, failed=2)


def test_progress_is_told_of_every_pending_response_and_the_last_is_kept(connect: Connect) -> None:
    replies = answer(
        Reply(PENDING, remaining=2, completed=0, failed=0, warning=0),
        Reply(PENDING),
        Reply(PENDING, remaining=0, completed=2),
        SUCCESS,
    )
    told: list[SubOperations] = []
    with scripted_scp(replies) as scp:
        response = connect(scp.port).move("1.2.3", "VIEW", progress=told.append)
    assert told == [SubOperations(2, 0, 0, 0), SubOperations(), SubOperations(remaining=0, completed=2)]
    assert response.last_pending == told[-1]


def test_without_pending_responses_there_is_no_last_one(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        assert connect(scp.port).move("1.2.3", "VIEW").last_pending is None


def test_an_error_in_progress_ends_the_association(connect: Connect) -> None:
    def fail(counters: SubOperations) -> None:
        raise KeyError("the observer's own")

    with scripted_scp(answer(Reply(PENDING), SUCCESS)) as scp:
        client = connect(scp.port)
        with pytest.raises(KeyError):
            client.move("1.2.3", "VIEW", progress=fail)
        assert client.open_associations == 0


# cancel


@pytest.mark.parametrize("talkative", [False, True])
def test_a_cancel_reaches_the_archive_and_its_final_response_is_returned(
    connect: Connect, talkative: bool
) -> None:
    canceled = threading.Event()
    seen: list[bool] = []

    def script(request: Request) -> Iterator[Reply]:
        if talkative:
            yield Reply(PENDING, remaining=5, completed=1)
        canceled.set()
        seen.append(request.wait_for_cancel())
        yield Reply(0xFE00, remaining=4, completed=2)

    with scripted_scp(script) as scp:
        client = connect(scp.port)
        response = client.move("1.2.3", "VIEW", canceled=canceled)
        assert seen == [True]
        assert (response.status, response.counters) == (0xFE00, SubOperations(remaining=4, completed=2))
        assert client.open_associations == 1


def test_a_move_that_ends_in_spite_of_the_cancel_is_reported_as_it_ended(connect: Connect) -> None:
    canceled = threading.Event()

    def script(request: Request) -> Iterator[Reply]:
        canceled.set()
        request.wait_for_cancel()
        yield Reply(PENDING, remaining=0, completed=9)
        yield Reply(0x0000, completed=9)

    with scripted_scp(script) as scp:
        assert connect(scp.port).move("1.2.3", "VIEW", canceled=canceled).status == 0x0000


def test_one_cancel_is_sent_however_long_the_archive_takes(connect: Connect) -> None:
    canceled = threading.Event()

    def script(request: Request) -> Iterator[Reply]:
        canceled.set()
        request.wait_for_cancel()
        for _ in range(10):
            yield Reply(PENDING, remaining=5)
            threading.Event().wait(0.05)
        yield Reply(0xFE00)

    with scripted_scp(script) as scp:
        assert connect(scp.port).move("1.2.3", "VIEW", canceled=canceled).status == 0xFE00
        assert scp.cancels == [scp.requests[0].message_id]


@pytest.mark.parametrize("talkative", [False, True])
def test_an_archive_that_ignores_the_cancel_is_aborted_after_the_grace(
    connect: Connect, talkative: bool
) -> None:
    canceled = threading.Event()
    ended: list[bool] = []

    def script(request: Request) -> Iterator[Reply]:
        canceled.set()
        while talkative and not request.ended:
            yield Reply(PENDING, remaining=5)
            threading.Event().wait(0.005)
        ended.append(request.wait_for_end())

    with scripted_scp(script) as scp:
        client = connect(scp.port, grace=0.3)
        with pytest.raises(AssociationAborted, match=r"for 0\.3 s after C-CANCEL"):
            client.move("1.2.3", "VIEW", canceled=canceled)
        assert client.open_associations == 0
        assert requestor_threads() == []
        assert scp.associations == 1  # and no second try
    assert ended == [True]


def test_what_is_canceled_beforehand_is_never_sent(connect: Connect) -> None:
    canceled = threading.Event()
    canceled.set()
    with scripted_scp(answer(SUCCESS)) as scp:
        assert connect(scp.port).move("1.2.3", "VIEW", canceled=canceled) == MoveResponse(0xFE00)
        assert scp.connections == 0


def test_what_is_forbidden_while_the_request_is_made_is_not_sent(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process may stand still at any point, for longer than what it had is its own."""
    allowed = [True]
    make = DIMSEServiceProvider.send_msg

    def stand_still(*arguments: Any) -> None:
        allowed[0] = False
        make(*arguments)

    stop = Stop(lambda: allowed[0])
    with scripted_scp(answer(SUCCESS)) as scp:
        client = connect(scp.port)
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(DIMSEServiceProvider, "send_msg", stand_still)
            assert client.move("1.2.3", "VIEW", canceled=stop) == MoveResponse(0xFE00)
        assert stop.refused
        assert client.open_associations == 0  # the archive has half of a request there
        assert client.move("1.2.4", "VIEW").status == 0x0000
        assert [it.identifier and it.identifier.StudyInstanceUID for it in scp.requests] == ["1.2.4"]


def test_what_has_begun_goes_on_when_nothing_may_begin_any_more_and_may_be_canceled(
    connect: Connect,
) -> None:
    allowed = [True]
    stop = Stop(lambda: allowed[0])

    def script(request: Request) -> Iterator[Reply]:
        allowed[0] = False
        yield Reply(PENDING, remaining=5)
        stop.set()
        request.wait_for_cancel()
        yield Reply(0xFE00)

    with scripted_scp(script) as scp:
        assert connect(scp.port).move("1.2.3", "VIEW", canceled=stop).status == 0xFE00
        assert scp.cancels
    assert not stop.refused
