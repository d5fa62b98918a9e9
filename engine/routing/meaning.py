"""What a message means beyond its routes: whose order or visit it is, what it takes back, which patient
identifiers it merges (HL7 v2 ch. 3.3, ch. 4.5.1 and table 0119)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from engine.hl7.encoding import NULL
from engine.hl7.message import Located, Message
from engine.hl7.path import FieldPath

Kind = Literal["order", "visit", "pre-admission"]

# Table 0119: cancel, discontinue, canceled or discontinued by the filler, and as requested
_CANCELS = frozenset({"CA", "DC", "OC", "OD", "CR", "DR"})
_REPLACES = frozenset({"XO"})  # change order: what the earlier message asked for no longer holds
_CANCELED_VISIT: dict[str, Kind] = {"A11": "visit", "A38": "pre-admission"}  # of A01 and A04, of A05
_MERGES = frozenset({"A18", "A40", "A47"})

_PLACER, _FILLER = FieldPath.parse("ORC-2.1"), FieldPath.parse("ORC-3.1")
_OBR_PLACER, _OBR_FILLER = FieldPath.parse("OBR-2.1"), FieldPath.parse("OBR-3.1")
_CONTROL = FieldPath.parse("ORC-1")
_VISIT, _PATIENT = FieldPath.parse("PV1-19.1"), FieldPath.parse("PID-3.1")
_PRIOR = FieldPath.parse("MRG-1.1")


@dataclass(frozen=True, slots=True)
class Occasion:
    """The order (placer and filler order number) or the visit (visit number and patient ID) that a retrieve
    is for. Two name the same order when a number that both have agrees, and none that both have differs; the
    same visit when its numbers agree, or where neither has one, the patients."""

    kind: Kind
    number: str
    other: str

    def same_as(self, occasion: Occasion) -> bool:
        if self.kind != "order" and (self.number or occasion.number):
            return self.kind == occasion.kind and self.number == occasion.number
        pairs = [(self.number, occasion.number), (self.other, occasion.other)]
        told = [one == two for one, two in pairs if one and two]
        return self.kind == occasion.kind and any(told) and all(told)

    def __str__(self) -> str:
        return f"{self.kind} {self.number or '-'}/{self.other or '-'}"


@dataclass(frozen=True, slots=True)
class PatientIdentifier:
    """An ID and its assigning authority (CX-1 and CX-4.1)."""

    id: str
    authority: str = ""


@dataclass(frozen=True, slots=True)
class Merge:
    """``old`` is from now on the same patient as ``new`` (MRG-1 into PID-3)."""

    old: PatientIdentifier
    new: PatientIdentifier


@dataclass(frozen=True, slots=True)
class Meaning:
    """``occasions``: what this message's own retrieves are for. ``withdrawn``: occasions whose retrieves are
    taken back; ``replaced`` says that this message asks anew for them, ``cancels`` that it is a cancel, which
    asks for nothing, whatever its routes."""

    occasions: tuple[Occasion, ...] = ()
    withdrawn: tuple[Occasion, ...] = ()
    replaced: bool = False
    cancels: bool = False
    merges: tuple[Merge, ...] = ()


NO_MEANING = Meaning()


def meaning_of(message: Message) -> Meaning:
    """Read from the message type, ORC-1 to ORC-3, PV1-19, PID-3 and MRG-1. Pure."""
    if message.header.type_code == "ADT":
        return _admission(message)
    orders = list(_orders(message))
    return Meaning(
        occasions=_distinct(order for control, order in orders if control not in _CANCELS),
        withdrawn=_distinct(order for control, order in orders if control in _CANCELS | _REPLACES),
        replaced=any(control in _REPLACES for control, _ in orders),
        cancels=any(control in _CANCELS for control, _ in orders),
    )


def _admission(message: Message) -> Meaning:
    event = message.header.trigger
    kind = _CANCELED_VISIT.get(event, "pre-admission" if event == "A05" else "visit")
    visit = Occasion(kind, message.first(_VISIT), message.first(_PATIENT))
    named = (visit,) if visit.number or visit.other else ()
    if event in _CANCELED_VISIT:
        return Meaning(withdrawn=named, cancels=True)
    if event in _MERGES:
        return Meaning(merges=tuple(_merges(message)))
    return Meaning(occasions=named)


def _orders(message: Message) -> Iterator[tuple[str, Occasion]]:
    """Order control and numbers of each ORC; what ORC lacks is taken from the OBR of the same place."""
    for position in range(1, message.count("ORC") + 1):

        def at(path: FieldPath, position: int = position) -> str:
            return message.first(replace(path, occurrence=position))

        order = Occasion("order", at(_PLACER) or at(_OBR_PLACER), at(_FILLER) or at(_OBR_FILLER))
        yield at(_CONTROL), order


def _merges(message: Message) -> Iterator[Merge]:
    """Each identifier of MRG-1 with the one of PID-3 that the same authority assigned: of the PID of the same
    place, since a message may merge several patients (ADT_A39)."""
    for position in range(1, message.count("MRG") + 1):
        surviving = list(_identifiers(message, _PATIENT, position))
        for old in _identifiers(message, _PRIOR, position):
            for new in surviving:
                if old.authority == new.authority and old.id != new.id:
                    yield Merge(old, new)


def _identifiers(message: Message, field: FieldPath, position: int) -> Iterator[PatientIdentifier]:
    path = replace(field, occurrence=position)
    for value in message.values(path):
        if value.text != NULL:
            yield PatientIdentifier(value.text, authority_of(message, path, value))


def authority_of(message: Message, path: FieldPath, value: Located) -> str:
    """The assigning authority (component 4, namespace ID) of the repetition in which an ID stands."""
    place = replace(path, occurrence=value.occurrence, repetition=value.repetition, chosen=())
    return message.first(replace(place, component=4, subcomponent=1))


def _distinct(occasions: Iterator[Occasion]) -> tuple[Occasion, ...]:
    return tuple(dict.fromkeys(it for it in occasions if it.number or it.other))
