"""Patients whose data is everywhere in their messages, and what of it must not be seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Patient:
    """Fields as they stand in a message. ``comment``: what an archive may say of him; ``secrets``: what must
    not be seen, as sent and as read."""

    name: str
    mrn: str
    other: str
    surname: str
    given: str
    born: str
    sex: str
    visit: str
    old: str
    street: str
    comment: str
    study: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def message(self, kind: str, control: str, control_id: str, study: str = "") -> str:
        """With what there is of him in every segment that may hold it."""
        mrg = f"MRG|{self.old}^^^FOREST^MR||||||{self.surname}^{self.given}" if kind == "ADT^A40" else ""
        orc = [f"ORC|{control}|P1|F1", "OBR|1|P1|F1|CTCH^CT Chest^L||||||||||||||ACC9"]
        segments = [
            f"MSH|^~\\&|HIS|HOSP|FOREFETCH|RAD|20261124080000||{kind}|{control_id}|P|2.5.1",
            f"PID|1||{self.mrn}^^^FOREST^MR~{self.other}^^^OTHER^PI||{self.surname}^{self.given}"
            f"|Nurmi^Aino|{self.born}|{self.sex}||2106-3|{self.street}^^Espoo^^02100"
            f"||+358405550100|||||ACCT-{self.visit}|010203-5099",
            "PD1||||GP77^Healer",
            mrg,
            "NK1|1|Saarinen^Eero|SPO|Rantatie 9^^Vantaa|+358405550111",
            f"PV1|1|O|RAD||PRE-{self.visit}{'|' * 14}{self.visit}{'|' * 31}ALT-{self.visit}",
            *(orc if control else []),
            "GT1|1||Lehtonen^Olavi||Puistokatu 3^^Turku|+358405550122",
            f"IN1|1|PLAN5|INS6|Hospital Mutual{'|' * 12}Heino^Liisa",
            "IN2|EMP-4411|020304-6088",
            f"ZPI|{self.mrn}|note on {self.surname}",
            f"ZDS|{study or self.study}^FOREFETCH^Application^DICOM",
        ]
        return "".join(f"{segment}\r" for segment in segments if segment)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Everything of him."""
        own = (self.mrn, self.other, self.surname, self.given, self.born, self.visit, self.old, self.street)
        numbers = (f"{kind}-{self.visit}" for kind in ("ACCT", "PRE", "ALT"))
        return (*own, *numbers, *self.secrets, *_OTHERS)

    def seen_in(self, strings: Iterable[str]) -> set[str]:
        """What of him occurs: anywhere, in whatever case; of two characters or less, as a word that is no
        part of a number, a time or a UID."""
        told = "\n".join(strings)
        return {secret for secret in self.hidden if _pattern(secret).search(told)}


_OTHERS = (
    *("Nurmi", "Aino", "Espoo", "02100", "+358405550100", "010203-5099", "GP77", "Healer"),
    *("Saarinen", "Eero", "Rantatie", "Vantaa", "+358405550111", "Lehtonen", "Olavi", "Puistokatu"),
    *("Turku", "+358405550122", "PLAN5", "INS6", "Hospital Mutual", "Heino", "Liisa", "EMP-4411"),
    "020304-6088",
)


def _pattern(secret: str) -> re.Pattern[str]:
    text = re.escape(secret)
    if secret.isdecimal():
        return re.compile(rf"(?<![\w.:+-]){text}(?![\w:+-]|\.\d)")
    if len(secret) < 3:
        return re.compile(rf"(?<!\w){text}(?!\w)")
    return re.compile(text, re.IGNORECASE)


PATIENTS = [
    Patient(
        name="plain",
        mrn="FF-2001",
        other="MRN-88",
        surname="Aalto",
        given="Mira",
        born="19610314",
        sex="F",
        visit="VN-901",
        old="OLD-12",
        street="Mannerheimintie 5",
        comment="no patient FF-2001 (AALTO^MIRA, 1961-03-14) here",
        study="2.25.2001001",
        secrets=("1961-03-14",),
    ),
    Patient(
        name="short",
        mrn="7",
        other="Q7",
        surname="O'Brien",
        given="Zoë",
        born="20010203",
        sex="M",
        visit="V3",
        old="8",
        street="7 O'Connell's Road",
        comment="7: O'BRIEN^ZOE_7 is locked (Q7)",
        study="1.2.276.7.8.7",
        secrets=("2001-02-03",),
    ),
    Patient(
        name="escaped, with IDs that are parts of UIDs",
        mrn="1001002",
        other="25",
        surname=r"M\S\ller",
        given=r"Jos\X65\\X31\ X\T\Y",
        born="197112",
        sex="O",
        visit="1001",
        old="X9",
        street=r"Smith \T\ Sons \F\ 4",
        comment="1001002 of 25: M^LLER has visit 1001",
        study="2.25.1001002",
        secrets=("M^ller", "Jose1 X&Y", "Smith & Sons | 4"),
    ),
    Patient(
        name="foreign, in quotes",
        mrn="Ä1",
        other='"x"',
        surname="Straße-Lüdenscheidt",
        given="日本",
        born="20120101120000",
        sex="F",
        visit="'v'",
        old="Ö",
        street='Plads "ved" søen\'s',
        comment="PATIENT 20120101 UNKNOWN",
        study="2.25.20120101",
        secrets=("20120101", "2012-01-01", "STRASSE"),
    ),
]


def strings_in(value: Any) -> Iterator[str]:
    """Every text of a result, keys among them."""
    match value:
        case str():
            yield value
        case dict():
            for key, inner in value.items():
                yield str(key)
                yield from strings_in(inner)
        case list() | tuple():
            for inner in value:
                yield from strings_in(inner)
