"""A routes file with parts of it replaced; every value keeps its place in the file that it came from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from engine.config.yamlfile import Document, Where
from engine.errors import Complaint


@dataclass(slots=True)
class Overridden(Document):
    """A document whose values come from two files. ``files``: those that are not of ``file``."""

    files: dict[Where, str] = field(default_factory=dict)

    def complaint(self, where: Where, expected: str, found: str, *, at_key: bool = False) -> Complaint:
        complaint = Document.complaint(self, where, expected, found, at_key=at_key)
        known = tuple(self._known(where))
        return replace(complaint, file=self.files.get(known, self.file))


def override(base: Document, over: Document, at: Where) -> Overridden:
    """``base`` with what stands in ``over`` at ``at``: mappings are merged key by key, all else replaced."""
    merged = Overridden(base.file, base.value, dict(base.places), dict(base.keys))
    value: Any = over.value
    for step in at:
        value = value[step]
    if () not in merged.places:  # there is no base: all of it is the override
        merged.places[()] = over.places[at]
    merged.value = _merge(merged, (), base.value, over, at, value)
    return merged


def _merge(merged: Overridden, where: Where, old: Any, over: Document, at: Where, new: Any) -> Any:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        _take_places(merged, where, over, at)
        return new
    values = dict(old)
    for key, value in new.items():
        values[key] = _merge(merged, (*where, key), old.get(key), over, (*at, key), value)
    return values


def _take_places(merged: Overridden, where: Where, over: Document, at: Where) -> None:
    depth = len(where)
    for places, theirs in ((merged.places, over.places), (merged.keys, over.keys)):
        for place in [place for place in places if place[:depth] == where]:
            del places[place]
        for place in [place for place in theirs if place[: len(at)] == at]:
            here = (*where, *place[len(at) :])
            places[here] = theirs[place]
            merged.files[here] = over.file
