"""C-ECHO and C-FIND against real SCPs."""

from __future__ import annotations

import datetime as dt
import logging
import struct
from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

import engine.scu.find
from engine.dicom.node import Node, Timeouts
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.errors import (
    IdentifierError,
    NodeError,
    QueryFailed,
)
from engine.scu import echo
from engine.scu.identifiers import study_record
from tests.dicom_peers import (
    PENDING,
    SUCCESS,
    Reply,
    answer,
    eventually,
    result,
    scripted_scp,
)
from tests.scu.conftest import Connect, requestor_threads

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


@pytest.mark.parametrize("count", [b"99999999999 ", b"-2147483649 ", b"-1", b"4.5 "])
def test_a_count_that_is_none_is_unknown(count: bytes) -> None:
    """As it comes from the wire: nothing that can be sent with pydicom has it."""
    known = dcmread(BytesIO(_element(0x0020000D, b"1.2.3\0") + _element(0x00201208, count)), force=True)
    assert study_record(known) == StudyRecord("1.2.3")


def _element(tag: int, value: bytes) -> bytes:
    """In implicit VR, little endian."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


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
    assert [record.getMessage() for record in caplog.records if record.name == "engine.scu.find"] == [
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
        BodyPartExamined="CHEST",
        Laterality="L",
    )
    with scripted_scp(answer(series, SUCCESS)) as scp:
        assert connect(scp.port).find_series("1.2", "1.2.1") == [
            SeriesRecord("1.2", "1.2.1", "CT", "thin", 7, "CHEST", "L")
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


def test_the_instances_of_a_series_are_asked_at_image_level(connect: Connect) -> None:
    images = [
        result(StudyInstanceUID="1.2", SeriesInstanceUID="1.2.1", SOPInstanceUID=f"1.2.1.{one}")
        for one in (1, 2)
    ]
    with scripted_scp(answer(*images, SUCCESS)) as scp:
        assert connect(scp.port).find_instances("1.2", "1.2.1") == ["1.2.1.1", "1.2.1.2"]
        identifier = scp.requests[0].identifier
    assert identifier is not None
    assert identifier.QueryRetrieveLevel == "IMAGE"
    assert (identifier.StudyInstanceUID, identifier.SeriesInstanceUID) == ("1.2", "1.2.1")
    assert identifier.SOPInstanceUID == ""


@pytest.mark.parametrize(
    "returned",
    [
        {"StudyInstanceUID": "1.3", "SeriesInstanceUID": "1.2.1", "SOPInstanceUID": "1.2.1.1"},
        {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.2", "SOPInstanceUID": "1.2.1.1"},
        {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.1", "SOPInstanceUID": "1.02"},
        {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.1"},
    ],
)
def test_an_instance_of_something_else_is_dropped(connect: Connect, returned: dict[str, str]) -> None:
    with scripted_scp(answer(result(**returned), SUCCESS)) as scp:
        assert connect(scp.port).find_instances("1.2", "1.2.1") == []


@pytest.mark.parametrize(("study", "series"), [("1.2\\1.3", "1.2.1"), ("1.2", ""), ("1.2", "*")])
def test_instances_are_asked_of_exactly_one_series(connect: Connect, study: str, series: str) -> None:
    with pytest.raises(IdentifierError):
        connect(1).find_instances(study, series)


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
    monkeypatch.setattr(engine.scu.find, "MAX_RESULTS", 3)
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
