"""What makes an earlier study worth moving, as values: the words of a site, the weights of a route, the exam
that is ordered. A question keeps them, so that it is answered by the rules that held when the order came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Criterion = Literal["group", "body_part", "modality", "laterality"]


@dataclass(frozen=True, slots=True)
class Term:
    """A name and what stands for it: the words of a body part, the parts of a region, the modalities of a
    family."""

    name: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProcedureGroup:
    """Procedures that are read together. It takes one that has one of its ``codes`` (code and coding system;
    an empty system is any); or one that matches one of the ``patterns`` or is of one of the ``body_parts``,
    and is of one of the ``modalities`` where there are any."""

    name: str
    codes: tuple[tuple[str, str], ...] = ()
    patterns: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """Two groups that are relevant to each other; ``weight`` from 0 to 1, which is as good as the same."""

    one: str
    other: str
    weight: float


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How procedures, body parts and sides are written. ``paired``: body parts with a left and a right."""

    groups: tuple[ProcedureGroup, ...] = ()
    relations: tuple[Relation, ...] = ()
    body_parts: tuple[Term, ...] = ()
    regions: tuple[Term, ...] = ()
    families: tuple[Term, ...] = ()
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    both: tuple[str, ...] = ()
    paired: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """Points for each thing that an earlier study has in common with the order. ``age``: for one of the day
    of the exam; one of ten years ago gets none."""

    group: int = 40
    body_part: int = 30
    modality: int = 10
    laterality: int = 10
    age: int = 10


@dataclass(frozen=True, slots=True)
class Relevance:
    """An earlier study is relevant from ``minimum`` points on, unless it is known to be another in one of
    ``same``. ``take_unknown``: where too little is known of it to tell, it is taken."""

    vocabulary: Vocabulary
    weights: Weights = Weights()
    minimum: int = 25
    same: tuple[Criterion, ...] = ("laterality",)
    take_unknown: bool = True


@dataclass(frozen=True, slots=True)
class OrderedExam:
    """What the message says of the procedure that is ordered: codes with their coding systems, and every text
    that may name a procedure, a body part or a side."""

    codes: tuple[tuple[str, str], ...] = ()
    texts: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Studies that are never taken: those with nothing but these modalities, or nothing but these body parts;
    those whose description the pattern matches anywhere."""

    modalities: tuple[str, ...] = ()
    description: str = ""
    body_parts: tuple[str, ...] = ()
