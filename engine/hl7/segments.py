"""The segments of a message as lines (HL7 v2 ch. 2.5.2)."""

from __future__ import annotations

import re
from functools import lru_cache

from engine.errors import MessageError

_SEGMENT_ID = re.compile(r"[A-Za-z][A-Za-z0-9]{2}")
_BLANK = " \t\r\n"


def split_segments(text: str) -> list[str]:
    """The lines of a message: segments end with CR; CRLF and LF alone are taken too, as many senders do.

    What ends MSH shows which: where that is CR, an LF further on is part of a text. MessageError where the
    first is not MSH.
    """
    lines = [line for line in _split_lines(text) if line.strip(_BLANK)]
    if not lines:
        raise MessageError("the block is empty", reject=True)
    if lines[0].startswith(("FHS", "BHS")):
        raise MessageError(
            "batches (FHS, BHS) are not accepted; send each message in a block of its own", reject=True
        )
    if "\0" in lines[0] and "MSH" in lines[0].replace("\0", ""):
        raise MessageError(
            "the message is in UTF-16 or UTF-32, which MLLP cannot carry; send UNICODE UTF-8", reject=True
        )
    if not lines[0].startswith("MSH") or len(lines[0]) < 5:
        raise MessageError("the message does not begin with MSH", location="MSH", reject=True)
    return lines


def _split_lines(text: str) -> list[str]:
    if "\n" not in text:
        return text.split("\r")
    msh_end = re.search(r"[\r\n]", text)
    return re.split(r"\r?\n|\r" if msh_end is not None and msh_end[0] == "\n" else r"\r\n?", text)


@lru_cache(maxsize=256)
def segment_id(text: str) -> str:
    """The name of a segment in capitals; empty where it is none."""
    name = text.upper()
    return name if _SEGMENT_ID.fullmatch(name) else ""
