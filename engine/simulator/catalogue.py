"""What a simulated archive holds, and its answers to query and retrieve identifiers (PS3.4 annex C)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from engine.dicom.identifiers import valid_key, valid_uid
from engine.errors import IdentifierError
from engine.simulator.matching import matches, texts

# The unique key of each level, from the top (PS3.4 C.6.1.1).
UNIQUE_KEYS = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
PATIENT_ROOT = tuple(UNIQUE_KEYS)
STUDY_ROOT = PATIENT_ROOT[1:]

# The other keys that are supported, under the level that they describe.
_OTHER_KEYS = {
    "PATIENT": ("PatientName", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"),
    "STUDY": (
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyID",
        "StudyDescription",
        "ReferringPhysicianName",
    ),
    "SERIES": ("Modality", "SeriesNumber", "SeriesDescription", "BodyPartExamined"),
    "IMAGE": ("SOPClassUID", "InstanceNumber"),
}
_KEYS = {level: (unique, *_OTHER_KEYS[level]) for level, unique in UNIQUE_KEYS.items()}
HEADER = tuple(keyword for keywords in _KEYS.values() for keyword in keywords)

# What is counted under each level, and the key that it is returned in.
_COUNTS = {
    "PATIENT": {
        "NumberOfPatientRelatedStudies": "StudyInstanceUID",
        "NumberOfPatientRelatedSeries": "SeriesInstanceUID",
        "NumberOfPatientRelatedInstances": "SOPInstanceUID",
    },
    "STUDY": {
        "NumberOfStudyRelatedSeries": "SeriesInstanceUID",
        "NumberOfStudyRelatedInstances": "SOPInstanceUID",
    },
    "SERIES": {"NumberOfSeriesRelatedInstances": "SOPInstanceUID"},
    "IMAGE": {},
}

Attributes = Mapping[str, DataElement]
"""Elements by keyword."""


@dataclass(frozen=True, slots=True)
class HeldObject:
    """One object of an archive: the attributes it is found by, and how to get the whole of it.

    ``transfer_syntax`` is the one it is held in. ``read`` may raise what reading a file raises.
    """

    header: Attributes
    transfer_syntax: str
    read: Callable[[], Dataset]

    def value(self, keyword: str) -> str:
        return str(self.header[keyword].value or "")


def hold(dataset: Dataset, read: Callable[[], Dataset]) -> HeldObject:
    """The dataset as an object of an archive.

    IdentifierError where a UID that has to be there is missing or not valid; ValueError where another
    attribute cannot be decoded.
    """
    header = {
        keyword: dataset[keyword] if keyword in dataset else _element(keyword, None) for keyword in HEADER
    }
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
        valid_uid(str(header[keyword].value or ""), keyword)
    meta = getattr(dataset, "file_meta", Dataset())
    return HeldObject(header, valid_uid(meta.get("TransferSyntaxUID", ""), "TransferSyntaxUID"), read)


@dataclass(frozen=True, slots=True)
class _Record:
    """A patient, study, series or image as a C-FIND at its level sees it."""

    level: str
    attributes: Attributes

    def satisfies(self, keys: Sequence[DataElement]) -> bool:
        """Whether it matches those of the keys that it supports."""
        known = self.attributes
        return all(matches(key, known[key.keyword]) for key in keys if key.keyword in known)

    def response(self, identifier: Dataset) -> Dataset:
        """The keys of the identifier with this record's values."""
        response = Dataset()
        response.SpecificCharacterSet = "ISO_IR 192"
        response.QueryRetrieveLevel = self.level
        for key in identifier:
            if key.keyword in self.attributes:
                response.add(copy(self.attributes[key.keyword]))
        return response


class Catalogue:
    """The index over an archive's objects. Of objects with one SOP Instance UID the last counts."""

    def __init__(self, objects: Iterable[HeldObject]) -> None:
        self._objects = tuple({held.value("SOPInstanceUID"): held for held in objects}.values())
        self._records = tuple(_records(PATIENT_ROOT, self._objects, {}))

    def __len__(self) -> int:
        return len(self._objects)

    def find(self, levels: Sequence[str], identifier: Dataset) -> Iterator[Dataset]:
        """The responses to a C-FIND identifier: the requested keys of every match (PS3.4 C.4.1).

        Keys that are not supported are neither matched nor returned (C.2.2.1.3). ``levels`` are those of
        the information model. IdentifierError where the identifier does not fit them.
        """
        level = _level(levels, identifier)
        _keys_above(levels, level, identifier)
        keys = [key for key in identifier if any(texts(key))]  # an empty one is satisfied by everything
        for record in self._records:
            if record.level == level and record.satisfies(keys):
                yield record.response(identifier)

    def select(self, levels: Sequence[str], identifier: Dataset) -> tuple[HeldObject, ...]:
        """The objects that a C-MOVE identifier means (PS3.4 C.4.2.2.1): one value in the unique key of each
        level above, one or several in that of its own. IdentifierError where there is none."""
        level = _level(levels, identifier)
        wanted = _keys_above(levels, level, identifier)
        own = UNIQUE_KEYS[level]
        wanted[own] = texts(identifier[own]) if own in identifier else ()
        if not any(wanted[own]):
            raise IdentifierError(f"{own} is empty")
        return tuple(
            held
            for held in self._objects
            if all(held.value(keyword) in values for keyword, values in wanted.items())
        )


def _records(levels: Sequence[str], objects: Sequence[HeldObject], above: Attributes) -> Iterator[_Record]:
    """The records of the first of these levels, each followed by those of the levels below it."""
    if not levels:
        return
    level, *below = levels
    groups: dict[str, list[HeldObject]] = {}
    for held in objects:
        groups.setdefault(held.value(UNIQUE_KEYS[level]), []).append(held)
    for group in groups.values():
        attributes = {**above, **_attributes(level, group)}
        yield _Record(level, attributes)
        yield from _records(below, group, attributes)


def _attributes(level: str, group: Sequence[HeldObject]) -> dict[str, DataElement]:
    """What one patient, study, series or image says of itself, and what is counted below it (PS3.4 C.3.4)."""
    attributes = {keyword: group[0].header[keyword] for keyword in _KEYS[level]}
    for keyword, counted in _COUNTS[level].items():
        attributes[keyword] = _element(keyword, len({held.value(counted) for held in group}))
    if level == "STUDY":
        modalities = sorted({held.value("Modality") for held in group} - {""})
        attributes["ModalitiesInStudy"] = _element("ModalitiesInStudy", modalities)
    return attributes


def _element(keyword: str, value: object) -> DataElement:
    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    return DataElement(tag, dictionary_VR(tag), value)


def _level(levels: Sequence[str], identifier: Dataset) -> str:
    level = str(identifier.get("QueryRetrieveLevel", ""))
    if level not in levels:
        raise IdentifierError(f"Query/Retrieve Level {level!r} is not one of {', '.join(levels)}")
    return level


def _keys_above(levels: Sequence[str], level: str, identifier: Dataset) -> dict[str, tuple[str, ...]]:
    """The unique keys of the levels above, each of which has to have one value (PS3.4 C.4.1.2.2.1)."""
    keys: dict[str, tuple[str, ...]] = {}
    for keyword in (UNIQUE_KEYS[above] for above in levels[: levels.index(level)]):
        values = texts(identifier[keyword]) if keyword in identifier else ()
        if len(values) != 1:
            raise IdentifierError(f"{keyword} has to have exactly one value at {level} level")
        check = valid_key if keyword == "PatientID" else valid_uid
        keys[keyword] = (check(values[0], keyword),)
    return keys
