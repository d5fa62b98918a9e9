"""The routes of the config, arranged so that a message is tried only against those that it could match.

First by the type of the message, then by equality: of each route the one condition that the fewest others
share (``equals`` or ``in``, alone or among those that all have to hold) is looked up by the values of its
field. A route without one is tried on every message of its types. What this rules out cannot match; what is
left is tried whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from engine.hl7.message import Header, Located, Message
from engine.hl7.path import FieldPath
from engine.routing.conditions import All, Condition, OneOf
from engine.routing.rules import MessagePattern, Route

_TYPES, _KINDS = 256, 32  # that are remembered
_LONGEST_TYPE = 64  # characters of one that is remembered: senders can make up any


class OtherValue(NamedTuple):
    """How many routes want another value than those that were ``found`` in a field."""

    path: FieldPath
    found: tuple[Located, ...]
    routes: int


class RuledOut(NamedTuple):
    """Why routes were not tried: how many are for other types of message, how many for this one are
    disabled, and the fields where the others want another value."""

    other_types: int = 0
    disabled: int = 0
    fields: tuple[OtherValue, ...] = ()


@dataclass(frozen=True, slots=True)
class _Indexed:
    """The routes that are found by one field: their positions, by the values that they want there."""

    path: FieldPath
    routes: int
    wanted: Mapping[str, list[int]]


@dataclass(frozen=True, slots=True)
class _Kind:
    """The routes for messages of the same types, by their positions; ``always`` have no equality."""

    always: list[int]
    indexed: list[_Indexed]
    disabled: int
    other_types: int


class RouteTable:
    """The routes in their order, and the way to those that a message could match."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self.routes = tuple(routes)
        self._positions: dict[MessagePattern, list[int]] = {}
        for position, route in enumerate(self.routes):
            for pattern in route.messages:
                self._positions.setdefault(pattern, []).append(position)
        self._known_kind = lru_cache(_TYPES)(self._kind)
        self._kind_of = lru_cache(_KINDS)(self._arrange)

    def candidates(self, message: Message) -> tuple[list[Route], RuledOut]:
        """The routes to try, in their order, and what rules out the others. MessageError where a field that
        is looked up has too many values."""
        kind = self._kind_for(message.header)
        positions = kind.always.copy()
        fields = []
        for field in kind.indexed:
            found = message.values(field.path)
            hits = {position for value in found for position in field.wanted.get(value.text, ())}
            positions += hits
            if len(hits) < field.routes:
                fields.append(OtherValue(field.path, found, field.routes - len(hits)))
        routes = [self.routes[position] for position in sorted(positions)]
        return routes, RuledOut(kind.other_types, kind.disabled, tuple(fields))

    def takes(self, header: Header) -> bool:
        """Whether an enabled route is for messages of this type and event."""
        kind = self._kind_for(header)
        return bool(kind.always or kind.indexed)

    def takes_type(self, code: str) -> bool:
        """Whether an enabled route is for some event of this type."""
        return any(
            fnmatchcase(code, pattern.code) and any(self.routes[position].enabled for position in positions)
            for pattern, positions in self._positions.items()
        )

    def _kind_for(self, header: Header) -> _Kind:
        code, trigger = header.type_code, header.trigger
        kind = self._known_kind if len(code) + len(trigger) <= _LONGEST_TYPE else self._kind
        return kind(code, trigger)

    def _kind(self, code: str, trigger: str) -> _Kind:
        return self._kind_of(tuple(it for it in self._positions if it.takes(code, trigger)))

    def _arrange(self, patterns: tuple[MessagePattern, ...]) -> _Kind:
        """The routes of all these patterns."""
        positions = sorted({position for pattern in patterns for position in self._positions[pattern]})
        enabled = {position: self.routes[position] for position in positions if self.routes[position].enabled}
        equalities = {position: list(_equalities(route.condition)) for position, route in enabled.items()}
        shared = Counter(key for them in equalities.values() for it in them for key in _keys(it))
        wanted: dict[FieldPath, dict[str, list[int]]] = {}
        routes: Counter[FieldPath] = Counter()
        for position, them in equalities.items():
            if them:
                rarest = min(them, key=lambda it: sum(shared[key] for key in _keys(it)))
                routes[rarest.path] += 1
                for value in set(rarest.values):
                    wanted.setdefault(rarest.path, {}).setdefault(value, []).append(position)
        return _Kind(
            always=[position for position, them in equalities.items() if not them],
            indexed=[_Indexed(path, count, wanted.get(path, {})) for path, count in routes.items()],
            disabled=len(positions) - len(enabled),
            other_types=len(self.routes) - len(positions),
        )


def _equalities(condition: Condition | None) -> Iterator[OneOf]:
    """The equalities without which a condition cannot hold."""
    match condition:
        case OneOf():
            yield condition
        case All(parts):
            for part in parts:
                yield from _equalities(part)


def _keys(condition: OneOf) -> Iterator[tuple[FieldPath, str]]:
    return ((condition.path, value) for value in condition.values)
