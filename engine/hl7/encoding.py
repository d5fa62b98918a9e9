"""Delimiters, escape sequences and times: how HL7 v2 writes a value (ch. 2.5.4, 2.7, 2A.22)."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

import hl7

NULL = '""'  # ch. 2.5.3.2: the value is known to be empty


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2 as sent."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    encoding: str = "^~\\&"  # MSH-2 whole; version 2.7 may add a truncation character


STANDARD_DELIMITERS = Delimiters()
_TIME = re.compile(r"(?P<time>\d{4}(?:\d{2}){0,5}(?:\.\d{1,4})?)(?P<offset>[+-]\d{4})?")


_LINE_BREAK = re.compile(r"\.(?:br|ce|sp\+?\d*)")
_WITHOUT_TEXT = re.compile(r"[HN]|\.[a-z]{2}[+-]?\d*|[CMZ](?:[0-9A-Fa-f]{2})*")  # looks and character sets


def unescape(text: str, mark: Delimiters, codec: str = "utf_8") -> str:
    """Replace the escape sequences of ch. 2.7: delimiters, hexadecimal (bytes of ``codec``), line breaks.

    Highlighting, formatting, changes of character set and local sequences vanish. What is no sequence of the
    standard stays as sent: of a raw list of UIDs, ``A\\B\\C``, nothing may be left that looks like one UID.
    """
    if mark.escape not in text:
        return text
    escape = re.escape(mark.escape)
    return re.sub(
        f"{escape}([^{escape}]*){escape}",
        lambda match: _unescaped(match[1], match[0], mark, codec),
        text,
    )


def _unescaped(sequence: str, as_sent: str, mark: Delimiters, codec: str) -> str:
    plain = {
        "F": mark.field,
        "S": mark.component,
        "T": mark.subcomponent,
        "R": mark.repetition,
        "E": mark.escape,
    }
    if sequence in plain:
        return plain[sequence]
    if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", sequence):
        return bytes.fromhex(sequence[1:]).decode(codec, "replace")
    if _LINE_BREAK.fullmatch(sequence):
        return "\n"
    return "" if _WITHOUT_TEXT.fullmatch(sequence) else as_sent


def escape(text: str, mark: Delimiters) -> str:
    """Text as it may stand in a field: delimiters escaped, control characters as spaces (ch. 2.7.1)."""
    letters = {
        mark.escape: "E",
        mark.field: "F",
        mark.component: "S",
        mark.repetition: "R",
        mark.subcomponent: "T",
    }
    return "".join(_escaped(character, letters, mark.escape) for character in text)


def _escaped(character: str, letters: dict[str, str], mark: str) -> str:
    if character in letters:
        return f"{mark}{letters[character]}{mark}"
    return " " if ord(character) < 32 or ord(character) == 127 else character


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
