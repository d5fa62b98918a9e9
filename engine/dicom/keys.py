"""What a C-FIND may ask for: values as they go on the wire, and whether a result has what was asked.

An archive may match loosely, or ignore a key that it does not support (PS3.4 C.2.2.1.3), so that each key
also judges what comes back. Nothing goes on the wire that would ask for everything.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from engine.dicom.identifiers import valid_key, valid_uid
from engine.errors import IdentifierError

_TEXT_LENGTH = 64  # LO, and one component group of PN (PS3.5 6.2)
_GROUPS = 3  # of a PN: alphabetic, ideographic, phonetic (PS3.5 6.2.1)
_CODE = re.compile(r"[A-Z0-9 _]{1,16}")  # CS
_LITERALS = 2  # letters or digits that a value with wild cards must have
_DAY = re.compile(r"(\d{4})(\d{2})(\d{2})|(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_RANGE = re.compile(r"(\d{8})?-(\d{8})?", re.ASCII)
_NARROWING = "study instance UID, patient ID, accession number, patient name, study date, description"


class Key(Protocol):
    """One key of a C-FIND."""

    @property
    def wire(self) -> str:
        """The value in the query."""

    def takes(self, value: str) -> bool:
        """Whether a result with this value has what was asked."""


@dataclass(frozen=True, slots=True)
class Exactly:
    """Single value matching, and of UIDs (PS3.4 C.2.2.2.1, C.2.2.2.2)."""

    wire: str

    def takes(self, value: str) -> bool:
        return value == self.wire


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of the values of an attribute that may have several, as Modalities in Study has."""

    wire: str

    def takes(self, value: str) -> bool:
        return self.wire in value.split("\\")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Wild card matching (PS3.4 C.2.2.2.4). Case and accents make no difference to results: archives differ
    in what they make of them."""

    wire: str

    def takes(self, value: str) -> bool:
        return _fits(value, self.wire)


@dataclass(frozen=True, slots=True)
class NamePattern:
    """The same of a person name (VR PN): any of its component groups, or the whole, has to fit, and empty
    components at the end mean nothing."""

    wire: str

    def takes(self, value: str) -> bool:
        return any(_fits(one.rstrip("^"), self.wire.rstrip("^")) for one in (value, *value.split("=")))


@dataclass(frozen=True, slots=True)
class Days:
    """Range matching of dates (PS3.4 C.2.2.2.5). None: open at that end; not both."""

    first: dt.date | None
    last: dt.date | None

    @property
    def wire(self) -> str:
        first, last = (day.isoformat().replace("-", "") if day else "" for day in (self.first, self.last))
        return first if first == last else f"{first}-{last}"

    def takes(self, value: str) -> bool:
        day = parse_day(value)
        return day is not None and (self.first or day) <= day <= (self.last or day)


def study_keys(
    *,
    study_uid: str = "",
    patient_id: str = "",
    accession: str = "",
    patient_name: str = "",
    date: str = "",
    modality: str = "",
    description: str = "",
) -> dict[str, Key]:
    """The keys of a query at STUDY level by keyword; what is empty is not asked. IdentifierError for what is
    not valid, and where all that is given would still ask for a good part of the archive."""
    keys: dict[str, Key] = {}
    if study_uid:
        keys["StudyInstanceUID"] = Exactly(valid_uid(study_uid, "study instance UID"))
    if patient_id:
        keys["PatientID"] = Exactly(valid_key(patient_id, "patient ID"))
    if accession:
        keys["AccessionNumber"] = Exactly(valid_key(accession, "accession number"))
    if patient_name:
        keys["PatientName"] = _name(patient_name)
    if date:
        keys["StudyDate"] = _days(date)
    if description:
        keys["StudyDescription"] = _pattern(description, "description")
    if not keys:
        given = "a modality alone" if modality else "a query without a key"
        raise IdentifierError(
            f"{given} asks for most that an archive has; give at least one of: {_NARROWING}"
        )
    if modality:
        keys["ModalitiesInStudy"] = OneOf(_code(modality))
    return keys


def series_keys(study_uid: str, *, modality: str = "", description: str = "") -> dict[str, Key]:
    """The same at SERIES level, of one study. IdentifierError."""
    keys: dict[str, Key] = {"StudyInstanceUID": Exactly(valid_uid(study_uid, "study instance UID"))}
    if modality:
        keys["Modality"] = OneOf(_code(modality))
    if description:
        keys["SeriesDescription"] = _pattern(description, "description")
    return keys


def parse_day(text: str) -> dt.date | None:
    """A day as VR DA or ISO 8601 has it; None for what is none."""
    match = _DAY.fullmatch(text)
    try:
        return dt.date(*(int(part) for part in match.groups() if part)) if match else None
    except ValueError:
        return None


def _days(text: str) -> Days:
    asked = text.strip(" ")
    if day := parse_day(asked):
        return Days(day, day)
    match = _RANGE.fullmatch(asked)
    ends = match.groups() if match else (None, None)
    first, last = (parse_day(end or "") for end in ends)
    if any(end and day is None for end, day in zip(ends, (first, last), strict=True)) or not (first or last):
        raise IdentifierError(
            f"study date {text!r} is no date; give YYYYMMDD, YYYY-MM-DD, or a range: YYYYMMDD-YYYYMMDD, "
            "YYYYMMDD- (since then), -YYYYMMDD (until then)"
        )
    if first and last and first > last:
        raise IdentifierError(f"study date {text!r} ends before it begins; give the earlier day first")
    return Days(first, last)


def _code(text: str) -> str:
    code = text.strip(" ").upper()
    if not _CODE.fullmatch(code):
        raise IdentifierError(
            f"modality {text!r} is not 1 to 16 of letters, digits, space and underscore; give one, such as CT"
        )
    return code


def _name(text: str) -> NamePattern:
    name = text.strip(" ")
    groups = name.split("=")
    if len(groups) > _GROUPS:
        raise IdentifierError(f"patient name has {len(groups)} component groups (=); {_GROUPS} are allowed")
    longest = max(map(len, groups))
    if longest > _TEXT_LENGTH:
        raise IdentifierError(f"patient name has {longest} characters; {_TEXT_LENGTH} are allowed")
    return NamePattern(_searchable(name, "patient name"))


def _pattern(text: str, what: str) -> Pattern:
    pattern = text.strip(" ")
    if len(pattern) > _TEXT_LENGTH:
        raise IdentifierError(f"{what} has {len(pattern)} characters; {_TEXT_LENGTH} are allowed")
    return Pattern(_searchable(pattern, what))


def _searchable(text: str, what: str) -> str:
    """A value that may have wild cards, but not as good as nothing else. Errors do not repeat it."""
    if "\\" in text:
        raise IdentifierError(f"{what} has a backslash, which would make it a list; give one value")
    if not text.isprintable():  # control characters and lone surrogates among them
        raise IdentifierError(f"{what} has a control character, or one that cannot be printed")
    literals = sum(character.isalnum() for character in text)
    if not literals or ({"*", "?"} & set(text) and literals < _LITERALS):
        raise IdentifierError(
            f"{what} would match nearly everything; beside wild cards (* and ?) give {_LITERALS} letters or "
            "digits at least"
        )
    return text


def _fits(value: str, pattern: str) -> bool:
    return fnmatchcase(_folded(value), _folded(pattern).replace("[", "[[]"))  # a bracket is no wild card here


def _folded(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.lower())
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFC", plain)  # a ? is to be one syllable of Hangul
