"""What a message says of the exam that it orders: which procedure, and when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from engine.hl7.encoding import NULL, parse_time
from engine.hl7.message import Located, Message
from engine.hl7.path import FieldPath
from engine.retrieve.relevance import OrderedExam
from engine.routing.rules import PriorsWant

ACCESSION = ("IPC-1.1", "OBR-18", "OBR-3.1", "ORC-3.1")
"""Where messages name the accession number of what is ordered."""

_NOTHING = OrderedExam()


def present(message: Message, path: FieldPath) -> list[Located]:
    """The values of a field; HL7 null is none."""
    return [value for value in message.values(path) if value.text != NULL]


def texts(message: Message, paths: Iterable[FieldPath]) -> tuple[str, ...]:
    """The different values of several fields, in this order."""
    return tuple(dict.fromkeys(value.text for path in paths for value in present(message, path)))


def ordered_exam(want: PriorsWant, message: Message) -> OrderedExam:
    """The procedure, where its relevance is asked. The coding system stands two components behind its code
    (CE and CWE, HL7 v2 ch. 2A)."""
    if want.criteria.relevance is None:
        return _NOTHING
    codes: dict[tuple[str, str], None] = {}
    for path in want.ordered_code:
        for value in present(message, path):
            codes[value.text, message.beside(value, path, path.component + 2)] = None
    return OrderedExam(tuple(codes), texts(message, want.ordered_text), texts(message, want.ordered_modality))


def exam_day(want: PriorsWant, message: Message, now: dt.datetime) -> dt.date:
    """The day of the first field that holds a time; without one, that on which the message came."""
    zone = now.tzinfo or dt.UTC
    times = (parse_time(text, zone) for text in texts(message, want.exam_date))
    time = next((time for time in times if time is not None), now)
    try:
        return time.astimezone(zone).date()
    except OverflowError:  # at the beginning or the end of time
        return time.date()
