"""Messages that name a patient or an accession number: in their bytes, or by the tasks that they led to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, or_, select, true

from engine.errors import MessageError
from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.routing.ordered import ACCESSION
from engine.store.dialect import contains
from engine.store.schema import links, messages, occasions, tasks
from engine.store.selection import begins_with_part

_PLAIN = re.compile("[0-9A-Za-z]+")  # what no character set and no escape sequence writes differently
_PATIENT = tuple(FieldPath.parse(path) for path in ("PID-3.1", "PID-2.1", "PID-4.1", "MRG-1.1"))
_ACCESSION = tuple(FieldPath.parse(path) for path in ACCESSION)
_ANY_CHARSET = "8859/1"  # has a character for each byte


class Sought(NamedTuple):
    """A patient ID and an accession number, empty: any. ``patient`` is one of PID-2 to PID-4 or MRG-1,
    ``accession`` what is ordered."""

    patient: str = ""
    accession: str = ""

    def stands_in(self, raw: bytes) -> bool | None:
        """Whether a message names both; None where it cannot be read."""
        try:
            message = Message(raw, _ANY_CHARSET)
            return _names(message, _PATIENT, self.patient) and _names(message, _ACCESSION, self.accession)
        except MessageError:
            return None

    def candidates(self) -> ColumnElement[bool]:
        """Messages whose bytes may name both, or that led to tasks which may."""
        plain = [max(found, key=len) for it in self if (found := _PLAIN.findall(it))]
        written = and_(true(), *(contains(messages.c.raw, it.encode()) for it in plain))
        return or_(written, self.led_to_tasks())

    def led_to_tasks(self) -> ColumnElement[bool]:
        """Messages that led to tasks which may be of this patient and for this accession number."""
        return and_(*self._by_tasks())

    def _by_tasks(self) -> Iterator[ColumnElement[bool]]:
        of_task = select(links.c.message_id).join(tasks, links.c.task_id == tasks.c.id)
        if self.patient:
            quoted = json.dumps(self.patient)
            named = select(occasions.c.message_id).where(contains(occasions.c.patients, quoted))
            moved = of_task.where(begins_with_part(tasks.c.patient, self.patient, "^"))
            yield or_(messages.c.id.in_(named), messages.c.id.in_(moved))
        if self.accession:
            quoted = json.dumps(self.accession, ensure_ascii=False)
            yield messages.c.id.in_(of_task.where(contains(tasks.c.selector, quoted)))


def _names(message: Message, paths: tuple[FieldPath, ...], text: str) -> bool:
    return not text or any(value.text == text for path in paths for value in message.values(path))
