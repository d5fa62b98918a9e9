"""A lazy view of an HL7 v2 message: the header at once, any other segment when a path asks for it.

HL7 v2 ch. 2.5 (message construction), 2.14.9 (MSH).
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass

import hl7

from engine.errors import MessageError
from engine.hl7.charset import decode
from engine.hl7.encoding import NULL, STANDARD_DELIMITERS, Delimiters, unescape
from engine.hl7.path import Chosen, FieldPath

_SEGMENT_ID = re.compile(r"[A-Za-z][A-Za-z0-9]{2}")
_BLANK = " \t\r\n"
_BEFORE_MSH = b"\xef\xbb\xbf \t\r\n"  # a UTF-8 byte order mark is no part of the message
_ISO_2022 = (b"ISO IR159", b"ISO IR87")  # the larger one first


@dataclass(frozen=True, slots=True)
class Header:
    """MSH, its fields as sent (undecoded escapes, all components)."""

    delimiters: Delimiters = STANDARD_DELIMITERS
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    type_code: str = ""
    trigger: str = ""
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    character_set: str = ""
    codec: str = "utf_8"

    @property
    def message_type(self) -> str:
        """``ORM^O01``; the code alone where no trigger event is given."""
        return f"{self.type_code}^{self.trigger}" if self.trigger else self.type_code


@dataclass(frozen=True, slots=True)
class Located:
    """A value and the exact place where it stands, such as ``PID-3(2).1``."""

    text: str
    location: str


class Message:
    """One message. ``raw`` is what came; ``warnings`` say what was odd but readable."""

    def __init__(self, raw: bytes, default_charset: str = "UNICODE UTF-8") -> None:
        """Read the header; MessageError where the message cannot be told apart or answered properly."""
        self.raw = raw
        body = raw.lstrip(_BEFORE_MSH)
        decoded = decode(body, _declared_charset(body), default_charset)
        lines = split_segments(decoded.text)
        self.header = _header(lines[0], decoded.codec)
        self.warnings: tuple[str, ...] = (decoded.warning,) if decoded.warning else ()
        self._lines: dict[str, list[str]] = {}
        self._parsed: dict[str, list[hl7.Segment]] = {}
        self._index(lines)
        _require(self.header)

    def _index(self, lines: list[str]) -> None:
        separator = self.header.delimiters.field
        for number, line in enumerate(lines, 1):
            name = line[:3].upper()
            if not _SEGMENT_ID.fullmatch(name) or (len(line) > 3 and line[3] != separator):
                self.warnings += (f"line {number} is not a segment and was left out of routing",)
                continue
            if name in {"MSH", "BHS", "FHS"} and number > 1:
                raise MessageError(
                    f"line {number} begins another message ({name}) in one block; send each in its own",
                    location=name,
                )
            self._lines.setdefault(name, []).append(line)

    @property
    def segment_ids(self) -> tuple[str, ...]:
        """The names of the segments that occur, in order of first occurrence."""
        return tuple(self._lines)

    def values(self, path: FieldPath) -> list[Located]:
        """Every non-empty value that the path names, unescaped, in order of the message."""
        if path.segment == "MSH" and path.field <= 2:
            value = self.header.delimiters.field if path.field == 1 else self.header.delimiters.encoding
            return [Located(value, path.text)] if value else []
        found = []
        for occurrence, segment in self._occurrences(path):
            for repetition, content in self._repetitions(segment, path):
                text = self._text(content, path.component, path.subcomponent)
                if text:
                    found.append(Located(text, _location(path, occurrence, repetition)))
        return found

    def first(self, path: FieldPath) -> str:
        """The first value that the path names, or an empty string. HL7 null counts as empty."""
        return next((value.text for value in self.values(path) if value.text != NULL), "")

    def _occurrences(self, path: FieldPath) -> Iterator[tuple[int, hl7.Segment]]:
        for number, segment in enumerate(self._segments_named(path.segment), 1):
            if path.occurrence is None or path.occurrence == number:
                yield number, segment

    def _segments_named(self, name: str) -> list[hl7.Segment]:
        if name not in self._lines:
            return []
        if name not in self._parsed:
            mark = self.header.delimiters
            start = f"MSH{mark.field}{mark.encoding}{mark.field}\r"
            self._parsed[name] = [
                hl7.parse(line if name == "MSH" else start + line)[-1] for line in self._lines[name]
            ]
        return self._parsed[name]

    def _repetitions(
        self, segment: hl7.Segment, path: FieldPath
    ) -> Iterator[tuple[int, hl7.Container | str]]:
        if path.field >= len(segment):
            return
        for number, repetition in enumerate(segment[path.field], 1):
            if path.repetition is not None and path.repetition != number:
                continue
            if all(self._is_chosen(repetition, choice) for choice in path.chosen):
                yield number, repetition

    def _is_chosen(self, repetition: hl7.Container | str, choice: Chosen) -> bool:
        places = (1, 2) if choice.subcomponent is None else (choice.subcomponent,)
        return choice.value in [self._text(repetition, choice.component, place) for place in places]

    def _text(self, repetition: hl7.Container | str, component: int, subcomponent: int) -> str:
        part = _child(_child(repetition, component), subcomponent)
        return unescape(str(part), self.header.delimiters, self.header.codec).strip(" ")


def _child(node: hl7.Container | str, number: int) -> hl7.Container | str:
    """The n-th part of a node; a leaf is its own first part (HL7 v2 ch. 2.14.1), and the rest are empty."""
    if isinstance(node, str):
        return node if number == 1 else ""
    if number <= len(node):
        part: hl7.Container | str = node[number - 1]
        return part
    return ""


def _location(path: FieldPath, occurrence: int, repetition: int) -> str:
    segment = path.segment if occurrence == 1 else f"{path.segment}({occurrence})"
    field = f"{path.field}" if repetition == 1 else f"{path.field}({repetition})"
    component = (
        f".{path.component}" if path.component > 1 or path.subcomponent > 1 or ".1" in path.text else ""
    )
    subcomponent = f".{path.subcomponent}" if path.subcomponent > 1 else ""
    return f"{segment}-{field}{component}{subcomponent}"


def _declared_charset(raw: bytes) -> str:
    """MSH-18, read before the text can be decoded: the delimiters of MSH are ASCII in every set here.

    The first repetition, but an ISO 2022 set in any (``~ISO IR87`` is usual in Japan): it includes ASCII,
    and to whom does not follow its escapes the bytes of a kanji are delimiters (HL7 v2 ch. 2.14.9.18).
    """
    if not raw.startswith(b"MSH") or len(raw) < 8:
        return ""
    line = re.split(rb"[\r\n]", raw, maxsplit=1)[0]
    fields = line.split(raw[3:4])
    declared = fields[17].split(fields[1][1:2] or b"~") if len(fields) > 17 else [b""]
    sets = [name.strip() for name in declared]
    chosen = next((name for name in _ISO_2022 if name in sets), sets[0])
    return chosen.decode("ascii", "replace")


def split_segments(text: str) -> list[str]:
    """The lines of a message: segments end with CR; CRLF and LF alone are taken too, as many senders do.

    What ends MSH shows which: where that is CR, an LF further on is part of a text. MessageError where the
    first is not MSH.
    """
    msh_end = re.search(r"[\r\n]", text)
    ends = r"\r?\n|\r" if msh_end is not None and msh_end[0] == "\n" else r"\r\n?"
    lines = [line for line in re.split(ends, text) if line.strip(_BLANK)]
    if not lines:
        raise MessageError("the block is empty", reject=True)
    if lines[0].startswith(("FHS", "BHS")):
        raise MessageError(
            "batches (FHS, BHS) are not accepted; send each message in a block of its own", reject=True
        )
    if not lines[0].startswith("MSH") or len(lines[0]) < 5:
        raise MessageError("the message does not begin with MSH", location="MSH", reject=True)
    return lines


def _header(line: str, codec: str) -> Header:
    delimiters = _delimiters(line)
    fields = ["MSH", *line[3:].split(delimiters.field)]
    fields[1] = delimiters.field

    def field(number: int) -> str:
        return fields[number].strip(" ") if number < len(fields) else ""

    kind = [part.strip(" ") for part in field(9).split(delimiters.component)]
    return Header(
        delimiters=delimiters,
        sending_application=field(3),
        sending_facility=field(4),
        receiving_application=field(5),
        receiving_facility=field(6),
        type_code=kind[0],
        trigger=kind[1] if len(kind) > 1 else "",
        control_id=field(10),
        processing_id=field(11),
        version=field(12).split(delimiters.component)[0],
        character_set=field(18),
        codec=codec,
    )


def _delimiters(line: str) -> Delimiters:
    separator = line[3]
    encoding = line[4:].split(separator, 1)[0]
    marks = separator + encoding
    marks += "|^~\\&"[len(marks) :]
    if any(mark not in string.punctuation for mark in marks) or len(set(marks)) != len(marks):
        raise MessageError(
            f"MSH-1 and MSH-2 {separator + encoding!r} are not distinct punctuation",
            code=102,
            location="MSH-2",
        )
    field, component, repetition, escape, subcomponent = tuple(marks[:5])
    return Delimiters(field, component, repetition, escape, subcomponent, encoding)


def _require(header: Header) -> None:
    """Fields without which a message can neither be routed nor acknowledged (HL7 v2 ch. 2.14.9); HL7 null is
    no value either."""
    for value, location in ((header.type_code, "MSH-9"), (header.control_id, "MSH-10")):
        if value in ("", NULL):
            raise MessageError(f"{location} is required and empty", code=101, location=location)


def best_header(raw: bytes) -> Header:
    """As much of MSH as can be read from the start of a broken message, for a NAK; blank if nothing can."""
    start = raw.find(b"MSH")
    try:
        line = re.split(r"[\r\n]", raw[start:].decode("ascii", "replace"), maxsplit=1)[0]
        return _header(line, "ascii") if start >= 0 and len(line) > 8 else Header()
    except MessageError:
        return Header()
