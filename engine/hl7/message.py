"""A lazy view of an HL7 v2 message: the header at once, any other segment when a path asks for it.

HL7 v2 ch. 2.5 (message construction), 2.14.9 (MSH).
"""

from __future__ import annotations

import re
import string
from functools import lru_cache
from typing import Any, NamedTuple

from engine.errors import ErrorCode, MessageError
from engine.hl7.charset import declared_sets, decode
from engine.hl7.encoding import NULL, STANDARD_DELIMITERS, Delimiters, may_change_character_set, unescape
from engine.hl7.path import Chosen, FieldPath
from engine.hl7.segments import segment_id, split_segments

MOST_VALUES = 1000  # of one field or segment: more are no order, and would cost every other sender time
_ACKNOWLEDGMENT = 4096  # bytes within which MSH-9 and MSA stand
_MSA = re.compile(rb"(?:^|[\r\n])[ \t]*MSA[^A-Za-z0-9\s]")
_BEFORE_MSH = b"\xef\xbb\xbf \t\r\n"  # a UTF-8 byte order mark is no part of the message


class Header(NamedTuple):
    """MSH, its fields as sent (undecoded escapes, all components). The last two are a message's own; those
    before them are the same for most messages of a sender."""

    delimiters: Delimiters = STANDARD_DELIMITERS
    sending_application: str = ""
    sending_facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    type_code: str = ""
    trigger: str = ""
    processing_id: str = ""
    version_id: str = ""
    accept_condition: str = ""
    application_condition: str = ""
    character_set: str = ""
    codec: str = "utf_8"
    time: str = ""
    control_id: str = ""

    @property
    def shared(self) -> tuple[Any, ...]:
        """All but what is a message's own."""
        return self[:-2]

    @property
    def version(self) -> str:
        """MSH-12.1, such as ``2.5.1``."""
        return self.version_id.partition(self.delimiters.component)[0]

    @property
    def application(self) -> str:
        """MSH-3.1, the name of the sending application."""
        return self.sending_application.partition(self.delimiters.component)[0]

    @property
    def facility(self) -> str:
        """MSH-4.1, the name of the sending facility."""
        return self.sending_facility.partition(self.delimiters.component)[0]

    @property
    def message_type(self) -> str:
        """``ORM^O01``; the code alone where no trigger event is given."""
        return f"{self.type_code}^{self.trigger}" if self.trigger else self.type_code


class Located(NamedTuple):
    """A value and the exact place where it stands, such as ``PID-3(2).1``."""

    text: str
    location: str
    occurrence: int = 1
    repetition: int = 1


class Message:
    """One message. ``raw`` is what came; ``warnings`` say what was odd but readable."""

    def __init__(self, raw: bytes, default_charset: str = "UNICODE UTF-8") -> None:
        """Read the header; MessageError where the message cannot be told apart or answered properly."""
        self.raw = raw
        body = raw.lstrip(_BEFORE_MSH)
        decoded = decode(body, declared_sets(body, default_charset), default_charset)
        lines = split_segments(decoded.text)
        self.header = _header(lines[0], decoded.codec)
        self.warnings: tuple[str, ...] = (decoded.warning,) if decoded.warning else ()
        mark = self.header.delimiters
        escapes = decoded.text.count(mark.escape)  # one is that of MSH-2, and a sequence has two
        self._literal = escapes < 2 and decoded.codec != "shift_jis"
        self._switches = not self._literal and may_change_character_set(decoded.text, mark)
        self._lines: dict[str, list[str]] = {}
        self._split: dict[str, list[list[str]]] = {}
        self._found: dict[str, tuple[Located, ...]] = {}  # by the text of the path
        self._index(lines)
        _require(self.header)

    def _index(self, lines: list[str]) -> None:
        separator = self.header.delimiters.field
        for number, line in enumerate(lines, 1):
            name = segment_id(line[:3])
            if not name or line[3:4] not in (separator, ""):
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

    def count(self, segment: str) -> int:
        """How many segments of this name there are."""
        return len(self._lines.get(segment, ()))

    def values(self, path: FieldPath) -> tuple[Located, ...]:
        """Every non-empty value that the path names, unescaped, in order of the message. MessageError where
        there are more than MOST_VALUES places to look at."""
        found = self._found.get(path.text)
        if found is None:
            found = self._found[path.text] = tuple(self._read(path))
        return found

    def first(self, path: FieldPath) -> str:
        """The first value that the path names, or an empty string. HL7 null counts as empty."""
        return next((value.text for value in self.values(path) if value.text != NULL), "")

    def _read(self, path: FieldPath) -> list[Located]:
        if path.segment == "MSH" and path.field <= 2:
            value = self.header.delimiters.field if path.field == 1 else self.header.delimiters.encoding
            return [Located(value, path.text)] if value else []
        found = []
        for occurrence, fields in enumerate(self._fields_of(path.segment), 1):
            field = fields[path.field] if path.field < len(fields) else ""
            if field and path.occurrence in (None, occurrence):
                for repetition, content in self._repetitions(field, path):
                    text = self._text(content, path.component, path.subcomponent)
                    if text:
                        place = path.at(occurrence, repetition)
                        found.append(Located(text, place, occurrence, repetition))
        return found

    def beside(self, value: Located, path: FieldPath, component: int) -> str:
        """Another component (the first subcomponent of it) of the repetition in which a value of ``path``
        stands. HL7 null counts as empty."""
        field = self._fields_of(path.segment)[value.occurrence - 1][path.field]
        repetition = field.split(self.header.delimiters.repetition)[value.repetition - 1]
        text = self._text(repetition, component, 1)
        return "" if text == NULL else text

    def _fields_of(self, name: str) -> list[list[str]]:
        """The fields of each segment of this name, as they stand."""
        split = self._split.get(name)
        if split is None:
            mark, lines = self.header.delimiters.field, self._lines.get(name, ())
            if len(lines) > MOST_VALUES:
                raise _too_many(name, len(lines))
            split = self._split[name] = [line.split(mark) for line in lines]
            if name == "MSH":
                split[0].insert(1, mark)  # MSH-1 is the delimiter itself
        return split

    def _repetitions(self, field: str, path: FieldPath) -> list[tuple[int, str]]:
        """Those that the path names, with their numbers."""
        every = path.repetition is None and not path.chosen
        if every and self.header.delimiters.repetition not in field:
            return [(1, field)]
        repetitions = list(enumerate(field.split(self.header.delimiters.repetition), 1))
        if len(repetitions) > MOST_VALUES:
            raise _too_many(f"{path.segment}-{path.field}", len(repetitions))
        if every:
            return repetitions
        return [
            (number, repetition)
            for number, repetition in repetitions
            if path.repetition in (None, number)
            and all(self._is_chosen(repetition, choice) for choice in path.chosen)
        ]

    def _is_chosen(self, repetition: str, choice: Chosen) -> bool:
        places = (1, 2) if choice.subcomponent is None else (choice.subcomponent,)
        return choice.value in [self._text(repetition, choice.component, place) for place in places]

    def _text(self, repetition: str, component: int, subcomponent: int) -> str:
        """One part; a text without separators is its own first part, and the rest are empty (HL7 v2 ch.
        2.14.1)."""
        mark = self.header.delimiters
        if self._literal and component == subcomponent == 1:
            return repetition.partition(mark.component)[0].partition(mark.subcomponent)[0].strip(" ")
        components = repetition.split(mark.component, component)
        if component > len(components):
            return ""
        parts = components[component - 1].split(mark.subcomponent, subcomponent)
        if subcomponent > len(parts):
            return ""
        if self._literal:
            return parts[subcomponent - 1].strip(" ")
        before = "".join(components[: component - 1] + parts[: subcomponent - 1]) if self._switches else ""
        return unescape(parts[subcomponent - 1], mark, self.header.codec, before).strip(" ")


