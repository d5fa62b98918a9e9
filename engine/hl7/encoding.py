"""Delimiters, escape sequences and times: how HL7 v2 writes a value (ch. 2.5.4, 2.7, 2A.22)."""

from __future__ import annotations

import datetime as dt
import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import hl7

from engine.hl7.charset import DESIGNATIONS, TO_ASCII, decode_run

NULL = '""'  # ch. 2.5.3.2: the value is known to be empty


class Delimiters(NamedTuple):
    """MSH-1 and MSH-2 as sent."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    encoding: str = "^~\\&"  # MSH-2 whole; version 2.7 may add a truncation character


STANDARD_DELIMITERS = Delimiters()
_TIME = re.compile(r"(?P<time>\d{4}(?:\d{2}){0,5}(?:\.\d{1,4})?)(?P<offset>[+-]\d{4})?")
_BYTES = re.compile(r"X(?:[0-9A-Fa-f]{2})+")
_SWITCH = re.compile(r"C((?:[0-9A-Fa-f]{2}){2})|M((?:[0-9A-Fa-f]{2}){2,3})")
_SPACE = re.compile(r"\.(?:(?P<line>br|ce|sp)|sk)\+?(?P<count>\d{0,2})")
_WITHOUT_TEXT = re.compile(r"[HN]|\.(?:in|ti)[+-]?\d*|\.(?:fi|nf)|Z(?:[0-9A-Fa-f]{2})*")  # looks, local
_ROMAN = b"(J"
_JIS_X_0201 = {0x5C: "¥", 0x7E: "‾"}


def unescape(text: str, mark: Delimiters, codec: str = "utf_8", before: str = "") -> str:
    """Replace the escape sequences of ch. 2.7: delimiters, hexadecimal (bytes of ``codec``), line breaks.

    ``\\C..\\`` and ``\\M..\\`` switch the character set up to the next switch or the end of the repetition
    (ch. 2.7.2, 2A XPN); ``before`` is what stands before ``text`` in its repetition. Highlighting, formatting
    and local sequences vanish. What is no sequence of the standard stays as sent: of a raw list of UIDs,
    ``A\\B\\C``, nothing may be left that looks like one UID.
    """
    if mark.escape not in text and not before and codec != "shift_jis":
        return text
    sequences = _sequences(mark)
    content = _Content(codec, _last_switch(sequences.findall(before)))
    literal, *rest = sequences.split(text)
    content.add(literal)
    for sequence, literal in zip(rest[::2], rest[1::2], strict=True):
        _replace(sequence, content, mark)
        content.add(literal)
    return content.text()


def may_change_character_set(text: str, mark: Delimiters) -> bool:
    """Whether a \\C..\\ or \\M..\\ may occur, so that what stands before a value counts."""
    return f"{mark.escape}C" in text or f"{mark.escape}M" in text


@dataclass(slots=True)
class _Content:
    """Text under way. Bytes are joined before they are decoded: a character may span several escapes."""

    codec: str
    designation: bytes
    parts: list[str] = field(default_factory=list)
    run: bytearray = field(default_factory=bytearray)

    def add(self, text: str) -> None:
        """Text in the set of the moment."""
        sent = _bytes_of(text, self.codec) if self.designation != TO_ASCII else b""
        if sent:
            self.run += sent
        elif text:
            self.add_as_is(text.translate(self._roman()))

    def add_as_is(self, text: str) -> None:
        self._decode()
        self.parts.append(text)

    def switch(self, designation: bytes) -> None:
        self._decode()
        self.designation = designation

    def text(self) -> str:
        self._decode()
        return "".join(self.parts)

    def _decode(self) -> None:
        if self.run:
            text = decode_run(bytes(self.run), self.designation, self.codec)
            self.parts.append(text.translate(self._roman()))
            self.run.clear()

    def _roman(self) -> dict[int, str]:
        """Yen and overline of JIS X 0201, now that 5C and 7E are no delimiters any more."""
        roman = self.designation == _ROMAN or (self.designation == TO_ASCII and self.codec == "shift_jis")
        return _JIS_X_0201 if roman else {}


def _bytes_of(text: str, codec: str) -> bytes:
    """The bytes that a switch gives another meaning; none where the text is of a multi-byte set."""
    single = text.isascii() or codec.startswith("iso8859")
    with suppress(UnicodeEncodeError):
        return text.encode(codec) if single else b""
    return b""


def _replace(sequence: str, content: _Content, mark: Delimiters) -> None:
    if designation := _switch(sequence):
        content.switch(designation)
    elif _BYTES.fullmatch(sequence):
        content.run += bytes.fromhex(sequence[1:])
    elif delimiter := _letters(mark).get(sequence):
        content.add(delimiter)
    elif space := _SPACE.fullmatch(sequence):
        content.add_as_is(("\n" if space["line"] else " ") * max(int(space["count"] or 1), 1))
    elif not _WITHOUT_TEXT.fullmatch(sequence):
        content.add_as_is(f"{mark.escape}{sequence}{mark.escape}")


def _sequences(mark: Delimiters) -> re.Pattern[str]:
    escape = re.escape(mark.escape)
    return re.compile(f"{escape}([^{escape}]*){escape}")


def _switch(sequence: str) -> bytes:
    """The designation in a \\C..\\ or \\M..\\; empty for a set that is not known and any other sequence."""
    match = _SWITCH.fullmatch(sequence)
    designation = bytes.fromhex(match[1] or match[2]) if match else b""
    return designation if designation in DESIGNATIONS else b""


def _last_switch(sequences: list[str]) -> bytes:
    return next(filter(None, map(_switch, reversed(sequences))), TO_ASCII)


def _letters(mark: Delimiters) -> dict[str, str]:
    """The escape sequences of the delimiters; P only where MSH-2 names a truncation character (2.7)."""
    letters = {
        "E": mark.escape,
        "F": mark.field,
        "S": mark.component,
        "R": mark.repetition,
        "T": mark.subcomponent,
    }
    return letters | ({"P": mark.encoding[4]} if len(mark.encoding) > 4 else {})


def escape(text: str, mark: Delimiters) -> str:
    """Text as it may stand in a field: delimiters escaped, control characters as spaces (ch. 2.7.1)."""
    return text.translate(_escapes(mark))


@lru_cache(maxsize=64)
def _escapes(mark: Delimiters) -> dict[int, str]:
    """What stands for a character, by its number."""
    controls = dict.fromkeys([*range(32), 127], " ")
    delimiters = {ord(character): letter for letter, character in _letters(mark).items()}
    return controls | {number: f"{mark.escape}{letter}{mark.escape}" for number, letter in delimiters.items()}


def parse_time(text: str, zone: dt.tzinfo) -> dt.datetime | None:
    """An HL7 DTM (ch. 2A.22) as an aware time, in ``zone`` where it names none; None where it is not one."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    try:
        time: dt.datetime = hl7.parse_datetime(match["time"])
        # python-hl7 takes offsets of a day and more, and -0030 for +0030; strptime does not
        own = dt.datetime.strptime(match["offset"], "%z").tzinfo if match["offset"] else zone
    except ValueError:
        return None
    return time.replace(tzinfo=own)
