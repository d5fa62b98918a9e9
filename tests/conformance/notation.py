"""Bytes as people can read them in a table.

======================== ===============================================================================
``<VT> <FS> <CR> <LF>``  the control characters of MLLP and HL7; ``<NUL>`` too
``<xE4>``                one byte
``<A*300>``              a character so many times
``${A}``                 a message control ID, new for each run of a case, the same within it
``${good A}``            the suite's good message with that control ID
a line break             nothing: long messages are written one segment a line
======================== ===============================================================================

Anything else stands for itself, in UTF-8.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator

GOOD = (
    "MSH|^~\\&|SUITE|LAB|RECEIVER|WARD|19991231235959||ADT^A01|${ID}|P|2.5.1<CR>"
    "EVN|A01|19991231235959<CR>PID|1||C-1^^^SUITE^MR||Case^Test<CR>PV1|1|O<CR>"
)
"""A message that any receiver should accept; ``${ID}`` is its MSH-10."""

SENT_TIME = "19991231235959"
"""MSH-7 of every message here: an answer that has it has repeated it."""

_CONTROL = {"VT": b"\x0b", "FS": b"\x1c", "CR": b"\r", "LF": b"\n", "NUL": b"\0"}
_MARK = re.compile(
    r"<(?P<name>VT|FS|CR|LF|NUL)>|<x(?P<hex>[0-9A-F]{2})>|<(?P<unit>.)\*(?P<count>\d+)>"
    r"|\$\{(?:(?P<good>good) )?(?P<id>\w+)\}|(?P<end>\n)"
)
_ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def _fresh() -> Iterator[str]:
    """Control IDs of one length, new in each run: receivers may know those of the run before."""
    start = int(time.time() * 1000) << 16
    for number in itertools.count(start):
        digits = ""
        for _ in range(12):
            number, digit = divmod(number, len(_ALPHABET))
            digits = _ALPHABET[digit] + digits
        yield f"S{digits}"


_FRESH = _fresh()


class Names:
    """What ``${A}`` and ``${good A}`` stand for in one run of a case."""

    def __init__(self, good: str = GOOD) -> None:
        self._good = good
        self._ids: dict[str, str] = {}

    def control_id(self, name: str) -> str:
        """The same each time it is asked for."""
        return self._ids.setdefault(name, next(_FRESH))

    def to_bytes(self, text: str) -> bytes:
        """What ``text`` stands for."""
        parts, position = [], 0
        for mark in _MARK.finditer(text):
            parts += [text[position : mark.start()].encode(), self._value(mark)]
            position = mark.end()
        return b"".join([*parts, text[position:].encode()])

    def to_pattern(self, text: str) -> str:
        """A regular expression for an answer that was decoded as Latin-1, which keeps each byte."""
        parts, position = [], 0
        for mark in _MARK.finditer(text):
            literal = re.escape(self._value(mark).decode("latin-1"))
            parts += [text[position : mark.start()].encode().decode("latin-1"), literal]
            position = mark.end()
        return "".join([*parts, text[position:].encode().decode("latin-1")])

    def _value(self, mark: re.Match[str]) -> bytes:
        if mark["name"]:
            return _CONTROL[mark["name"]]
        if mark["hex"]:
            return bytes.fromhex(mark["hex"])
        if mark["unit"]:
            return mark["unit"].encode() * int(mark["count"])
        if mark["good"]:
            return self.to_bytes(self._good.replace("${ID}", self.control_id(mark["id"])))
        return self.control_id(mark["id"]).encode() if mark["id"] else b""


def readable(data: bytes, limit: int = 200) -> str:
    """Bytes in the notation, cut to about ``limit`` characters, for reports."""
    names = {value[0]: f"<{name}>" for name, value in _CONTROL.items()}
    text = "".join(names.get(byte) or (chr(byte) if 32 <= byte < 127 else f"<x{byte:02X}>") for byte in data)
    return text if len(text) <= limit else f"{text[:limit]}…"
