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
    """A parsed path. Numbers count from 1; None means each occurrence or repetition."""

    text: str
    segment: str
    field: int
    occurrence: int | None = None
    repetition: int | None = None
    chosen: tuple[Chosen, ...] = ()
    component: int = 1
    subcomponent: int = 1

    def __str__(self) -> str:
        return self.text

    def __hash__(self) -> int:
        return hash(self.text)  # which a text remembers

    @classmethod
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
