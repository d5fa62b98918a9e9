"""Audit messages: valid by the standard's schema, and with what PS3.15 A.5.3 wants in each."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO

from engine.audit.clerk import records
from engine.audit.line import to_line
from engine.audit.query import STUDY_ROOT_FIND, encoded
from engine.audit.syslog import syslog_message
from engine.audit.transfers import Accessions
from engine.audit.xml import to_xml
from engine.events import Queried, TransferBegan, TransferEnded
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import SeriesFilter, SeriesOfStudy, StudiesOfAccession, Study
from tests.audit.happenings import (
    ARRIVED,
    EVERYTHING,
    NASTY,
    NOT_FOUND,
    NOW,
    PARTLY,
    REFUSED,
    RESOLVED,
    STUDY,
    priors,
    site,
    task,
)


@cache
def schema() -> etree.RelaxNG:
    return etree.RelaxNG(etree.parse(Path(__file__).with_name("audit-message.rng")))


def messages(event: tuple[Any, ...], accession: str = "") -> list[Any]:
    made = [etree.fromstring(to_xml(it, "FOREFETCH")) for it in records(event, NOW, site(), accession)]
    for message in made:
        schema().assertValid(message)
    return made


def only(event: tuple[Any, ...], accession: str = "") -> Any:
    (message,) = messages(event, accession)
    return message


def identified(message: Any) -> tuple[str, str, str]:
    """EventID, EventActionCode and EventOutcomeIndicator."""
    event = message.find("EventIdentification")
    return (
        event.find("EventID").get("csd-code"),
        event.get("EventActionCode"),
        event.get("EventOutcomeIndicator"),
    )


def type_of(message: Any) -> str:
    code: str = message.find("EventIdentification/EventTypeCode").get("csd-code")
    return code


def participants(message: Any) -> list[tuple[Any, ...]]:
    """Role, UserID, AE titles, address with its kind, and whether it is the requestor."""
    return [
        (
            it.find("RoleIDCode").get("csd-code") if it.find("RoleIDCode") is not None else None,
            it.get("UserID"),
            it.get("AlternativeUserID"),
            it.get("NetworkAccessPointID"),
            it.get("NetworkAccessPointTypeCode"),
            it.get("UserIsRequestor"),
        )
        for it in message.iter("ActiveParticipant")
    ]


def subjects(message: Any) -> list[tuple[str, ...]]:
    """Kind, role, kind of ID, and ID."""
    return [
        (
            it.get("ParticipantObjectTypeCode"),
            it.get("ParticipantObjectTypeCodeRole"),
            it.find("ParticipantObjectIDTypeCode").get("csd-code"),
            it.get("ParticipantObjectID"),
        )
        for it in message.iter("ParticipantObjectIdentification")
    ]


def details(message: Any) -> dict[str, str]:
    return {
        it.get("type"): base64.b64decode(it.get("value")).decode()
        for it in message.iter("ParticipantObjectDetail")
    }


OURS = ("4711", "AETITLES=PREFETCH", "prefetcher", "1")


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_message_is_valid_by_the_schema_and_fits_what_a_collector_must_take(name: str) -> None:
    event = EVERYTHING[name]
    assert messages(event)
    for record in records(event, NOW, site(), NASTY):
        xml = to_xml(record, NASTY)
        schema().assertValid(etree.fromstring(xml))
        assert len(syslog_message(xml, NOW, "h", "forefetch", "1")) <= 32768  # PS3.15 A.6


def test_the_schema_is_not_one_that_takes_anything() -> None:
    root = etree.fromstring(to_xml(records(EVERYTHING["began"], NOW, site(), "")[0], "FOREFETCH"))
    root.find("EventIdentification").set("EventOutcomeIndicator", "5")
    assert not schema().validate(root)


def test_a_query_names_who_asked_whom_and_carries_the_query() -> None:
    message = only(Queried(task(priors()), RESOLVED))
    assert identified(message) == ("110112", "E", "0")
    assert message.find("EventIdentification").get("EventDateTime") == "2026-11-27T07:30:15.123Z"
    assert participants(message) == [
        ("110153", *OURS, "true"),
        ("110152", "main", "AETITLES=ARCHIVE", "10.0.0.5", "2", "false"),
    ]
    assert subjects(message) == [("2", "3", "110181", STUDY_ROOT_FIND)]
    assert details(message) == {"TransferSyntax": "1.2.840.10008.1.2.1"}
    query = base64.b64decode(message.findtext(".//ParticipantObjectQuery"))
    identifier = dcmread(DicomBytesIO(query), force=True)
    assert (identifier.QueryRetrieveLevel, identifier.PatientID) == ("STUDY", "FF-1001")


@pytest.mark.parametrize(
    ("selector", "level", "keys"),
    [
        (Study(STUDY), "STUDY", {"StudyInstanceUID": STUDY}),
        (Study(STUDY, "2.25.9"), "SERIES", {"StudyInstanceUID": STUDY, "SeriesInstanceUID": "2.25.9"}),
        (SeriesOfStudy(STUDY, SeriesFilter(("CT",))), "SERIES", {"StudyInstanceUID": STUDY}),
        (StudiesOfAccession("Ä-1"), "STUDY", {"AccessionNumber": "Ä-1"}),
    ],
)
def test_a_query_is_what_its_task_asks_first(selector: Any, level: str, keys: dict[str, str]) -> None:
    identifier = dcmread(DicomBytesIO(encoded(selector)), force=True)
    assert identifier.QueryRetrieveLevel == level
    assert {name: identifier[name].value for name in keys} == keys


@pytest.mark.parametrize(("outcome", "code"), [(NOT_FOUND, "0"), (REFUSED, "8"), (RESOLVED, "0")])
def test_a_query_that_finds_nothing_has_gone_well_and_one_that_is_refused_has_not(
    outcome: Outcome, code: str
) -> None:
    assert identified(only(Queried(task(priors()), outcome)))[2] == code


def test_a_key_that_cannot_be_asked_was_not_asked() -> None:
    invalid = Outcome(TaskStatus.FAILED, Cause.INVALID, "no such key")
    assert messages(Queried(task(priors()), invalid)) == []
    assert messages(Queried(task(priors("\ud800")), RESOLVED)) == []


def test_the_beginning_of_a_transfer_names_both_ends_us_the_study_and_the_patient() -> None:
    message = only(TransferBegan(task()), "A1")
    assert identified(message) == ("110102", "E", "0")
    assert participants(message) == [
        ("110153", "main", "AETITLES=ARCHIVE", "10.0.0.5", "2", "false"),
        ("110152", "reading", "AETITLES=READING", "ws7.hospital.example", "1", "false"),
        (None, *OURS, "true"),
    ]
    assert subjects(message) == [("2", "3", "110180", STUDY), ("1", "1", "2", "FF-1001^^^HOSPITAL")]
    assert message.find(".//Accession").get("Number") == "A1"
    assert details(message) == {"TaskID": "7"}


def test_a_transfer_that_arrived_counts_its_objects() -> None:
    message = only(TransferEnded(task(Study(STUDY, "2.25.9")), ARRIVED, 1.5))
    assert identified(message) == ("110104", "R", "0")
    assert message.find(".//SOPClass").get("NumberOfInstances") == "5"
    assert message.findtext(".//EventOutcomeDescription") == "5 objects arrived"
    assert details(message)["SeriesInstanceUID"] == "2.25.9"


def test_what_arrived_in_part_is_a_success_and_a_failure() -> None:
    arrived, lost = messages(TransferEnded(task(), PARTLY, 1.5))
    assert [identified(it)[2] for it in (arrived, lost)] == ["0", "4"]
    assert [it.find(".//SOPClass").get("NumberOfInstances") for it in (arrived, lost)] == ["3", "2"]
    assert [it.get("UID") for it in lost.iter("Instance")] == ["2.25.1", "2.25.2"]
    assert arrived.find(".//Instance") is None


@pytest.mark.parametrize(
    ("name", "code", "instances"),
    [
        ("ended-failed", "8", None),
        ("ended-canceled", "4", None),
        ("ended-uncounted", "0", None),
        ("ended-there", "0", "0"),
    ],
)
def test_the_indicator_says_how_a_transfer_ended(name: str, code: str, instances: str | None) -> None:
    message = only(EVERYTHING[name])
    assert identified(message)[2] == code
    counted = message.find(".//SOPClass")
    assert (counted.get("NumberOfInstances") if counted is not None else None) == instances


def test_a_patient_that_the_message_does_not_name_is_none() -> None:
    assert subjects(only(TransferBegan(task(patient=""))))[1] == ("1", "1", "2", "<none>")


def test_a_node_that_gives_no_trust_is_an_alert() -> None:
    failed, alert = messages(EVERYTHING["ended-no-trust"])
    assert identified(failed) == ("110104", "R", "8")
    assert (identified(alert), type_of(alert)) == (("110113", "E", "4"), "110126")
    assert subjects(alert) == [("2", "13", "110182", "10.0.0.5")]
    assert "expired" in details(alert)["Alert Description"]


@pytest.mark.parametrize(("name", "kind"), [("started", "110120"), ("stopping", "110121")])
def test_start_and_stop_are_activities_of_the_application(name: str, kind: str) -> None:
    message = only(EVERYTHING[name])
    assert (identified(message), type_of(message)) == (("110100", "E", "0"), kind)
    assert participants(message) == [("110150", "4711", "AETITLES=FOREFETCH", "prefetcher", "1", "false")]
    assert subjects(message) == []


def test_a_login_names_the_person_and_where_from() -> None:
    message = only(EVERYTHING["login"])
    assert (identified(message), type_of(message)) == (("110114", "E", "0"), "110122")
    assert participants(message)[0] == (None, "anna@prefetcher", None, "10.0.0.9", "2", "true")


def test_a_refused_login_is_a_failure_and_an_alert() -> None:
    login, alert = messages(EVERYTHING["login-refused"])
    assert (identified(login), identified(alert)) == (("110114", "E", "4"), ("110113", "E", "4"))
    assert type_of(alert) == "110132"
    person = participants(alert)[1]
    assert person[3:] == ("fe80::1", "2", "false")
    assert "Möller <&\"'> 山田" in person[1]
    assert "\ufffd" in person[1]


def test_a_permitted_action_informs_and_a_refused_one_alerts() -> None:
    did, refused = only(EVERYTHING["action"]), only(EVERYTHING["action-refused"])
    assert (identified(did), identified(refused)) == (("110113", "E", "0"), ("110113", "E", "4"))
    assert [it[3] for it in subjects(did)] == ["urn:forefetch:task-7", "urn:forefetch:task-8"]
    assert details(did) == {"Alert Description": "approve"}
    assert details(refused)["Alert Description"].endswith("was refused")


def test_the_accession_number_of_a_question_is_that_of_the_studies_it_led_to() -> None:
    known = Accessions()
    question = task(StudiesOfAccession("A1"))
    known.note(question)
    known.note(replace(task(priors()), id=8))
    assert known.of(question) == "A1"
    assert known.of(replace(task(), id=9, parent_id=7)) == "A1"
    assert known.of(replace(task(), id=9, parent_id=8)) == ""
    for number in range(100, 1100):
        known.note(replace(question, id=number))
    assert known.of(replace(task(), id=9, parent_id=7)) == ""


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_event_is_one_line_of_json(name: str) -> None:
    line = to_line(EVERYTHING[name], NOW, "FOREFETCH")
    assert line.count(b"\n") == 1
    entry = json.loads(line)
    assert entry["at"] == "2026-11-27T07:30:15.123Z"
    assert {"who", "event"} <= entry.keys()


def test_a_line_has_who_what_and_when() -> None:
    entry = json.loads(to_line(TransferEnded(task(), PARTLY, 1.2345), NOW, "FOREFETCH", "A1"))
    assert entry == {
        "at": "2026-11-27T07:30:15.123Z",
        "who": "FOREFETCH",
        "event": "transfer ended",
        "result": "minor failure",
        "text": "2 of 5 objects did not arrive",
        "objects": {"completed": 3, "failed": 2, "warning": 0},
        "seconds": 1.234,
        "task": 7,
        "message": 3,
        "routes": ["priors"],
        "archive": "main",
        "destination": "reading",
        "study": STUDY,
        "accession": "A1",
        "patient": "FF-1001^^^HOSPITAL",
    }
    action = json.loads(to_line(EVERYTHING["action"], NOW, "FOREFETCH"))
    assert action["who"] == "anna"
    assert (action["verb"], action["tasks"], action["result"]) == ("approve", [7, 8], "success")


def test_a_syslog_message_is_as_rfc_5424_and_the_profile_have_it() -> None:
    message = syslog_message(b"<AuditMessage/>", NOW, "höst name", "forefetch", "4711")
    header, _, body = message.partition(b" DICOM+RFC3881 - ")
    assert header == b"<85>1 2026-11-27T07:30:15.123Z h_st_name forefetch 4711"
    assert body == b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?><AuditMessage/>'
