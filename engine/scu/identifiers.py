"""The identifiers of Study Root C-FIND and C-MOVE: data sets out, records in (PS3.4 C.6.2)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import replace

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from engine.dicom.identifiers import valid_uid
from engine.dicom.keys import Key, parse_day
from engine.dicom.study import PatientRecord, SeriesRecord, StudyRecord
from engine.errors import IdentifierError
from engine.retrieve.outcome import SubOperations

# Procedure Code Sequence (0008,1032) is not asked for, though it is an optional key (PS3.4 table C.6-5): few
# archives keep it, and one that cannot take a sequence as a key may fail the whole query.
STUDY_RETURN_KEYS = (
    "StudyInstanceUID",
    "PatientID",
    "IssuerOfPatientID",
    "AccessionNumber",
    "StudyDate",
    "StudyTime",
    "StudyDescription",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
)
SERIES_RETURN_KEYS = (
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SeriesDescription",
    "BodyPartExamined",
    "Laterality",
    "NumberOfSeriesRelatedInstances",
)
INSTANCE_RETURN_KEYS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
# What a person wants to read beside, and the engine does not need to decide.
STUDY_LISTING_KEYS = (
    *STUDY_RETURN_KEYS,
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "NumberOfStudyRelatedSeries",
)
SERIES_LISTING_KEYS = (*SERIES_RETURN_KEYS, "SeriesNumber")

_OPTIONAL = frozenset({"StudyDescription", "ModalitiesInStudy", "SeriesDescription"})  # PS3.4 C.6-5, C.6-3
_TIME = re.compile(r"(\d{2})(?:(\d{2})(?:(\d{2})(?:\.\d{1,6})?)?)?", re.ASCII)  # PS3.5 6.2, TM


def query(level: str, keys: Mapping[str, str], return_keys: tuple[str, ...] = ()) -> Dataset:
    """An identifier that asks for ``return_keys`` of what has exactly ``keys``.

    Raises IdentifierError for a key that no character set can encode: it would go out as ``?``, a wild card.
    """
    identifier = Dataset()
    identifier.QueryRetrieveLevel = level
    for keyword in dict.fromkeys((*return_keys, *keys)):
        identifier.add(_element(keyword, keys.get(keyword, "")))
    if not all(value.isascii() for value in keys.values()):
        identifier.SpecificCharacterSet = "ISO_IR 192"  # UTF-8, PS3.3 table C.12-5
    return identifier


def _element(keyword: str, value: str) -> DataElement:
    try:
        value.encode()
    except UnicodeEncodeError as exc:
        raise IdentifierError(f"{keyword} has a character that cannot be encoded") from exc
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return DataElement(tag, dictionary_VR(tag), value)


def untold(identifier: Dataset, keys: Mapping[str, Key]) -> tuple[str, ...] | None:
    """None where a result does not have what was asked: some archives match loosely, by prefix or without
    regard to case, and nothing of another patient may move. Else the optional keys of which it says nothing:
    an archive that does not support them does not match by them either (PS3.4 C.2.2.1.3)."""
    found = []
    for keyword, key in keys.items():
        value = text(identifier, keyword)
        if not value and keyword in _OPTIONAL:
            found.append(keyword)
        elif not key.takes(value):
            return None
    return tuple(found)


def study_record(identifier: Dataset) -> StudyRecord | None:
    """The record of a result at STUDY level, or None where its Study Instance UID is missing or invalid."""
    try:
        study_uid = valid_uid(text(identifier, "StudyInstanceUID"))
    except IdentifierError:
        return None
    return StudyRecord(
        study_uid=study_uid,
        patient_id=text(identifier, "PatientID"),
        issuer=text(identifier, "IssuerOfPatientID"),
        accession=text(identifier, "AccessionNumber"),
        date=parse_day(text(identifier, "StudyDate")),
        description=text(identifier, "StudyDescription"),
        modalities=_values(identifier, "ModalitiesInStudy") or None,
        instances=_count(identifier, "NumberOfStudyRelatedInstances"),
    )


def study_listing(identifier: Dataset) -> StudyRecord | None:
    """The same with what STUDY_LISTING_KEYS ask for beside."""
    record = study_record(identifier)
    if record is None:
        return None
    patient = PatientRecord(
        name=text(identifier, "PatientName"),
        birth_date=parse_day(text(identifier, "PatientBirthDate")),
        sex=text(identifier, "PatientSex"),
    )
    return replace(
        record,
        patient=patient,
        time=_time(text(identifier, "StudyTime")),
        series_count=_count(identifier, "NumberOfStudyRelatedSeries"),
    )


def series_record(identifier: Dataset) -> SeriesRecord | None:
    """The record of a result at SERIES level, or None where one of its UIDs is missing or invalid."""
    try:
        study_uid = valid_uid(text(identifier, "StudyInstanceUID"))
        series_uid = valid_uid(text(identifier, "SeriesInstanceUID"))
    except IdentifierError:
        return None
    return SeriesRecord(
        study_uid=study_uid,
        series_uid=series_uid,
        modality=text(identifier, "Modality"),
        description=text(identifier, "SeriesDescription"),
        instances=_count(identifier, "NumberOfSeriesRelatedInstances"),
        body_part=text(identifier, "BodyPartExamined"),
        laterality=text(identifier, "Laterality"),
        number=_number(identifier, "SeriesNumber"),
    )


def instance_uid(identifier: Dataset) -> str | None:
    """The SOP Instance UID of a result at IMAGE level, or None where it is missing or invalid."""
    try:
        return valid_uid(text(identifier, "SOPInstanceUID"))
    except IdentifierError:
        return None


def suboperations(status: Dataset) -> SubOperations:
    """The counters of a C-MOVE response (PS3.7 table 9.1-4); one that it does not have is None."""
    return SubOperations(
        remaining=_count(status, "NumberOfRemainingSuboperations"),
        completed=_count(status, "NumberOfCompletedSuboperations"),
        failed=_count(status, "NumberOfFailedSuboperations"),
        warning=_count(status, "NumberOfWarningSuboperations"),
    )


def failed_instances(identifier: Dataset | None) -> tuple[str, ...]:
    """The Failed SOP Instance UID List (0008,0058) of a final C-MOVE response (PS3.4 C.4.2.1.4.2)."""
    return () if identifier is None else _values(identifier, "FailedSOPInstanceUIDList")


def comment(status: Dataset) -> str:
    """What the node says of the status of a response."""
    return text(status, "ErrorComment")


def text(identifier: Dataset, keyword: str) -> str:
    """The value without padding; several values joined by ``\\`` as they came; empty where there is none."""
    return "\\".join(_values(identifier, keyword))


def _values(identifier: Dataset, keyword: str) -> tuple[str, ...]:
    try:
        value = identifier.get(keyword)
    except Exception:  # noqa: BLE001  whatever pydicom makes of a broken element, the value is not known
        return ()
    if value is None:
        return ()
    values = value if isinstance(value, MultiValue | list) else [value]
    stripped = tuple(str(one).strip(" \0") for one in values)
    return stripped if any(stripped) else ()


def _count(identifier: Dataset, keyword: str) -> int | None:
    count = _number(identifier, keyword)
    return count if count is not None and count >= 0 else None


def _number(identifier: Dataset, keyword: str) -> int | None:
    """None also for what is none of IS (PS3.5 6.2): no database has to keep it."""
    try:
        number = int(text(identifier, keyword))
    except ValueError:
        return None
    return number if -(2**31) <= number < 2**31 else None


def _time(value: str) -> dt.time | None:
    match = _TIME.fullmatch(value)
    if match is None:
        return None
    hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return dt.time(hour, minute, second)
    except ValueError:
        return None
