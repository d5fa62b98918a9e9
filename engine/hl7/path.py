"""Field paths: ``SEG(n)-field(n).component.subcomponent``.

``PID-3.1``           component 1 of field PID-3, of each PID segment and each repetition
``PID-3(2).1``        of the second repetition only
``PID-3[HOSP].1``     of the repetitions whose assigning authority (component 4) is HOSP, by name or by ID
``PID-3[5=MR].1``     of the repetitions whose component 5 is MR; ``[4.2=1.2.3,5=MR]`` asks for both
``OBR(2)-4.1``        of the second OBR segment

Where no component is written, it is the first, and likewise the first subcomponent (HL7 v2 ch. 2.14.1:
a receiver takes what it knows of a longer field).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from dataclasses import field as made
from functools import lru_cache

_PATH = re.compile(
    r"(?P<segment>[A-Za-z][A-Za-z0-9]{2})(?:\((?P<occurrence>[1-9]\d*|\*)\))?"
    r"-(?P<field>[1-9]\d{0,2})(?:\((?P<repetition>[1-9]\d*|\*)\)|\[(?P<choice>[^\]]+)\])?"
    r"(?:\.(?P<component>[1-9]\d?)(?:\.(?P<subcomponent>[1-9]\d?))?)?"
)
_CHOICE = re.compile(r"(?P<component>[1-9]\d?)(?:\.(?P<subcomponent>[1-9]\d?))?=(?P<value>.*)")
ASSIGNING_AUTHORITY = 4  # CX-4, an HD: namespace ID & universal ID & type


@dataclass(frozen=True, slots=True)
class Chosen:
    """A repetition is chosen when this component has this value; subcomponent None: the first or the second,
    which in an HD are the namespace ID and the universal ID."""

    component: int
    subcomponent: int | None
    value: str


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A parsed path. Numbers count from 1; None means each occurrence or repetition. ``first`` is the place
    of its first value."""

    text: str
    segment: str
    field: int
    occurrence: int | None = None
    repetition: int | None = None
    chosen: tuple[Chosen, ...] = ()
    component: int = 1
    subcomponent: int = 1
    first: str = made(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", self._place(1, 1))

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash(self.text)  # which a text remembers

    def at(self, occurrence: int, repetition: int) -> str:
        """The exact place of one value, such as ``PID-3(2).1``."""
        return self.first if occurrence == repetition == 1 else self._place(occurrence, repetition)

    def _place(self, occurrence: int, repetition: int) -> str:
        segment = self.segment if occurrence == 1 else f"{self.segment}({occurrence})"
        field = f"{self.field}" if repetition == 1 else f"{self.field}({repetition})"
        written = self.component > 1 or self.subcomponent > 1 or ".1" in self.text
        component = f".{self.component}" if written else ""
        subcomponent = f".{self.subcomponent}" if self.subcomponent > 1 else ""
        return f"{segment}-{field}{component}{subcomponent}"

    @classmethod
    @lru_cache(maxsize=4096)  # the same path is the same object, and quickly found among others
    def parse(cls, text: str) -> FieldPath:
        """The path that ``text`` writes, or ValueError with a sentence that shows how to write one."""
        match = _PATH.fullmatch(text.strip())
        if match is None:
            raise ValueError("a field path such as PID-3.1, PID-3(2).1, PID-3[HOSP].1 or OBR(2)-4.1")
        part = match.groupdict()
        return cls(
            text=text.strip(),
            segment=part["segment"].upper(),
            field=int(part["field"]),
            occurrence=_number(part["occurrence"]),
            repetition=_number(part["repetition"]),
            chosen=_choices(part["choice"]),
            component=int(part["component"] or 1),
            subcomponent=int(part["subcomponent"] or 1),
        )


def _number(text: str | None) -> int | None:
    return None if text is None or text == "*" else int(text)


def _choices(text: str | None) -> tuple[Chosen, ...]:
    if text is None:
        return ()
    if not text.strip():
        raise ValueError("a choice of repetition such as [HOSP], [5=MR] or [4.2=1.2.3,5=MR]")
    if "=" not in text:
        return (Chosen(ASSIGNING_AUTHORITY, None, text.strip()),)
    choices = []
    for part in text.split(","):
        match = _CHOICE.fullmatch(part.strip())
        if match is None:
            raise ValueError("a choice of repetition such as [HOSP], [5=MR] or [4.2=1.2.3,5=MR]")
        subcomponent = int(match["subcomponent"]) if match["subcomponent"] else 1
        choices.append(Chosen(int(match["component"]), subcomponent, match["value"]))
    return tuple(choices)
