"""An acknowledgment as the suite reads it, and what holds for every one, whatever the case asks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.conformance.notation import SENT_TIME, readable

_PATH = re.compile(
    r"(?P<name>[A-Z0-9]{3})(?:\((?P<number>\d+)\))?(?:-(?P<field>\d+)(?:\.(?P<component>\d+))?)?"
)
_TIME = re.compile(r"\d{8}(\d{2}){0,3}(\.\d{1,4})?([+-]\d{4})?")
_CODES = frozenset({"AA", "AE", "AR", "CA", "CE", "CR"})  # table 0008


class Deviation(AssertionError):
    """The receiver did not do what the case asks."""


class Answer:
    """One acknowledgment without its framing. Raises ``Deviation`` where it is no message."""

    def __init__(self, payload: bytes) -> None:
        self.payload = payload
        text = payload.decode("latin-1")
        if not text.startswith("MSH") or len(text) < 8:
            raise Deviation(f"the answer does not begin with MSH: {readable(payload)}")
        if not text.endswith("\r"):
            raise Deviation(f"the last segment has no CR (HL7 v2 ch. 2.5.2): {readable(payload)}")
        self._separator = text[3]
        self._component = text[4] if text[4] != self._separator else "^"
        self._segments = [line.split(self._separator) for line in text[:-1].split("\r")]
        self._segments[0].insert(1, self._separator)

    def field(self, path: str) -> str:
        """The field as it stands, undecoded; empty where there is none."""
        place = _PATH.fullmatch(path)
        if place is None or not place["field"]:
            raise ValueError(f"{path} is not the path of a field")
        found = [segment for segment in self._segments if segment[0] == place["name"]]
        number, index = int(place["number"] or 1), int(place["field"])
        if len(found) < number or len(found[number - 1]) <= index:
            return ""
        text = found[number - 1][index]
        parts = text.split(self._component) if place["component"] else [text]
        wanted = int(place["component"] or 1)
        return parts[wanted - 1] if len(parts) >= wanted else ""

    def count(self, name: str) -> int:
        """How many segments of that name there are."""
        return sum(segment[0] == name for segment in self._segments)

    def compare(self, expected: Mapping[str, str]) -> None:
        """Raise ``Deviation`` for the first field that is not as expected. The patterns are complete."""
        for path, pattern in expected.items():
            found = self.field(path) if "-" in path else str(self.count(path))
            if not re.fullmatch(pattern, found):
                shown = readable(found.encode("latin-1"))
                raise Deviation(f"{path} is {shown!r}, not {pattern!r}, in {readable(self.payload, 600)}")


class Rules:
    """What holds for every answer of a receiver (HL7 v2 ch. 2.9.2, 2.14.8, 2.14.9)."""

    def __init__(self) -> None:
        self._given: dict[str, tuple[str, str]] = {}

    def check(self, answer: Answer) -> None:
        """Raise ``Deviation`` for a rule that is broken."""
        shown = readable(answer.payload)
        if re.search(rb"[\x00-\x0c\x0e-\x1a\x1c-\x1f]", answer.payload):
            raise Deviation(f"a control character in the answer: {shown}")
        if answer.count("MSH") != 1 or answer.count("MSA") != 1:
            raise Deviation(f"not one MSH and one MSA: {shown}")
        if answer.field("MSA-1") not in _CODES:
            raise Deviation(f"MSA-1 is not in table 0008: {shown}")
        if not _TIME.fullmatch(answer.field("MSH-7")) or answer.field("MSH-7") == SENT_TIME:
            raise Deviation(f"MSH-7 is not a time of the receiver's own: {shown}")
        if not answer.field("MSH-9") or not answer.field("MSH-11") or not answer.field("MSH-12"):
            raise Deviation(f"MSH-9, MSH-11 or MSH-12 is empty: {shown}")
        self._check_control_id(answer, shown)

    def _check_control_id(self, answer: Answer, shown: str) -> None:
        """Own, and unique, but that a message sent again may get the same answer again."""
        own, said = answer.field("MSH-10"), (answer.field("MSA-1"), answer.field("MSA-2"))
        if not own or own == said[1]:
            raise Deviation(f"MSH-10 is empty or the sender's: {shown}")
        if self._given.setdefault(own, said) != said:
            raise Deviation(f"MSH-10 was in another answer before: {shown}")
