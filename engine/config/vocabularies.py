"""Vocabularies under the names that routes.yaml knows them by: its own, and the built-in one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from engine.config.models.relevance import BUILTIN, VocabularySection
from engine.config.yamlfile import Document, Where, read
from engine.errors import Complaint

_FILE = "vocabularies.yaml"


@cache
def builtin() -> Document:
    """The built-in vocabulary as it is written."""
    return read(files("engine.config").joinpath(_FILE).read_text(encoding="utf-8"), _FILE)


def lineage(name: str, sections: Mapping[str, VocabularySection]) -> list[VocabularySection]:
    """A vocabulary after those that it extends, the first of them first."""
    found: list[VocabularySection] = []
    following: str | None = name
    while following is not None:
        section = sections[following]
        found.insert(0, section)
        following = section.extends
    return found


def sections(own: Mapping[str, VocabularySection]) -> dict[str, VocabularySection]:
    """Those of the file and the built-in one."""
    return {BUILTIN: VocabularySection.model_validate(builtin().value[BUILTIN]), **own}


def vocabulary_references(document: Document) -> Iterator[Complaint]:
    """Every complaint about a name in a vocabulary, or of one."""
    own = _mapping(_mapping(document.value).get("relevance"))
    known = {BUILTIN: builtin().value[BUILTIN], **own}
    for name, section in own.items():
        here: Where = ("relevance", name)
        if name == BUILTIN:
            yield document.complaint(
                here, "a name of its own", f"that of the built-in one, {BUILTIN}", at_key=True
            )
        elif _endless(name, known):
            yield document.complaint((*here, "extends"), "no vocabulary that extends this one", repr(name))
        else:
            yield from _extended(document, here, _mapping(section), known)
            yield from _inside(document, here, _mapping(section), _Names(name, known))
    for number, route in enumerate(_list(_mapping(document.value).get("routes"))):
        for index, item in enumerate(_list(_mapping(route).get("studies"))):
            priors = _mapping(_mapping(item).get("priors"))
            yield from _used(document, ("routes", number, "studies", index, "priors"), priors, known)


class _Names:
    """The names that a vocabulary defines or inherits, as far as they can be read."""

    def __init__(self, name: str, known: Mapping[str, Any]) -> None:
        chain = [_mapping(known[one]) for one in _chain(name, known)]
        self.groups = {key for section in chain for key in _mapping(section.get("groups"))}
        self.body_parts = {
            key
            for section in chain
            for part in ("body_parts", "regions")
            for key in _mapping(section.get(part))
        }


def _chain(name: str, known: Mapping[str, Any]) -> list[str]:
    """A vocabulary and what it extends, until something is unknown or comes again."""
    found: list[str] = []
    while name in known and name not in found:
        found.append(name)
        name = _extends(known[name])
    return found


def _extends(section: Any) -> str:
    """What a vocabulary extends; empty: nothing, or nothing that can be read."""
    following = _mapping(section).get("extends", BUILTIN)
    return following if isinstance(following, str) else ""


def _endless(name: str, known: Mapping[str, Any]) -> bool:
    return _extends(known[_chain(name, known)[-1]]) == name


def _extended(
    document: Document, here: Where, section: dict[str, Any], known: Mapping[str, Any]
) -> Iterator[Complaint]:
    yield from _one_of(document, (*here, "extends"), section.get("extends"), "vocabulary", known)


def _inside(document: Document, here: Where, section: dict[str, Any], names: _Names) -> Iterator[Complaint]:
    for key, group in _mapping(section.get("groups")).items():
        where = (*here, "groups", key, "body_part")
        yield from _each(document, where, _mapping(group).get("body_part"), "body part", names.body_parts)
    for number, relation in enumerate(_list(section.get("related"))):
        where = (*here, "related", number, "groups")
        yield from _each(document, where, _mapping(relation).get("groups"), "group", names.groups)
    for key, parts in _mapping(section.get("regions")).items():
        yield from _each(document, (*here, "regions", key), parts, "body part", names.body_parts)
    yield from _each(document, (*here, "paired"), section.get("paired"), "body part", names.body_parts)


def _used(
    document: Document, here: Where, priors: dict[str, Any], known: Mapping[str, Any]
) -> Iterator[Complaint]:
    """The vocabulary that a route names, and the body parts that it excludes."""
    relevance = priors.get("relevance")
    where: Where = (*here, "relevance")
    name = relevance
    if isinstance(relevance, dict):
        where, name = (*where, "vocabulary"), relevance.get("vocabulary", BUILTIN)
    yield from _one_of(document, where, name, "vocabulary", known)
    if isinstance(name, str) and name in known:
        excluded = _mapping(priors.get("exclude")).get("body_part")
        parts = _Names(name, known).body_parts
        yield from _each(document, (*here, "exclude", "body_part"), excluded, "body part", parts)


def _each(
    document: Document, where: Where, values: Any, kind: str, known: set[str] | Mapping[str, Any]
) -> Iterator[Complaint]:
    if not isinstance(values, list):
        yield from _one_of(document, where, values, kind, known)
        return
    for number, value in enumerate(values):
        yield from _one_of(document, (*where, number), value, kind, known)


def _one_of(
    document: Document, where: Where, value: Any, kind: str, known: set[str] | Mapping[str, Any]
) -> Iterator[Complaint]:
    if not isinstance(value, str) or value in known:
        return
    meant = difflib.get_close_matches(value, known, n=1)
    expected = (
        f"a known {kind}, such as {meant[0]!r}" if meant else f"a {kind} of: {', '.join(sorted(known))}"
    )
    yield document.complaint(where, expected, repr(value))


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
