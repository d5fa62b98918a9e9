"""Read YAML so that every value keeps its place in the file.

All scalars stay text (``NO`` is a country, ``0123`` a ward; pydantic makes numbers and booleans where they
are wanted); duplicate keys, which YAML libraries pass over, are complaints.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import yaml

from engine.errors import Complaint, ConfigError

Where = tuple[str | int, ...]


@dataclass(slots=True)
class Document:
    """The values of a file (dict, list, str, None) and the place (line, column from 1) of each."""

    file: str
    value: Any = None
    places: dict[Where, tuple[int, int]] = field(default_factory=dict)
    keys: dict[Where, tuple[int, int]] = field(default_factory=dict)

    def complaint(self, where: Where, expected: str, found: str, *, at_key: bool = False) -> Complaint:
        """A complaint about ``where``. Steps that are not in the file (a tag, a default) are passed over."""
        known = list(self._known(where))
        places = self.keys if at_key and tuple(known) in self.keys else self.places
        line, column = places.get(tuple(known), (1, 1))
        return Complaint(self.file, line, column, _path(tuple(known)), expected, found)

    def _known(self, where: Where) -> Iterator[str | int]:
        here: Where = ()
        for step in where:
            if (*here, step) in self.places:
                here = (*here, step)
                yield step


def read(text: str, file: str) -> Document:
    """The document, or ConfigError with every syntax fault and duplicate key."""
    document = Document(file)
    faults: list[Complaint] = []
    try:
        node = _composed(text)
        document.value = _value(node, (), document, faults) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        found = error.problem or "something else"
        raise ConfigError([Complaint(file, line, column, "", "YAML", found)]) from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = before.count("\n") + 1, len(before) - before.rfind("\n")
        found = f"the character {error.character:#06x}"
        raise ConfigError([Complaint(file, *place, "", "printable text", found)]) from error
    except RecursionError as error:
        found = "values without end (an alias inside its own anchor?)"
        raise ConfigError([Complaint(file, 1, 1, "", "YAML", found)]) from error
    if faults:
        raise ConfigError(faults)
    return document


def _composed(text: str) -> yaml.Node | None:
    """By libyaml, which is eight times as fast, where PyYAML was built with it. The words and the place of a
    fault are PyYAML's own, the same everywhere."""
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError):
            return yaml.compose(text, Loader=yaml.CSafeLoader)
    return yaml.compose(text, Loader=yaml.SafeLoader)


def _value(node: yaml.Node, where: Where, document: Document, faults: list[Complaint]) -> Any:
    document.places[where] = place = (node.start_mark.line + 1, node.start_mark.column + 1)
    if node.tag.startswith("!"):
        faults.append(Complaint(document.file, *place, _path(where), "a value without a tag", node.tag))
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*where, number), document, faults) for number, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, where, document, faults)
    plain_null = isinstance(node, yaml.ScalarNode) and not node.style and node.value in {"", "~", "null"}
    return None if plain_null else node.value


def _mapping(
    node: yaml.MappingNode, where: Where, document: Document, faults: list[Complaint]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if not isinstance(key_node, yaml.ScalarNode):
            found = "a list or mapping as a key"
            faults.append(Complaint(document.file, *place, _path(where), "a plain key", found))
            continue
        key = str(key_node.value)
        if key == "<<":
            found = "a merge key (<<), which YAML 1.2 does not have"
            faults.append(Complaint(document.file, *place, _path(where), "the keys themselves", found))
            continue
        if key in values:
            found = f"a second {key!r}, after line {document.keys[(*where, key)][0]}"
            faults.append(Complaint(document.file, *place, _path((*where, key)), "each key once", found))
            continue
        document.keys[(*where, key)] = place
        values[key] = _value(value_node, (*where, key), document, faults)
        if value_node.start_mark.index == value_node.end_mark.index:  # nothing: it belongs behind the colon
            behind = key_node.end_mark
            document.places[(*where, key)] = (behind.line + 1, behind.column + 2)
    return values


def _path(steps: Where) -> str:
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text
