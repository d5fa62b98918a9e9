"""Load routes.yaml: every complaint at once, each with file, line, column, expected and found."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from engine.config.build import build
from engine.config.fields import NotQuoted
from engine.config.models import RoutesFile
from engine.config.references import references
from engine.config.values import Config
from engine.config.yamlfile import Document, Where, read
from engine.errors import Complaint, ConfigError

_EXPECTED = {
    "missing": "this key",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping of names to settings",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "too_short": "at least one",
    "string_too_short": "text that is not empty",
}
_UNIONS = ("oneOf", "anyOf", "allOf")
_LONGEST_FOUND = 60


_Model = TypeVar("_Model", bound=BaseModel)


def load(path: str | Path, *, try_files: bool = True) -> Config:
    """The configuration in a file, or ConfigError.

    ``try_files``: whether the files and environment variables of ``tls`` and ``identity`` have to be usable
    here and now. Who connects to nobody may not be allowed to read them.
    """
    return parse(read_text(path), str(path), try_files=try_files)


def read_text(path: str | Path) -> str:
    """The text of a file, or ConfigError."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            [Complaint(str(path), 1, 1, "", "a file (name it with --config)", "none")]
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Complaint(str(path), 1, 1, "", "a readable UTF-8 file", str(error))]) from error


def parse(text: str, file: str = "routes.yaml", *, try_files: bool = True) -> Config:
    """The configuration in a text, or ConfigError. ``file`` names it in complaints; the files that it names
    are looked for beside it."""
    return configuration(read(text, file), try_files=try_files)


def configuration(document: Document, *, try_files: bool = True) -> Config:
    """The configuration that a document writes, or ConfigError."""
    folder = Path(document.file).parent
    context = {"folder": folder, "try_files": try_files}
    return build(checked(document, RoutesFile, references(document), context), folder)


def checked(
    document: Document,
    model: type[_Model],
    complaints: Iterable[Complaint] = (),
    context: Mapping[str, Any] | None = None,
) -> _Model:
    """The document as this model, or ConfigError with these complaints and the model's, in their order."""
    found = list(complaints)
    try:
        value = model.model_validate(document.value, context=context)
    except ValidationError as error:
        found += [_complaint(document, model, details) for details in error.errors(include_url=False)]
        raise ConfigError(sorted(found, key=_place)) from error
    if found:
        raise ConfigError(sorted(found, key=_place))
    return value


def schema() -> str:
    """The JSON Schema of routes.yaml, for editors."""
    return json.dumps(RoutesFile.model_json_schema(by_alias=True), indent=2)


def _place(complaint: Complaint) -> tuple[int, int]:
    return complaint.line, complaint.column


def _complaint(document: Document, model: type[BaseModel], details: Any) -> Complaint:
    kind: str = details["type"]
    where: Where = tuple(details["loc"])
    if kind == "missing":
        return document.complaint(where, f"the key {str(where[-1])!r}", "no such key")
    if kind == "extra_forbidden":
        known = _known_keys(where, model)
        return document.complaint(where, known, f"the key {str(where[-1])!r}", at_key=True)
    if kind == "value_error":
        error = details["ctx"]["error"]
        found = error.found if isinstance(error, NotQuoted) else _found(details["input"])
        return document.complaint(where, str(error), found)
    expected = _EXPECTED.get(kind) or details["msg"].removeprefix("Input should be ")
    return document.complaint(where, expected, _found(details["input"]))


def _known_keys(where: Where, model: type[BaseModel]) -> str:
    """The keys allowed beside an unknown one, or the one that was probably meant."""
    known = _properties(where[:-1], model)
    meant = difflib.get_close_matches(str(where[-1]), known, n=1)
    if meant:
        return f"{meant[0]!r}"
    return f"{'one of' if len(known) > 1 else 'only'} {', '.join(known)}"


def _properties(where: Where, model: type[BaseModel]) -> list[str]:
    """The keys that the schema allows at a place, by walking the exported schema along it."""
    whole = model.model_json_schema(by_alias=True)
    nodes = [whole]
    for step in where:
        nodes = [child for node in nodes for child in _children(node, step, whole)] or nodes
    branches = [branch for node in nodes for branch in _branches(node, whole)]
    return sorted({key for branch in branches for key in branch.get("properties", {})})


def _branches(node: dict[str, Any], whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and all that it may stand for, references followed."""
    yield node
    if "$ref" in node:
        yield from _branches(whole["$defs"][node["$ref"].rpartition("/")[2]], whole)
    for union in _UNIONS:
        for branch in node.get(union, []):
            yield from _branches(branch, whole)


def _children(node: dict[str, Any], step: str | int, whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for branch in _branches(node, whole):
        if step in branch.get("properties", {}):
            yield branch["properties"][step]
        elif isinstance(step, int) and "items" in branch:
            yield branch["items"]
        elif isinstance(branch.get("additionalProperties"), dict):
            yield branch["additionalProperties"]
        elif branch.get("$ref") == f"#/$defs/{step}":  # the tag of a union
            yield branch


def _found(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return f"a mapping with {', '.join(map(str, value)) or 'no keys'}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= _LONGEST_FOUND else text[:_LONGEST_FOUND] + "…"
