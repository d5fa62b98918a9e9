"""C-ECHO, C-FIND and C-MOVE against real SCPs."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dimse_primitives import C_FIND, C_MOVE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

import engine.scu.client
from engine.dicom.node import Node, Timeouts
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.errors import (
    AssociationAborted,
    AssociationRejected,
    IdentifierError,
    NodeError,
    NodeTimeout,
    QueryFailed,
)
from engine.retrieve.outcome import MoveResponse, SubOperations
from engine.retrieve.task import Priority
from engine.scu import ArchiveClient, echo
from tests.dicom_peers import SOP_CLASSES, Reply, Request, eventually, scripted_scp
from tests.scu.conftest import Connect, requestor_threads

PENDING = 0xFF00


def result(**values: Any) -> Reply:
    identifier = Dataset()
    for keyword, value in values.items():
        setattr(identifier, keyword, value)
    return Reply(PENDING, identifier)


def answer(*replies: Reply) -> Callable[[Request], Iterator[Reply]]:
    return lambda request: iter(replies)


SUCCESS = Reply(0x0000)


# C-ECHO


def test_an_echo_of_success_is_silent_and_keeps_its_association(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        client = connect(scp.port)
        client.echo()
        assert [type(request.message).__name__ for request in scp.requests] == ["C_ECHO"]
        assert client.open_associations == 1


def test_an_echo_with_another_status_is_an_error_that_names_it(connect: Connect) -> None:
    with scripted_scp(answer(Reply(0x0122))) as scp, pytest.raises(NodeError, match="0x0122"):
        connect(scp.port).echo()


def test_an_echo_to_a_destination_uses_its_own_association_and_releases_it() -> None:
    with scripted_scp(answer(SUCCESS), sop_classes=[Verification]) as scp:
        echo(Node("view", "ARCHIVE", "127.0.0.1", scp.port), "FOREFETCH", Timeouts())
        assert eventually(lambda: scp.released == 1)
        assert scp.associations == 1
        assert scp.open[0].requestor.ae_title == "FOREFETCH"
    assert requestor_threads() == []


def test_a_failed_echo_to_a_destination_leaves_nothing_behind() -> None:
    with scripted_scp(answer(Reply(0x0110)), sop_classes=[Verification]) as scp:
        with pytest.raises(NodeError, match="view: C-ECHO ended with status 0x0110"):
            echo(Node("view", "ARCHIVE", "127.0.0.1", scp.port), "FOREFETCH", Timeouts())
        assert requestor_threads() == []
    assert scp.released == 0


# C-FIND


def test_a_study_is_read_with_all_that_the_archive_tells(connect: Connect) -> None:
    study = result(
        StudyInstanceUID="1.2.3",
        PatientID="P1 ",
        IssuerOfPatientID="HOSP",
        AccessionNumber="A1",
        StudyDate="20240229",
        StudyDescription="CT THORAX",
        ModalitiesInStudy=["CT", "SR"],
        NumberOfStudyRelatedInstances=412,
    )
    with scripted_scp(answer(study, SUCCESS)) as scp:
        assert connect(scp.port).find_studies(patient_id="P1") == [
            StudyRecord("1.2.3", "P1", "HOSP", "A1", dt.date(2024, 2, 29), "CT THORAX", ("CT", "SR"), 412)
        ]


def test_what_the_archive_leaves_out_is_unknown(connect: Connect) -> None:
    bare = result(StudyInstanceUID="1.2.3", PatientID="P1")
    empty = result(
        StudyInstanceUID="1.2.4",
        PatientID="P1",
        ModalitiesInStudy=None,
        NumberOfStudyRelatedInstances=None,
        StudyDate="",
    )
    with scripted_scp(answer(bare, empty, SUCCESS)) as scp:
        assert connect(scp.port).find_studies(patient_id="P1") == [
            StudyRecord("1.2.3", "P1"),
            StudyRecord("1.2.4", "P1"),
        ]


@pytest.mark.parametrize("date", ["2024.02.29", "20230229", "2024", "20240101-20240201", "0000"])
def test_a_date_that_is_none_is_unknown(connect: Connect, date: str) -> None:
    study = result(StudyInstanceUID="1.2.3", PatientID="P1", StudyDate=date)
    with scripted_scp(answer(study, SUCCESS)) as scp:
        assert connect(scp.port).find_studies(patient_id="P1") == [StudyRecord("1.2.3", "P1")]


def test_a_study_query_asks_at_study_level_for_all_return_keys(connect: Connect) -> None:
    with scripted_scp(answer(SUCCESS)) as scp:
        connect(scp.port).find_studies(accession=" A1 ", study_uid="1.2.3")
        identifier = scp.requests[0].identifier
    assert identifier is not None
    assert {element.keyword: element.value or "" for element in identifier} == {
        "QueryRetrieveLevel": "STUDY",
        "StudyInstanceUID": "1.2.3",
        "AccessionNumber": "A1",
        "PatientID": "",
        "IssuerOfPatientID": "",
        "StudyDate": "",
        "StudyTime": "",
        "StudyDescription": "",
        "ModalitiesInStudy": "",
        "NumberOfStudyRelatedInstances": "",
    }


@pytest.mark.parametrize(
    ("asked", "returned"),
    [
        ({"patient_id": "P1"}, {"StudyInstanceUID": "1.2.3", "PatientID": "P12"}),
        ({"patient_id": "P1"}, {"StudyInstanceUID": "1.2.3", "PatientID": "p1"}),
        ({"patient_id": "P1"}, {"StudyInstanceUID": "1.2.3", "PatientID": ["P1", "P2"]}),
        ({"patient_id": "P1"}, {"StudyInstanceUID": "1.2.3"}),
        ({"accession": "A1"}, {"StudyInstanceUID": "1.2.3", "AccessionNumber": "A10"}),
        ({"study_uid": "1.2.3"}, {"StudyInstanceUID": "1.2.30"}),
        ({"patient_id": "P1"}, {"PatientID": "P1"}),
        ({"patient_id": "P1"}, {"PatientID": "P1", "StudyInstanceUID": "1.2.x"}),
        ({"patient_id": "P1"}, {"PatientID": "P1", "StudyInstanceUID": ["1.2.3", "1.2.4"]}),
        (
            {"patient_id": "P1", "accession": "A1"},
            {"StudyInstanceUID": "1.2.3", "PatientID": "P2", "AccessionNumber": "A1"},
        ),
    ],
)
def test_a_result_without_exactly_the_key_that_was_asked_is_dropped_and_counted(
    connect: Connect,
    caplog: pytest.LogCaptureFixture,
    asked: dict[str, str],
    returned: dict[str, Any],
) -> None:
    with scripted_scp(answer(result(**returned), SUCCESS)) as scp:
        assert connect(scp.port).find_studies(**asked) == []
    assert [record.getMessage() for record in caplog.records if record.name == "engine.scu.client"] == [
        "archive pacs: 1 of 1 results of a C-FIND ignored, for they do not carry the keys that were asked"
        " or a valid UID"
    ]


def test_nothing_of_a_query_or_of_its_results_is_logged(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    study = result(StudyInstanceUID="1.2.999", PatientID="SECRET-ID", StudyDescription="SECRET-TEXT")
    with scripted_scp(answer(study, SUCCESS)) as scp:
        connect(scp.port).find_studies(patient_id="SECRET")
    assert "1 of 1" in caplog.text
    assert "SECRET" not in caplog.text
    assert "1.2.999" not in caplog.text


def test_a_key_that_is_not_ascii_goes_out_in_utf_8_and_comes_back_in_the_archives_own_set(
    connect: Connect,
) -> None:
    study = result(
        SpecificCharacterSet="ISO_IR 100",
        StudyInstanceUID="1.2.3",
        PatientID="ÄÖ1",
        StudyDescription="Schädel",
    )
    with scripted_scp(answer(study, SUCCESS)) as scp:
        (record,) = connect(scp.port).find_studies(patient_id="ÄÖ1")
        identifier = scp.requests[0].identifier
    assert (record.patient_id, record.description) == ("ÄÖ1", "Schädel")
    assert identifier is not None
    assert (identifier.SpecificCharacterSet, identifier.PatientID) == ("ISO_IR 192", "ÄÖ1")


def test_series_are_read_and_the_query_names_study_and_series(connect: Connect) -> None:
    series = result(
        StudyInstanceUID="1.2",
        SeriesInstanceUID="1.2.1",
        Modality="CT",
        SeriesDescription="thin",
        NumberOfSeriesRelatedInstances="7",
    )
    with scripted_scp(answer(series, SUCCESS)) as scp:
        assert connect(scp.port).find_series("1.2", "1.2.1") == [
            SeriesRecord("1.2", "1.2.1", "CT", "thin", 7)
        ]
        identifier = scp.requests[0].identifier
    assert identifier is not None
    assert identifier.QueryRetrieveLevel == "SERIES"
    assert (identifier.StudyInstanceUID, identifier.SeriesInstanceUID) == ("1.2", "1.2.1")


@pytest.mark.parametrize(
    "returned",
    [
        {"StudyInstanceUID": "1.3", "SeriesInstanceUID": "1.2.1"},
        {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.10"},
        {"StudyInstanceUID": "1.2"},
        {"SeriesInstanceUID": "1.2.1"},
    ],
)
def test_a_series_of_something_else_is_dropped(connect: Connect, returned: dict[str, str]) -> None:
    with scripted_scp(answer(result(**returned), SUCCESS)) as scp:
        assert connect(scp.port).find_series("1.2", "1.2.1") == []


def test_both_pending_statuses_bring_results(connect: Connect) -> None:
    first = result(StudyInstanceUID="1.2.3", PatientID="P1")
    second = result(StudyInstanceUID="1.2.4", PatientID="P1")
    with scripted_scp(answer(first, Reply(0xFF01, second.identifier), SUCCESS)) as scp:
        found = connect(scp.port).find_studies(patient_id="P1")
    assert [record.study_uid for record in found] == ["1.2.3", "1.2.4"]


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0xFE00, 0x0122, 0xB001, 0x4242])
def test_a_final_status_that_is_not_success_fails_the_query_with_status_and_comment(
    connect: Connect, status: int
) -> None:
    replies = answer(result(StudyInstanceUID="1.2.3", PatientID="P1"), Reply(status, comment="out of luck"))
    with scripted_scp(replies) as scp:
        client = connect(scp.port)
        with pytest.raises(QueryFailed, match="out of luck") as caught:
            client.find_studies(patient_id="P1")
        assert caught.value.status == status
        assert f"0x{status:04X}" in caught.value.text
        assert client.open_associations == 0


def test_more_results_than_allowed_fail_the_query(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine.scu.client, "MAX_RESULTS", 3)
    results = [result(StudyInstanceUID=f"1.2.{number}", PatientID="P1") for number in range(1, 5)]
    with scripted_scp(answer(*results[:3], SUCCESS)) as scp:
        assert len(connect(scp.port).find_studies(patient_id="P1")) == 3
    with scripted_scp(answer(*results, SUCCESS)) as scp:
        client = connect(scp.port)
        with pytest.raises(QueryFailed, match="more than 3 results"):
            client.find_studies(patient_id="P1")
        assert client.open_associations == 0


def test_a_result_without_a_data_set_is_dropped(connect: Connect) -> None:
    with scripted_scp(answer(Reply(PENDING), SUCCESS)) as scp:
        assert connect(scp.port).find_studies(patient_id="P1") == []


def test_a_result_that_is_no_data_set_fails_the_query(connect: Connect) -> None:
    broken = bytes.fromhex("0800 4011 ffffffff") + b"not an item"  # a sequence
    with (
        scripted_scp(answer(Reply(PENDING, broken), SUCCESS)) as scp,
        pytest.raises(NodeError, match="cannot be decoded"),
    ):
        connect(scp.port).find_studies(patient_id="P1")


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
        assert client.open_associations == 1


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
    assert scp.cancels == [scp.requests[0].message_id]  # one, however long it takes
    assert ended == [True]


def test_what_is_canceled_beforehand_is_never_sent(connect: Connect) -> None:
    canceled = threading.Event()
    canceled.set()
    with scripted_scp(answer(SUCCESS)) as scp:
        assert connect(scp.port).move("1.2.3", "VIEW", canceled=canceled) == MoveResponse(0xFE00)
        assert scp.connections == 0


# time


def test_pending_responses_for_ever_end_at_the_total_time_with_cancel_and_abort(connect: Connect) -> None:
    def script(request: Request) -> Iterator[Reply]:
        while not request.ended:
            yield Reply(PENDING, remaining=5)
            threading.Event().wait(0.005)

    with scripted_scp(script) as scp:
        client = connect(scp.port, total=0.5)
        with pytest.raises(NodeTimeout, match=r"C-MOVE was not finished after 0\.5 s in all"):
            client.move("1.2.3", "VIEW")
        assert client.open_associations == 0
        request = scp.requests[0]
        assert request.wait_for_end()
        assert request.is_cancelled


def test_results_for_ever_end_at_the_total_time_too(connect: Connect) -> None:
    def script(request: Request) -> Iterator[Reply]:
        while not request.ended:
            yield result(StudyInstanceUID="1.2.3", PatientID="P1")
            threading.Event().wait(0.005)

    with scripted_scp(script) as scp:
        client = connect(scp.port, total=0.5)
        with pytest.raises(NodeTimeout, match="C-FIND was not finished"):
            client.find_studies(patient_id="P1")
        assert scp.requests[0].wait_for_cancel()
        assert client.open_associations == 0


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
