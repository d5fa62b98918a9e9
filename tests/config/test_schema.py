"""The exported JSON Schema: well formed, in the words of the file, and of one mind with the loader."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from engine.config import schema
from tests.config.test_load import LINES, REPOSITORY, with_line


def accepts(node: dict[str, Any], value: Any, whole: dict[str, Any]) -> bool:
    """As much of JSON Schema as the exported one uses."""
    if "$ref" in node and not accepts(whole["$defs"][node["$ref"].removeprefix("#/$defs/")], value, whole):
        return False
    if "oneOf" in node and sum(accepts(branch, value, whole) for branch in node["oneOf"]) != 1:
        return False
    if "anyOf" in node and not any(accepts(branch, value, whole) for branch in node["anyOf"]):
        return False
    if "enum" in node and value not in node["enum"]:
        return False
    kinds = node.get("type", [])
    if kinds and not any(_is_kind(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return False
    if isinstance(value, list):
        return len(value) >= node.get("minItems", 0) and all(
            accepts(node.get("items", {}), item, whole) for item in value
        )
    if isinstance(value, dict):
        return _accepts_mapping(node, value, whole)
    return not isinstance(value, int) or value >= node.get("minimum", value)


def _accepts_mapping(node: dict[str, Any], value: dict[str, Any], whole: dict[str, Any]) -> bool:
    known = node.get("properties", {})
    others = node.get("additionalProperties", True)
    if not set(node.get("required", [])) <= value.keys() or (others is False and value.keys() - known.keys()):
        return False
    rest = others if isinstance(others, dict) else {}
    return all(accepts(known.get(key, rest), part, whole) for key, part in value.items())


def _is_kind(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    types = {"string": str, "integer": int, "number": (int, float), "array": list, "object": dict}
    return value is None if kind == "null" else kind in types and isinstance(value, types[kind])  # type: ignore[arg-type]


def exported() -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(schema())
    return value


def _nodes(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(node for part in value.values() for node in _nodes(part))]
    return [node for part in value for node in _nodes(part)] if isinstance(value, list) else []


def test_every_reference_of_the_schema_leads_somewhere() -> None:
    whole = exported()
    references = {node["$ref"] for node in _nodes(whole) if isinstance(node.get("$ref"), str)}
    assert references
    assert {ref.removeprefix("#/$defs/") for ref in references} <= whole["$defs"].keys()


def test_the_schema_names_the_keys_as_the_file_does() -> None:
    keys = exported()["$defs"]["RouteSection"]["properties"].keys()
    assert {"from", "validate", "when"} <= keys
    assert not [key for key in keys if key.endswith("_")]


PRIORS = (REPOSITORY.parent / "samples" / "priors" / "routes.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [REPOSITORY.read_text(encoding="utf-8"), LINES, PRIORS],
    ids=["routes.yaml", "lines", "priors"],
)
def test_the_schema_accepts_what_the_loader_accepts(text: str) -> None:
    whole = exported()
    assert accepts(whole, yaml.safe_load(text), whole)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (2, "  main: {ae_title: A, host: h}"),
        (8, "    messages: []"),
        (10, "      - {field: A-1, colour: red}"),
        (12, "      - {studdy: ZDS-1}"),
        (14, "    to: {map: {A: room}}"),
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(number: int, text: str) -> None:
    whole = exported()
    assert not accepts(whole, yaml.safe_load(with_line(number, text)), whole)