def _too_many(place: str, count: int) -> MessageError:
    text = f"{place} occurs {count} times; at most {MOST_VALUES} are read"
    return MessageError(text, code=ErrorCode.VALUE_TOO_LONG, location=place)


def _header(line: str, codec: str) -> Header:
    separator, (encoding, *fields) = line[3], line[4:].split(line[3], 18)
    delimiters = _delimiters(separator, encoding)
    fields = [field.strip(" ") for field in fields] + [""] * (17 - len(fields))
    kind = [part.strip(" ") for part in fields[6].split(delimiters.component)]
    trigger = kind[1] if len(kind) > 1 else ""
    shared = [*fields[:4], kind[0], trigger, fields[8], fields[9], fields[12], fields[13], fields[15], codec]
    return Header._make([delimiters, *shared, fields[4], fields[7]])


@lru_cache(maxsize=64)
def _delimiters(separator: str, encoding: str) -> Delimiters:
    marks = separator + encoding
    marks += "|^~\\&"[len(marks) :]
    if any(mark not in string.punctuation for mark in marks) or len(set(marks)) != len(marks):
        raise MessageError(
            f"MSH-1 and MSH-2 {separator + encoding!r} are not distinct punctuation",
            code=ErrorCode.DATA_TYPE,
            location="MSH-2",
        )
    field, component, repetition, escape, subcomponent = tuple(marks[:5])
    return Delimiters(field, component, repetition, escape, subcomponent, encoding)


def _require(header: Header) -> None:
    """Fields without which a message can neither be routed nor acknowledged (HL7 v2 ch. 2.14.9); HL7 null is
    no value either."""
    for value, location in ((header.type_code, "MSH-9"), (header.control_id, "MSH-10")):
        if value in ("", NULL):
            raise MessageError(
                f"{location} is required and empty", code=ErrorCode.REQUIRED_FIELD_MISSING, location=location
            )


def best_header(raw: bytes) -> Header:
    """As much of MSH as can be read from the start of a broken message, for a NAK; blank if nothing can."""
    start = raw.find(b"MSH")
    line = re.split(rb"[\r\n]", raw[start:], maxsplit=1)[0]
    decoded = decode(line, declared_sets(line))
    codec = "ascii" if line.isascii() else decoded.codec
    try:
        return _header(decoded.text, codec) if start >= 0 and len(decoded.text) > 8 else Header()
    except MessageError:
        return Header()


def has_msa(block: bytes) -> bool:
    """Whether a block, however broken, has an MSA, as every acknowledgment should."""
    head = block[:_ACKNOWLEDGMENT]
    return b"MSA" in head and _MSA.search(head) is not None


def is_acknowledgment(block: bytes) -> bool:
    """Whether a block that cannot be read is an acknowledgment (MSH-9.1 is ACK, or there is an MSA): one is
    never acknowledged, or two systems might do it for ever."""
    return has_msa(block) or best_header(block[:_ACKNOWLEDGMENT]).type_code == "ACK"
