"""What a message says of its patient and of those around him: to be kept from those who need not know.

Whole segments count (HL7 v2 ch. 3.4 and 6.5): the patient, whom he was merged with, next of kin, guarantor
and insurance; and of the visit (PV1) its numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_

from engine.errors import MessageError
from engine.hl7.charset import declared_sets, decode
from engine.hl7.encoding import NULL, Delimiters, may_change_character_set, unescape
from engine.hl7.message import best_header
from engine.hl7.segments import split_segments

LONG = 3  # characters from which on a value is looked for, whatever field it stands in
_SEGMENTS = frozenset({"PID", "PD1", "PDA", "MRG", "NK1", "GT1", "IN1", "IN2", "IN3"})
_OF_VISIT = frozenset({5, 19, 50})  # pre-admission, visit and alternate visit number
# CX: an ID with the authority, the type and the facility that go with it, which are no patient's
_IDS = {
    "PID": frozenset({2, 3, 4, 18, 21}),
    "MRG": frozenset({1, 2, 3, 4, 5, 6}),
    "PV1": _OF_VISIT,
}
_NAMES = {
    "PID": frozenset({5, 6, 9}),
    "MRG": frozenset({7}),
    "NK1": frozenset({2}),
    "GT1": frozenset({3, 4}),
    "IN1": frozenset({16}),
}
_NAME = ("PID", 5)
_PLAIN = {"PID": frozenset({7, 8, 19, 20}), "GT1": frozenset({2}), "IN1": frozenset({36, 49})}
_NUMBERED = frozenset({"PID", "NK1", "GT1", "IN1", "IN3"})  # their first field is a Set ID
_AUTHORITY, _NAME_TYPE = 4, 7  # the first components of a CX and an XPN that are no patient's
_LOCATION = re.compile(r"(\w{3})(?:\((?:\d+|\*)\))?-(\d+)")
_DATE = re.compile(r"(\d{4})(0[1-9]|1[0-2])([0-3]\d)\d*")
_BETWEEN, _APOSTROPHE = re.compile(r"[\W_]+"), re.compile("['’`´]")
_BEFORE_MSH = b"\xef\xbb\xbf \t\r\n"


@dataclass(frozen=True, slots=True)
class PatientValues:
    """``quoted``: every value, which is masked where it stands alone or in quotes. ``words``: those of three
    characters or more, and shorter ones that identify a patient, which are masked as words in a text.
    ``named``: the patient's name is among them, so that it would be found in what others say."""

    words: frozenset[str] = frozenset()
    quoted: frozenset[str] = frozenset()
    named: bool = False

    def __or__(self, other: PatientValues) -> PatientValues:
        """Of one patient, of whom either tells something."""
        named = self.named or other.named
        return PatientValues(self.words | other.words, self.quoted | other.quoted, named)

    @classmethod
    def of_ids(cls, ids: Iterable[str]) -> PatientValues:
        """Of patients of whom nothing else is known."""
        known = frozenset(filter(None, ids))
        return cls(known, known)


def of_all(patients: Iterable[PatientValues]) -> PatientValues:
    """Of several patients together, who are ``named`` where each of them is."""
    known = list(patients)
    everything = reduce(or_, known, PatientValues())
    return replace(everything, named=bool(known) and all(one.named for one in known))


def parts_of_name(name: str) -> set[str]:
    """How others may write a name that has a hyphen, an apostrophe or a space in it: by its parts, or in
    one."""
    found: set[str] = set()
    for spelled in {name, _APOSTROPHE.sub("", name)}:
        parts = [part for part in _BETWEEN.split(spelled) if part]
        found |= {*parts, "".join(parts)}
    return {part for part in found if len(part) > 1} - {name}


def about_patient(location: str) -> bool:
    """Whether a field such as ``PID-3(2).1``, or a text that begins with one, is the patient's."""
    match = _LOCATION.match(location)
    return match is not None and _is_patients(match[1].upper(), int(match[2]))


def _is_patients(segment: str, field: int) -> bool:
    return segment in _SEGMENTS or (segment == "PV1" and field in _OF_VISIT)


def patient_values(raw: bytes, default_charset: str = "UNICODE UTF-8") -> PatientValues:
    """What stands in these fields, as sent and without its escape sequences. Raises nothing: a message that
    cannot be accepted has a patient too."""
    body = raw.lstrip(_BEFORE_MSH)
    decoded = decode(body, declared_sets(body, default_charset), default_charset)
    mark = best_header(raw).delimiters
    switches = may_change_character_set(decoded.text, mark)
    words: set[str] = set()
    quoted: set[str] = set()
    named = False
    for segment, field, component, before, text in _leaves(_lines(decoded.text), mark):
        shown = unescape(text, mark, decoded.codec, before if switches else "").strip(" ")
        found = {it for it in (text.strip(" "), shown, *_as_dates(shown)) if it not in ("", NULL)}
        if _is_word(segment, field, component):
            words |= found
            if field in _NAMES.get(segment, ()):
                words |= parts_of_name(shown)
            named |= bool(found) and (segment, field) == _NAME
        elif not _is_of_institution(segment, field, component):
            words |= {it for it in found if len(it) >= LONG}
        quoted |= found
    return PatientValues(frozenset(words), frozenset(quoted), named)


def _lines(text: str) -> list[str]:
    try:
        return split_segments(text)
    except MessageError:
        return re.split(r"[\r\n]+", text)


def _leaves(lines: list[str], mark: Delimiters) -> Iterator[tuple[str, int, int, str, str]]:
    """Segment, field, component, what stands before it in its repetition, and the text as sent."""
    for line in lines:
        segment, *fields = line.lstrip(" \t").split(mark.field)
        name = segment[:3].upper()
        for number, field in enumerate(fields, 1):
            if not _is_patients(name, number) or (number == 1 and name in _NUMBERED):
                continue
            for repetition in field.split(mark.repetition):
                before = ""
                for component, whole in enumerate(repetition.split(mark.component), 1):
                    for part in whole.split(mark.subcomponent):
                        yield name, number, component, before, part
                        before += part


def _is_word(segment: str, field: int, component: int) -> bool:
    """Whether it identifies a patient, however short it is."""
    return (
        (field in _IDS.get(segment, ()) and component == 1)
        or (field in _NAMES.get(segment, ()) and component < _NAME_TYPE)
        or field in _PLAIN.get(segment, ())
    )


def _is_of_institution(segment: str, field: int, component: int) -> bool:
    return field in _IDS.get(segment, ()) and component >= _AUTHORITY


def _as_dates(text: str) -> tuple[str, ...]:
    """A date or time as DICOM and as ISO 8601 write its day."""
    match = _DATE.fullmatch(text)
    return (text[:8], "-".join(match.groups())) if match else ()
