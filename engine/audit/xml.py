"""A record as the XML of PS3.15 A.5.1. Elements and attributes have no namespace there."""

from __future__ import annotations

import base64
import datetime as dt
import ipaddress
import re
from xml.etree import ElementTree as Xml

from engine.audit.codes import Coded
from engine.audit.record import Contents, Participant, Record, Subject

_MACHINE_NAME, _IP_ADDRESS = "1", "2"  # NetworkAccessPointTypeCode
_APPLICATION_SERVER = "4"  # AuditSourceTypeCode
_LONGEST = 1024  # characters of one value: whole messages stay below the 32768 octets of PS3.15 A.6
_MOST_UIDS = 200  # of failed objects, for the same reason; their number is told in full
_SPACE = re.compile(r"[\t\n\r\x0b\x0c\x85\u2028\u2029]")
_ILLEGAL = re.compile("[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\x7f-\x9f]")  # XML 1.0, 2.2


def to_xml(record: Record, source: str) -> bytes:
    """UTF-8, without an XML declaration. ``source`` is our AuditSourceID."""
    root = Xml.Element("AuditMessage")
    _event(root, record)
    for participant in record.participants:
        _participant(root, participant)
    origin = Xml.SubElement(root, "AuditSourceIdentification", {"AuditSourceID": clean(source)})
    Xml.SubElement(origin, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})
    for subject in record.subjects:
        _subject(root, subject)
    text: bytes = Xml.tostring(root, "utf-8", xml_declaration=False)
    return text


def clean(text: str) -> str:
    """What XML can carry, on one line and of bounded length; what it cannot becomes U+FFFD."""
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return _ILLEGAL.sub("\ufffd", _SPACE.sub(" ", text))


def moment(at: dt.datetime) -> str:
    """UTC with milliseconds, as both xsd:dateTime and RFC 5424 6.2.3 have it."""
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _event(root: Xml.Element, record: Record) -> None:
    element = Xml.SubElement(
        root,
        "EventIdentification",
        {
            "EventActionCode": record.action,
            "EventDateTime": moment(record.at),
            "EventOutcomeIndicator": str(int(record.indicator)),
        },
    )
    _coded(element, "EventID", record.event)
    if record.type is not None:
        _coded(element, "EventTypeCode", record.type)
    if record.text:
        Xml.SubElement(element, "EventOutcomeDescription").text = clean(record.text)


def _coded(parent: Xml.Element, name: str, value: Coded) -> None:
    attributes = {"csd-code": value.code, "codeSystemName": value.system, "originalText": value.meaning}
    Xml.SubElement(parent, name, attributes)


def _participant(root: Xml.Element, participant: Participant) -> None:
    attributes = {
        "UserID": clean(participant.user_id),
        "UserIsRequestor": "true" if participant.requestor else "false",
    }
    if participant.ae_title:
        attributes["AlternativeUserID"] = clean(f"AETITLES={participant.ae_title}")  # A.5.2.2
    if participant.name:
        attributes["UserName"] = clean(participant.name)
    if participant.host:
        attributes["NetworkAccessPointID"] = clean(participant.host)
        attributes["NetworkAccessPointTypeCode"] = _access_point(participant.host)
    element = Xml.SubElement(root, "ActiveParticipant", attributes)
    if participant.role is not None:
        _coded(element, "RoleIDCode", participant.role)


def _access_point(host: str) -> str:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return _MACHINE_NAME
    return _IP_ADDRESS


def _subject(root: Xml.Element, subject: Subject) -> None:
    attributes = {
        "ParticipantObjectID": clean(subject.id),
        "ParticipantObjectTypeCode": subject.kind,
        "ParticipantObjectTypeCodeRole": subject.role,
    }
    element = Xml.SubElement(root, "ParticipantObjectIdentification", attributes)
    _coded(element, "ParticipantObjectIDTypeCode", subject.id_type)
    if subject.query is not None:
        Xml.SubElement(element, "ParticipantObjectQuery").text = _base64(subject.query)
    else:  # the schema wants one of the two, be it empty
        Xml.SubElement(element, "ParticipantObjectName").text = clean(subject.name)
    for kind, value in subject.details:
        Xml.SubElement(element, "ParticipantObjectDetail", {"type": kind, "value": _base64(value)})
    if subject.contents != Contents():
        _description(element, subject.contents)


def _description(parent: Xml.Element, contents: Contents) -> None:
    element = Xml.SubElement(parent, "ParticipantObjectDescription")
    if contents.accession:
        Xml.SubElement(element, "Accession", {"Number": clean(contents.accession)})
    if contents.instances is not None:
        group = Xml.SubElement(element, "SOPClass", {"NumberOfInstances": str(contents.instances)})
        for uid in contents.uids[:_MOST_UIDS]:
            Xml.SubElement(group, "Instance", {"UID": clean(uid)})


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
