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


def unescape(text: str, mark: Delimiters) -> str:
    """Replace the escape sequences of ch. 2.7: delimiters, hexadecimal, line breaks.

    Highlighting and unknown sequences vanish, as the standard asks of a receiver that does not know them; an
    escape character without its partner stays as it is.
    """
    if mark.escape not in text:
        return text
    escape = re.escape(mark.escape)
    return re.sub(f"{escape}([^{escape}]*){escape}", lambda match: _unescaped(match[1], mark), text)


def _unescaped(sequence: str, mark: Delimiters) -> str:
    plain = {
        "F": mark.field,
        "S": mark.component,
        "T": mark.subcomponent,
        "R": mark.repetition,
        "E": mark.escape,
    }
    if sequence in plain:
        return plain[sequence]
    if sequence.startswith("X") and re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", sequence):
        return bytes.fromhex(sequence[1:]).decode("utf_8", "replace")
    return "\n" if sequence in {".br", ".sp", ".ce"} else ""


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
    if not re.fullmatch(r"\d{4}(?:\d{2}){0,5}(?:\.\d{1,4})?(?:[+-]\d{4})?", text):
        return None
    try:
        time: dt.datetime = hl7.parse_datetime(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else time.replace(tzinfo=zone)
