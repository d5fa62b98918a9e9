"""The OpenAPI document as a page to read: made here, without a script or another host."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from starlette.responses import HTMLResponse


def page(document: dict[str, Any]) -> HTMLResponse:
    """All calls, and the schemas that they name."""
    return HTMLResponse("\n".join(_lines(document)))


def _lines(document: dict[str, Any]) -> Iterator[str]:
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}: API"
    yield f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1"></head>\n<body>\n<main>'
    yield f"<h1>{title}</h1>\n<p>{escape(info['description'])}</p>"
    yield '<p>For programs: <a href="openapi.json">openapi.json</a></p>'
    calls = [(path, verb, it) for path, verbs in document["paths"].items() for verb, it in verbs.items()]
    yield "<nav><ul>"
    for path, verb, it in calls:
        yield f'<li><a href="#{escape(it["operationId"])}">{verb.upper()} {escape(path)}</a></li>'
    yield "</ul></nav>"
    for path, verb, it in calls:
        yield from _call(path, verb, it)
    for name, schema in document["components"]["schemas"].items():
        yield f'<h2 id="schema-{escape(name)}">{escape(name)}</h2>'
        yield f"<p>{escape(schema.get('description', ''))}</p>"
        yield from _table(_properties(schema))
    yield "</main>\n</body>\n</html>"


def _call(path: str, verb: str, call: dict[str, Any]) -> Iterator[str]:
    yield f'<h2 id="{escape(call["operationId"])}">{verb.upper()} {escape(path)}</h2>'
    yield f"<p>{escape(call['description'])}</p>"
    yield from _table((it["name"], it["schema"]) for it in call["parameters"])
    for media, it in call.get("requestBody", {}).get("content", {}).items():
        yield f"<p>Body: {escape(media)}, {_kind(it['schema'])}</p>"
    for status, answer in call["responses"].items():
        for media, it in answer["content"].items():
            yield f"<p>{status}: {escape(media)}, {_kind(it['schema'])}</p>"


def _properties(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from schema.get("properties", {}).items()
    if "items" in schema:
        yield "each", schema["items"]


def _table(rows: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    lines = [
        f'<tr><th scope="row">{escape(name)}</th><td>{_kind(schema)}</td>'
        f"<td>{escape(schema.get('description', ''))}</td></tr>"
        for name, schema in rows
    ]
    if lines:
        yield "<table><thead><tr><th>Name</th><th>Type</th><th>Meaning</th></tr></thead><tbody>"
        yield from lines
        yield "</tbody></table>"


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(it) for it in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(escape(str(it)) for it in schema["enum"])
    inner = schema.get("items")
    return escape(str(schema.get("type", "any"))) + (f" of {_kind(inner)}" if inner else "")
