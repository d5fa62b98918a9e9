"""The API described for programs (OpenAPI 3.1), from the very models that read and make what it says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from engine import __version__
from engine.retrieve.task import Verb
from engine.web.api.operation import PREFIX, Operation
from engine.web.problem import MEDIA_TYPE, Problem

_REF = "#/components/schemas/{model}"
_ALWAYS = (400, 401, 503)
_ABOUT = (
    "What the operator's page shows, for programs. Viewers may ask; operators may act too. Times are ISO "
    "8601 in UTC. Lists are told newest first, page by page: follow next until it is null. Errors are "
    "problem details (RFC 9457)."
)


def document(operations: Sequence[Operation]) -> dict[str, Any]:
    """The whole of it."""
    schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = PREFIX + operation.path.replace(":int}", "}")
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Forefetch", "version": __version__, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    models: dict[type[BaseModel], None] = {Problem: None}
    for it in operations:
        models |= {model: None for model in (it.answer, it.query, it.body) if model is not None}
    _, told = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    found: dict[str, Any] = told["$defs"]
    return found


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": operation.description or operation.summary,
        "parameters": [*_of_path(operation), *_of_query(operation, schemas)],
        "responses": {"200": _answer(operation), **dict(_refusals(operation))},
    }
    if operation.body is not None:
        content = {"application/json": {"schema": _ref(operation.body)}}
        told["requestBody"] = {"content": content}
    if operation.text_body:
        content = {"text/plain": {"schema": {"type": "string"}}}
        told["requestBody"] = {"content": content, "required": True, "description": operation.text_body}
    return told


def _of_path(operation: Operation) -> Iterator[dict[str, Any]]:
    known = {
        "id": {"type": "integer", "minimum": 0},
        "verb": {"type": "string", "enum": [str(verb) for verb in Verb]},
    }
    for name, schema in known.items():
        if f"{{{name}" in operation.path:
            yield {"name": name, "in": "path", "required": True, "schema": schema}


def _of_query(operation: Operation, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if operation.query is None:
        return
    for name, schema in schemas[operation.query.__name__].get("properties", {}).items():
        parameter = {"name": name, "in": "query", "required": False, "schema": schema}
        parameter["description"] = schema.get("description", "")
        yield parameter | ({"style": "form", "explode": False} if schema.get("type") == "array" else {})


def _answer(operation: Operation) -> dict[str, Any]:
    schema = {"type": "string"} if operation.answer is None else _ref(operation.answer)
    if operation.answer is None and operation.media == "application/json":
        schema = {"type": "object"}
    return {"description": operation.summary, "content": {operation.media: {"schema": schema}}}


def _refusals(operation: Operation) -> Iterator[tuple[str, dict[str, Any]]]:
    for status in sorted({*_ALWAYS, *operation.refusals}):
        content = {MEDIA_TYPE: {"schema": _ref(Problem)}}
        yield str(status), {"description": HTTPStatus(status).phrase, "content": content}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}
