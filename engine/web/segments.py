"""A message as a table: every value with its path and the name that the standard gives its field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

from engine.errors import MessageError
from engine.hl7.charset import declared_sets, decode
from engine.hl7.encoding import Delimiters, unescape
from engine.hl7.message import best_header
from engine.hl7.segments import split_segments
from engine.telling.masking import Veil
from engine.web.masks import field_behind

MOST_VALUES = 600
"""Of one message; the page says where there are more."""
_SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}")
_LONGEST = 400  # characters of one value
_BASIS = "2.5.1"
_SHORT = {"Id": "ID", "Uid": "UID", "Hl7": "HL7", "Ssn": "SSN"}


class Value(NamedTuple):
    """One value. ``path`` is such as ``PID-3(2).1``; ``name`` is empty where the standard has none."""

    path: str
    name: str
    text: str


class Segment(NamedTuple):
    """A segment with what stands in it."""

    name: str
    title: str
    values: list[Value]


def segments_of(raw: bytes, default_charset: str, veil: Veil) -> tuple[list[Segment], bool]:
    """The segments, and whether that is all of them. Raises nothing: what was refused is looked at too."""
    mark = best_header(raw).delimiters
    body = raw.lstrip(b"\xef\xbb\xbf \t\r\n")
    decoded = decode(body, declared_sets(body, default_charset), default_charset)
    version = best_header(raw).version
    found: list[Segment] = []
    left = MOST_VALUES
    counts: dict[str, int] = {}
    for line in _lines(decoded.text):
        name = line[:3]
        counts[name] = counts.get(name, 0) + 1
        values = list(islice(_values(line, counts[name], mark, decoded.codec, version), left + 1))
        whole = _SEGMENT.fullmatch(name) is not None and line[3:4] in ("", mark.field)
        hidden = [it._replace(text=_cut(_behind(veil, it, whole))) for it in values[:left]]
        found.append(Segment(name, _title(name), hidden))
        left -= len(values)
        if left < 0:
            return found, False
    return found, True


def _behind(veil: Veil, value: Value, whole: bool) -> str:
    """What is no segment may be what is left of the patient's, whose values nobody knows then."""
    return field_behind(veil, value.path, value.text) if whole else veil.value(value.text)


def _lines(text: str) -> list[str]:
    try:
        return split_segments(text)
    except MessageError:
        return [line for line in text.splitlines() if line.strip()]


def _values(line: str, occurrence: int, mark: Delimiters, codec: str, version: str) -> Iterator[Value]:
    name, *fields = line.split(mark.field)
    if name == "MSH":
        fields = [mark.field, *fields]
    place = name if occurrence == 1 else f"{name}({occurrence})"
    for number, field in enumerate(fields, 1):
        if name == "MSH" and number <= 2:
            yield Value(f"MSH-{number}", field_name("MSH", number, 0, version), field)
            continue
        repetitions = field.split(mark.repetition)
        for repetition, content in enumerate(repetitions, 1):
            path = f"{place}-{number}" + (f"({repetition})" if repetition > 1 else "")
            for value in _components(content, path, mark):
                text = unescape(value.text, mark, codec).strip(" ")
                component = int(value.name or 0)
                if text:
                    yield Value(value.path, field_name(name, number, component, version), text)


def _components(content: str, path: str, mark: Delimiters) -> Iterator[Value]:
    """Parts of a repetition; in the place of the name the number of the component, empty for the only one."""
    components = content.split(mark.component)
    if len(components) == 1 and mark.subcomponent not in content:
        yield Value(path, "", content)
        return
    for number, component in enumerate(components, 1):
        parts = component.split(mark.subcomponent)
        for sub, part in enumerate(parts, 1):
            yield Value(f"{path}.{number}" + (f".{sub}" if len(parts) > 1 else ""), str(number), part)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def field_name(segment: str, field: int, component: int, version: str = _BASIS) -> str:
    """Such as ``Patient identifier list: ID number``; ``component`` 0 is the field as a whole."""
    fields = _fields(segment, version) or _fields(segment, _BASIS)
    if field not in fields:
        return ""
    name, components = fields[field]
    part = components[component - 1] if 0 < component <= len(components) else ""
    return f"{name}: {part}" if part else name


@lru_cache(maxsize=256)
def _fields(segment: str, version: str) -> dict[int, tuple[str, tuple[str, ...]]]:
    """The names of a segment's fields and of their components, by number, as hl7apy has them."""
    from hl7apy import load_library
    from hl7apy.exceptions import HL7apyException

    try:
        reference = load_library(version).get(segment, "Segment")
    except (HL7apyException, KeyError):
        return {}
    return {int(name.rpartition("_")[2]): _named(told) for name, told, *_ in reference[1]}


def _named(reference: Any) -> tuple[str, tuple[str, ...]]:
    """hl7apy: ('leaf' or 'sequence', children, data type, name, table, length)."""
    children = reference[1] if reference[0] == "sequence" else ()
    return _words(reference[3]), tuple(_words(child[1][3]) for child in children)


def _words(name: str | None) -> str:
    if not name:
        return ""
    words = name.replace("_", " ").lower().capitalize().split(" ")
    return " ".join(_SHORT.get(word.capitalize(), word) for word in words)


_TITLES = {
    "MSH": "Message header",
    "EVN": "Event",
    "PID": "Patient",
    "PD1": "Patient, more",
    "NK1": "Next of kin",
    "MRG": "Merged patient",
    "PV1": "Visit",
    "PV2": "Visit, more",
    "ORC": "Common order",
    "OBR": "Observation request",
    "OBX": "Observation",
    "TQ1": "Timing",
    "IPC": "Imaging procedure",
    "DG1": "Diagnosis",
    "AL1": "Allergy",
    "IN1": "Insurance",
    "GT1": "Guarantor",
    "NTE": "Note",
    "ZDS": "Study (IHE)",
    "MSA": "Acknowledgment",
    "ERR": "Error",
}


def _title(name: str) -> str:
    return _TITLES.get(name, "Site-defined" if name.startswith("Z") else "")
