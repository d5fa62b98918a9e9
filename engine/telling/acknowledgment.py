"""What an acknowledgment says (HL7 v2 ch. 2.14.8 MSA, 2.14.5 ERR)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.telling.line import Line

_POSITIVE = frozenset({"AA", "CA"})
_DICOM, _CAUSE = "99DICOM", "99FOREFETCH"  # coding systems of ERR-5
_TASK = re.compile(r"task (\d+)")


@dataclass(frozen=True, slots=True)
class AckLine:
    """One ERR. ``severity``: I, W or E, empty up to version 2.4, which has none. ``code``: table 0357.
    ``application_code`` with its ``system``: a DICOM status or a cause. ``diagnostics``: the task, counters
    and what the archive said."""

    severity: str
    code: str
    text: str
    location: str = ""
    application_code: str = ""
    system: str = ""
    diagnostics: str = ""

    @property
    def dicom_status(self) -> str:
        return self.application_code if self.system == _DICOM else ""

    @property
    def cause(self) -> str:
        return self.application_code if self.system == _CAUSE else ""

    @property
    def task(self) -> int | None:
        """The number of the retrieve task that it is about."""
        match = _TASK.match(self.diagnostics) or _TASK.match(self.text)
        return int(match[1]) if match else None


@dataclass(frozen=True, slots=True)
class Acknowledgment:
    """``code``: MSA-1, such as AA; ``control_id``: MSH-10 of the message that it is for."""

    code: str
    text: str = ""
    control_id: str = ""
    lines: tuple[AckLine, ...] = ()

    @property
    def positive(self) -> bool:
        return self.code in _POSITIVE


def read_acknowledgment(ack: bytes) -> Acknowledgment:
    """Of any version. MessageError where it cannot be read."""
    message = Message(ack)
    lines = tuple(_lines(message)) or tuple(_lines_up_to_2_4(message))
    code, text, control_id = (_value(message, f"MSA-{field}") for field in (1, 3, 2))
    return Acknowledgment(code, text, control_id, lines)


def _value(message: Message, path: str) -> str:
    return message.first(FieldPath.parse(path))


def _lines(message: Message) -> Iterator[AckLine]:
    for number in range(1, len(message.values(FieldPath.parse("ERR-4"))) + 1):
        fields = ("4", "3", "8", "5.1", "5.3", "7")
        severity, code, text, application_code, system, diagnostics = (
            _value(message, f"ERR({number})-{field}") for field in fields
        )
        place = _place(message, f"ERR({number})-2")
        yield AckLine(severity, code, text, place, application_code, system, diagnostics)


def _lines_up_to_2_4(message: Message) -> Iterator[AckLine]:
    """The repetitions of ERR-1: segment, sequence, field, and code with text, system, and those of ours."""
    for found in message.values(replace(FieldPath.parse("ERR-1"), component=4)):
        code, text, application_code, said, system = (
            _value(message, f"ERR-1({found.repetition}).4.{part}") for part in (1, 2, 4, 5, 6)
        )
        segment, field = (_value(message, f"ERR-1({found.repetition}).{part}") for part in (1, 3))
        place = "-".join(part for part in (segment, field) if part)
        yield AckLine("", code, said or text, place, application_code, system)


def _place(message: Message, path: str) -> str:
    """An ERL as a field is written, such as ``PID-3(2).1``."""
    segment, sequence, field, repetition, component = (
        _value(message, f"{path}.{part}") for part in (1, 2, 3, 4, 5)
    )
    told = segment + (f"({sequence})" if sequence not in ("", "1") else "")
    if field:
        told += f"-{field}" + (f"({repetition})" if repetition not in ("", "1") else "")
    return told + (f".{component}" if field and component else "")


def acknowledgment_lines(name: str, told: Acknowledgment) -> Iterator[Line]:
    """``name``: of the message that was acknowledged."""
    yield Line(f"{name}: {told.code} {told.text}".rstrip(), "green" if told.positive else "red")
    for line in told.lines:
        parts = (line.application_code, line.text, line.diagnostics)
        if line.severity:
            yield Line(f"  {line.severity} {' '.join(part for part in parts if part)}")
