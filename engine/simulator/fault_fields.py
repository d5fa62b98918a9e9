"""The keys of a fault: what each one may say, from YAML or text, and back to text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from engine.dicom.identifiers import valid_ae_title, valid_uid


class Operation(StrEnum):
    """What a fault can befall: the negotiation of an association, or one DIMSE request."""

    ASSOCIATION = "association"
    ECHO = "echo"
    FIND = "find"
    MOVE = "move"
    STORE = "store"


class Kind(StrEnum):
    """What goes wrong; docs/simulator.md says what each one sends."""

    REJECT = "reject"
    ABORT = "abort"
    CLOSE = "close"
    SILENCE = "silence"
    STALL = "stall"
    STATUS = "status"
    EMPTY = "empty"
    ENDLESS = "endless"
    COUNTERS = "counters"
    DELAY = "delay"
    IGNORE_CANCEL = "ignore-cancel"
    ANSWER_FIRST = "answer-first"
    DROP = "drop"
    DUPLICATE = "duplicate"


COUNTERS = ("remaining", "completed", "failed", "warning")

Rejection = tuple[int, int, int]
"""Result, source and reason of an A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

REJECTIONS: Mapping[str, Rejection] = {
    "local-limit-exceeded": (2, 3, 2),
    "temporary-congestion": (2, 3, 1),
    "no-reason": (1, 1, 1),
    "calling-ae-title": (1, 1, 3),
    "called-ae-title": (1, 1, 7),
}
_REASONS = {1: (1, 2, 3, 7), 2: (1, 2), 3: (1, 2)}  # by source


def _count(least: int) -> Callable[[object], int]:
    def count(value: object) -> int:
        if not re.fullmatch(r"\d{1,9}", str(value)) or int(str(value)) < least:
            raise ValueError(f"a whole number, {least} or more")
        return int(str(value))

    return count


def _times(value: object) -> int | None:
    return None if value == "always" else _count(1)(value)


def _status(value: object) -> int:
    try:
        code = value if isinstance(value, int) else int(str(value), 0)
    except ValueError:
        code = -1
    if isinstance(value, bool) or not 0 <= code <= 0xFFFF:
        raise ValueError("a status code from 0x0000 to 0xFFFF, such as 0xA702")
    return code


def _seconds(value: object) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m)", str(value))
    if match is None:
        raise ValueError("a duration such as 200ms, 1.5s or 2m")
    return float(match[1]) * {"ms": 0.001, "s": 1, "m": 60}[match[2]]


def _rejection(value: object) -> Rejection:
    if value in REJECTIONS:
        return REJECTIONS[str(value)]
    match = re.fullmatch(r"([12])/([123])/([0-9])", str(value))
    if match is None or int(match[3]) not in _REASONS[int(match[2])]:
        raise ValueError(f"{', '.join(REJECTIONS)}, or result/source/reason of PS3.8 9.3.4 such as 2/3/2")
    return int(match[1]), int(match[2]), int(match[3])


def _one_of(words: type[StrEnum]) -> Callable[[object], StrEnum]:
    def word(value: object) -> StrEnum:
        try:
            return words(str(value))
        except ValueError:
            raise ValueError(f"one of {', '.join(words)}") from None

    return word


def _leave_out(value: object) -> str:
    if value not in ("all", "final"):
        raise ValueError("all (counters in no response) or final (none in the final one)")
    return str(value)


def _comment(value: object) -> str:
    text = str(value)
    if not text.isascii() or len(text) > 64 or '"' in text or "\\" in text:
        raise ValueError('1 to 64 ASCII characters (VR LO) without " and \\')
    return text


def _uids(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list | tuple) else str(value).split()
    return tuple(valid_uid(str(uid)) for uid in listed)


READ: Mapping[str, Callable[[Any], Any]] = {
    "at": lambda value: str(value).strip(),
    "fault": _one_of(Kind),
    "on": _one_of(Operation),
    "after": _count(0),
    "times": _times,
    "study": lambda value: valid_uid(str(value)),
    "destination": lambda value: valid_ae_title(str(value)),
    "reject": _rejection,
    "status": _status,
    "comment": _comment,
    "failed_instances": _uids,
    "leave_out": _leave_out,
    **dict.fromkeys(COUNTERS, _count(0)),
    "delay": _seconds,
    "object": _count(1),
    "after_objects": _count(0),
    "after_responses": _count(0),
}
WRITE: Mapping[str, Callable[[Any], str]] = {
    "times": lambda times: "always" if times is None else str(times),
    "reject": lambda rejection: "/".join(map(str, rejection)),
    "status": lambda status: f"0x{status:04X}",
    "failed_instances": " ".join,
    "delay": lambda seconds: f"{seconds:g}s",
}
