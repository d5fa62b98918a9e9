"""What a message means beyond its routes: whose order or visit it is, what it takes back, which patient
identifiers it merges (HL7 v2 ch. 3.3, ch. 4.5.1 and table 0119)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from engine.dicom.identifiers import valid_key
from engine.errors import IdentifierError
from engine.hl7.message import Located, Message
from engine.hl7.path import FieldPath
from engine.routing.ordered import present

Kind = Literal["order", "visit", "pre-admission", "visit or pre-admission", "call"]

# Table 0119: cancel, discontinue, canceled or discontinued by the filler, and as requested
_CANCELS = frozenset({"CA", "DC", "OC", "OD", "CR", "DR"})
_REPLACES = frozenset({"XO"})  # change order: what the earlier message asked for no longer holds
_TAKES_BACK = _CANCELS | _REPLACES
_EITHER: Kind = "visit or pre-admission"
_ADMISSIONS: dict[str, Kind] = {"A01": "visit", "A04": "visit", "A05": "pre-admission"}
_CANCELED_VISIT: dict[str, Kind] = {"A11": "visit", "A38": "pre-admission"}  # of A01 and A04, of A05
_MERGES = frozenset({"A18", "A40", "A47"})

_PLACER, _FILLER = FieldPath.parse("ORC-2.1"), FieldPath.parse("ORC-3.1")
_OBR_PLACER, _OBR_FILLER = FieldPath.parse("OBR-2.1"), FieldPath.parse("OBR-3.1")
_CONTROL = FieldPath.parse("ORC-1")
_VISIT, _PATIENT = FieldPath.parse("PV1-19.1"), FieldPath.parse("PID-3.1")
_PRIOR = FieldPath.parse("MRG-1.1")
_EI_NAMESPACE, _CX_AUTHORITY = 2, 4


class Number(NamedTuple):
    """A number and who gave it: entity ID and namespace (EI-1, EI-2), or ID and authority (CX-1, CX-4)."""

    value: str = ""
    giver: str = ""

    def agrees(self, other: Number) -> bool | None:
        """Whether two are the same number; None where one of them is not there. Numbers are unique for their
        giver only; one that does not name it may be anybody's."""
        if not self.value or not other.value:
            return None
        return self.value == other.value and (self.giver == other.giver or not self.giver or not other.giver)


NO_NUMBER = Number()


class Occasion(NamedTuple):
    """The order (``number`` of the placer, ``other`` of the filler) or the visit (``number``; ``other`` is
    the patient ID) that a retrieve is for, and the IDs of its patient; or a call by hand, which has a
    ``number`` of its own.

    Two name the same order when a number that both have agrees, and none that both have differs; the same
    visit when its numbers agree, or where neither has one, the patients.
    """

    kind: Kind
    number: Number
    other: Number
    patients: tuple[str, ...] = ()

    def same_as(self, occasion: Occasion) -> bool:
        """As far as the numbers tell; whether it is the same patient is known to the store, which knows of
        merges."""
        if not _alike(self.kind, occasion.kind):
            return False
        number, other = self.number.agrees(occasion.number), self.other.agrees(occasion.other)
        if self.kind != "order":
            return bool(number) if self.number.value or occasion.number.value else bool(other)
        told = [agrees for agrees in (number, other) if agrees is not None]
        return bool(told) and all(told)

    @property
    def named(self) -> bool:
        return bool(self.number.value or self.other.value)

    def __str__(self) -> str:
        return f"{self.kind} {self.number.value or '-'}/{self.other.value or '-'}"


def _alike(one: Kind, other: Kind) -> bool:
    """An event that is neither admission nor pre-admission (A08) may be of either."""
    return one == other or ("order" not in (one, other) and _EITHER in (one, other))


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


class Meaning(NamedTuple):
    """``occasions``: what this message's own retrieves are for. ``withdrawn``: occasions whose retrieves are
    taken back; ``replaced`` says that this message asks anew for them, ``cancels`` that it is a cancel, which
    asks for nothing, whatever its routes. ``fault``: why the merge that is asked for cannot be made."""

    occasions: tuple[Occasion, ...] = ()
    withdrawn: tuple[Occasion, ...] = ()
    replaced: bool = False
    cancels: bool = False
    merges: tuple[Merge, ...] = ()
    fault: str = ""


NO_MEANING = Meaning()


