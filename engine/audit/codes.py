"""Coded values of audit messages (PS3.16 CID 400 to 405, PS3.15 A.5.1.2)."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Coded(NamedTuple):
    """A code with the system that defines it and what it means there."""

    code: str
    system: str
    meaning: str


class Indicator(IntEnum):
    """EventOutcomeIndicator. SUCCESS also where it is not known."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8


def _dcm(code: int, meaning: str) -> Coded:
    return Coded(str(code), "DCM", meaning)


APPLICATION_ACTIVITY = _dcm(110100, "Application Activity")
BEGIN_TRANSFERRING = _dcm(110102, "Begin Transferring DICOM Instances")
INSTANCES_TRANSFERRED = _dcm(110104, "DICOM Instances Transferred")
QUERY = _dcm(110112, "Query")
SECURITY_ALERT = _dcm(110113, "Security Alert")
USER_AUTHENTICATION = _dcm(110114, "User Authentication")

APPLICATION_START = _dcm(110120, "Application Start")
APPLICATION_STOP = _dcm(110121, "Application Stop")
LOGIN = _dcm(110122, "Login")
NODE_AUTHENTICATION = _dcm(110126, "Node Authentication")
USE_OF_RESTRICTED_FUNCTION = _dcm(110132, "Use of Restricted Function")

APPLICATION = _dcm(110150, "Application")
DESTINATION = _dcm(110152, "Destination Role ID")
SOURCE = _dcm(110153, "Source Role ID")

STUDY_INSTANCE_UID = _dcm(110180, "Study Instance UID")
SOP_CLASS_UID = _dcm(110181, "SOP Class UID")
NODE_ID = _dcm(110182, "Node ID")
PATIENT_NUMBER = Coded("2", "RFC-3881", "Patient Number")
URI = Coded("12", "RFC-3881", "URI")

PERSON, SYSTEM_OBJECT = "1", "2"  # ParticipantObjectTypeCode
PATIENT, REPORT, SECURITY_RESOURCE = "1", "3", "13"  # ParticipantObjectTypeCodeRole
EXECUTE, READ = "E", "R"  # EventActionCode
