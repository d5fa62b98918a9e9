"""Vocabularies and how a route uses them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from engine.config.models.relevance import GroupSection, RelationSection, VocabularySection
from engine.config.models.studies import ExcludeSection, RelevanceSection
from engine.config.vocabularies import lineage, sections
from engine.retrieve.relevance import (
    Exclusion,
    ProcedureGroup,
    Relation,
    Relevance,
    Term,
    Vocabulary,
    Weights,
)

Vocabularies = Mapping[str, Vocabulary]


def vocabularies(own: Mapping[str, VocabularySection]) -> Vocabularies:
    """Every vocabulary by its name, with what it extends; names are taken to be checked."""
    known = sections(own)
    return {name: _vocabulary(lineage(name, known)) for name in known}


def _vocabulary(parts: list[VocabularySection]) -> Vocabulary:
    """The first of the sections is extended by the others."""
    groups = {name: group for part in parts for name, group in part.groups.items()}
    return Vocabulary(
        groups=tuple(_group(name, group) for name, group in groups.items()),
        relations=_relations(relation for part in parts for relation in part.related),
        body_parts=_terms(part.body_parts for part in parts),
        regions=_terms(part.regions for part in parts),
        families=_terms(part.modality_families for part in parts),
        left=_joined(part.laterality.left for part in parts),
        right=_joined(part.laterality.right for part in parts),
        both=_joined(part.laterality.both for part in parts),
        paired=_joined(part.paired for part in parts),
    )


def _group(name: str, section: GroupSection) -> ProcedureGroup:
    codes = tuple((code.split("^")[0], "".join(code.split("^")[2:3])) for code in section.codes)
    patterns = tuple(pattern.pattern for pattern in section.text)
    return ProcedureGroup(name, codes, patterns, tuple(section.body_part), tuple(section.modality))


def _relations(found: Iterable[RelationSection]) -> tuple[Relation, ...]:
    """One for each pair; what is said last counts."""
    weights: dict[tuple[str, str], float] = {}
    for relation in found:
        for one, other in combinations(sorted(set(relation.groups)), 2):
            weights[one, other] = relation.weight
    return tuple(Relation(one, other, weight) for (one, other), weight in weights.items())


def _terms(parts: Iterable[Mapping[str, list[str]]]) -> tuple[Term, ...]:
    words: dict[str, dict[str, None]] = {}
    for part in parts:
        for name, listed in part.items():
            words.setdefault(name, {}).update(dict.fromkeys(listed))
    return tuple(Term(name, tuple(listed)) for name, listed in words.items())


def _joined(parts: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for part in parts for word in part))


def relevance(section: str | RelevanceSection | None, known: Vocabularies) -> Relevance | None:
    """How a route tells relevant studies; a name alone is that vocabulary with the default points."""
    if section is None:
        return None
    if isinstance(section, str):
        section = RelevanceSection(vocabulary=section)
    return Relevance(
        vocabulary=known[section.vocabulary],
        weights=Weights(**section.weights.model_dump()),
        minimum=section.minimum,
        same=tuple(section.same),
        take_unknown=section.unknown == "take",
    )


def exclusion(section: ExcludeSection) -> Exclusion:
    description = section.description.pattern if section.description is not None else ""
    return Exclusion(tuple(section.modality), description, tuple(section.body_part))