def meaning_of(message: Message, *, asks: bool = True) -> Meaning:
    """Read from the message type, ORC-1 to ORC-3, PV1-19, PID-3 and MRG-1. Pure. ``asks``: whether it has
    retrieves of its own; where it has none, only what it takes back or merges is of interest."""
    if message.header.type_code == "ADT":
        return _admission(message, asks)
    if not asks and not any(value.text in _TAKES_BACK for value in message.values(_CONTROL)):
        return NO_MEANING
    orders = list(_orders(message))
    if all(control not in _TAKES_BACK for control, _ in orders):
        return Meaning(occasions=_distinct(order for _, order in orders))
    return Meaning(
        occasions=_distinct(order for control, order in orders if control not in _CANCELS),
        withdrawn=_distinct(order for control, order in orders if control in _TAKES_BACK),
        replaced=any(control in _REPLACES for control, _ in orders),
        cancels=any(control in _CANCELS for control, _ in orders),
    )


def _admission(message: Message, asks: bool) -> Meaning:
    event = message.header.trigger
    if event in _MERGES:
        return _merging(message)
    if not asks and event not in _CANCELED_VISIT:
        return NO_MEANING
    kind = _CANCELED_VISIT.get(event) or _ADMISSIONS.get(event, _EITHER)
    patient = next(_numbers(message, _PATIENT, _CX_AUTHORITY), NO_NUMBER)
    number = next(_numbers(message, _VISIT, _CX_AUTHORITY), NO_NUMBER)
    visit = _distinct(iter([Occasion(kind, number, patient, _patients(message))]))
    if event in _CANCELED_VISIT:
        return Meaning(withdrawn=visit, cancels=True)
    return Meaning(occasions=visit)


def _orders(message: Message) -> Iterator[tuple[str, Occasion]]:
    """Order control and numbers of each ORC; what ORC lacks is taken from the OBR of the same place."""
    patients, count = _patients(message), message.count("ORC")
    placer = _at_each(message, _PLACER, _OBR_PLACER, count)
    filler = _at_each(message, _FILLER, _OBR_FILLER, count)
    controls: dict[int, str] = {}
    for value in present(message, _CONTROL):
        controls.setdefault(value.occurrence, value.text)
    for position in range(1, count + 1):
        numbers = placer.get(position, NO_NUMBER), filler.get(position, NO_NUMBER)
        yield controls.get(position, ""), Occasion("order", *numbers, patients)


def _at_each(message: Message, first: FieldPath, second: FieldPath, count: int) -> dict[int, Number]:
    """The number at each place, of the field ``second`` where ``first`` has none there."""
    found: dict[int, Number] = {}
    for path in (first, second):
        if len(found) < count:
            for value in present(message, path):
                if value.occurrence not in found:
                    found[value.occurrence] = Number(value.text, message.beside(value, path, _EI_NAMESPACE))
    return found


def _numbers(message: Message, path: FieldPath, giver: int) -> Iterator[Number]:
    """The values of a path with the component of their repetition that names who gave them."""
    for value in present(message, path):
        yield Number(value.text, message.beside(value, path, giver))


def _patients(message: Message) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value.text for value in present(message, _PATIENT)))


def _merging(message: Message) -> Meaning:
    merges = tuple(_merges(message))
    named = [value.text for value in present(message, _PRIOR)]
    for merge in merges:
        for identifier in (merge.old, merge.new):
            try:
                valid_key(identifier.id, "patient ID")
            except IdentifierError as error:
                return Meaning(fault=f"not merged: {error}")
    if named and not merges and not set(named) <= set(_patients(message)):
        return Meaning(fault="not merged: PID-3 has no ID of the authority that MRG-1 names")
    return Meaning(merges=merges)


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
    for value in present(message, field):
        if value.occurrence == position:
            yield PatientIdentifier(value.text, message.beside(value, field, _CX_AUTHORITY))


def authority_of(message: Message, path: FieldPath, value: Located) -> str:
    """The assigning authority (component 4, namespace ID) of the repetition in which an ID stands."""
    return message.beside(value, path, _CX_AUTHORITY)


def _distinct(occasions: Iterator[Occasion]) -> tuple[Occasion, ...]:
    named = [it for it in occasions if it.named]
    return tuple(dict.fromkeys(named) if len(named) > 1 else named)
