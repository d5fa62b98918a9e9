"""How urgent a message says that its order is (HL7 v2 ch. 4.5.4.9 and 4.5.1.7, table 0485)."""

from __future__ import annotations

from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.retrieve.task import Priority

# TQ1-9 since 2.5, before that the sixth component of the quantity/timing in ORC-7 and OBR-27, and OBR-5
_PLACES = tuple(FieldPath.parse(path) for path in ("TQ1-9.1", "ORC-7.6", "OBR-27.6", "OBR-5"))
_MEANINGS = {"S": Priority.STAT, "A": Priority.HIGH}  # stat, as soon as possible


def urgency_of(message: Message) -> Priority | None:
    """The most urgent that any of its orders is; None where none says that it is urgent."""
    values = (value.text for path in _PLACES for value in message.values(path))
    return min((_MEANINGS[text] for text in values if text in _MEANINGS), default=None)
