"""How relevant an earlier study is to the exam that is ordered: points, and a sentence for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.dicom.study import StudyRecord
from engine.retrieve.relevance import Relevance, Vocabulary, Weights
from engine.retrieve.selector import PriorsOfPatient
from engine.routing.relevance_facts import Facts, of_order, of_study, with_parts

_HALF = 0.5  # another modality of the same family
_OLD = 3652.5  # days, after which age gets no points
_YEAR, _MONTH = 365.25, 30.4  # days


@dataclass(frozen=True, slots=True)
class Points:
    """What one criterion comes to. ``most`` is more than ``points`` where something is not known, and is what
    it would be at best. ``agrees``: the same as ordered (True), another (False), or not known (None)."""

    criterion: str
    points: int
    most: int
    text: str
    agrees: bool | None

    @property
    def unknown(self) -> bool:
        return self.agrees is None


@dataclass(frozen=True, slots=True)
class Score:
    """The points of a study. ``comparable``: the order names a procedure or a body part that is known."""

    parts: tuple[Points, ...]
    comparable: bool

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    @property
    def most(self) -> int:
        return sum(part.most for part in self.parts)

    def relevant(self, minimum: int) -> bool | None:
        """Whether it has so many points; None where it may have, with what is not known."""
        if self.points >= minimum and self.comparable:
            return True
        return None if self.most >= minimum or not self.comparable else False

    def against(self, same: Iterable[str]) -> str | None:
        """In which of the criteria of ``same`` the study is known to be another."""
        return next(
            (part.text for part in self.parts if part.criterion in same and part.agrees is False), None
        )

    def hangs(self, relevance: Relevance) -> bool:
        """Whether what is not known decides."""
        unknown = {part.criterion for part in self.parts if part.unknown}
        if unknown & set(relevance.same):
            return True
        return bool(unknown) and self.comparable and self.relevant(relevance.minimum) is None

    def __str__(self) -> str:
        told = [f"{part.text} {part.points}" if part.points else part.text for part in self.parts]
        if not self.comparable:
            told.append("the order names no procedure or body part that is known")
        most = f", {self.most} at most" if self.most > self.points else ""
        return f"score {self.points}{most} ({', '.join(told)})"


def score(study: StudyRecord, wanted: PriorsOfPatient, relevance: Relevance) -> Score:
    """The points of a study for an order. Pure: what is not known is told, not guessed."""
    vocabulary, weights = relevance.vocabulary, relevance.weights
    order, prior = of_order(wanted.exam, vocabulary), of_study(study, vocabulary)
    body_part = list(_body_part(order, prior, weights))
    same_part = all(part.agrees is not False for part in body_part)
    parts = (
        *_group(order, prior, vocabulary, weights),
        *body_part,
        *_modality(order, prior, vocabulary, weights),
        *(_laterality(order, prior, vocabulary, weights) if same_part else ()),
        _age(study, wanted, weights),
    )
    return Score(parts, comparable=bool(order.groups or order.body_parts))


def in_words(wanted: PriorsOfPatient) -> str:
    """What the order was understood to be; empty where relevance is not asked."""
    if wanted.criteria.relevance is None:
        return ""
    order = of_order(wanted.exam, wanted.criteria.relevance.vocabulary)
    groups = (
        f"procedure {' and '.join(sorted(order.groups))}" if order.groups else "no procedure that is known"
    )
    part = f"body part {' and '.join(order.named)}" if order.named else "no body part"
    modality = f"modality {' and '.join(sorted(order.modalities))}" if order.modalities else "no modality"
    side = f"side {order.side}" if order.side is not None else "no side"
    return f"ordered for {wanted.day}: {groups}, {part}, {modality}, {side}"


def _group(order: Facts, prior: Facts, vocabulary: Vocabulary, weights: Weights) -> Iterator[Points]:
    if not order.groups:
        return
    weight, name, own = _related(order.groups, prior.groups, vocabulary)
    most = max(weight, _related(order.groups, prior.maybe, vocabulary)[0])
    points, at_most = round(weight * weights.group), round(most * weights.group)
    if weight:
        text = f"same group {name}" if name == own else f"group {name}, related to {own}"
        yield Points("group", points, at_most, text, True)
    elif most:
        yield Points("group", 0, at_most, "group unknown", None)
    else:
        yield Points("group", 0, 0, f"group is not {' or '.join(sorted(order.groups))}", False)


def _related(
    ordered: frozenset[str], found: frozenset[str], vocabulary: Vocabulary
) -> tuple[float, str, str]:
    """The best relation between a group of the study and one that is ordered: weight and the two names."""
    pairs = [(1.0, name, name) for name in sorted(found & ordered)]
    for relation in vocabulary.relations:
        for name, own in ((relation.one, relation.other), (relation.other, relation.one)):
            if name in found and own in ordered:
                pairs.append((relation.weight, name, own))
    return max(pairs, key=lambda pair: pair[0], default=(0.0, "", ""))


def _body_part(order: Facts, prior: Facts, weights: Weights) -> Iterator[Points]:
    if not order.body_parts:
        return
    if not prior.body_parts:
        yield Points("body_part", 0, weights.body_part, "body part unknown", None)
    elif common := order.body_parts & prior.body_parts:
        told = [name for name in (*order.named, *prior.named) if name in common] or sorted(common)
        yield Points("body_part", weights.body_part, weights.body_part, f"same body part {told[0]}", True)
    else:
        yield Points("body_part", 0, 0, f"other body part {' and '.join(prior.named)}", False)


def _modality(order: Facts, prior: Facts, vocabulary: Vocabulary, weights: Weights) -> Iterator[Points]:
    if not order.modalities:
        return
    if not prior.modalities:
        yield Points("modality", 0, weights.modality, "modality unknown", None)
    elif order.modalities & prior.modalities:
        yield Points("modality", weights.modality, weights.modality, "same modality", True)
    elif family := _family(order, prior, vocabulary):
        points = round(_HALF * weights.modality)
        yield Points("modality", points, points, f"same modality family {family}", True)
    else:
        yield Points("modality", 0, 0, "other modality", False)


def _family(order: Facts, prior: Facts, vocabulary: Vocabulary) -> str:
    families = (
        family.name
        for family in vocabulary.families
        if order.modalities & set(family.words) and prior.modalities & set(family.words)
    )
    return next(families, "")


def _laterality(order: Facts, prior: Facts, vocabulary: Vocabulary, weights: Weights) -> Iterator[Points]:
    """Only where the order names a side, and of a body part that has two."""
    paired = with_parts(vocabulary.paired, vocabulary)
    if order.side is None or (order.body_parts and not order.body_parts & paired):
        return
    if prior.side is None:
        yield Points("laterality", 0, weights.laterality, "side unknown", None)
    elif "both" in (order.side, prior.side) or order.side == prior.side:
        text = "both sides" if prior.side == "both" else f"side {prior.side} of {order.side}"
        text = f"same side {prior.side}" if order.side == prior.side else text
        sure = weights.laterality if prior.body_parts or not order.body_parts else 0  # of what is not known
        yield Points("laterality", sure, weights.laterality, text, True)
    else:
        yield Points("laterality", 0, 0, f"other side: {prior.side}, not {order.side}", False)


def _age(study: StudyRecord, wanted: PriorsOfPatient, weights: Weights) -> Points:
    if study.date is None:
        return Points("age", 0, 0, "no date", True)
    days = max(0, (wanted.day - study.date).days)
    points = round(max(0.0, 1 - days / _OLD) * weights.age)
    return Points("age", points, points, _old(days), True)


def _old(days: int) -> str:
    for unit, length in (("year", _YEAR), ("month", _MONTH), ("day", 1)):
        if number := int(days / length):
            return f"{number} {unit}{'s' if number > 1 else ''} old"
    return "of the same day"
