"""The API as a client sees it: every answer is checked against its OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from jsonschema import Draft202012Validator
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from engine.config import Config
from engine.events import Events, OperatorActed
from engine.metrics import Metrics
from engine.web.api import routes
from engine.web.api.paths import openapi
from engine.web.office import Office, Role, User

VIEWER = {"Test-Role": "viewer"}


class Api:
    """``acted`` is what was told of operators. Who asks is an operator, unless `VIEWER` is sent."""

    def __init__(self, client: httpx.AsyncClient, office: Office, acted: list[OperatorActed]) -> None:
        self.client = client
        self.office = office
        self.acted = acted

    async def get(self, path: str, status: int = 200, **more: Any) -> Any:
        return await self._asked("GET", path, status, more)

    async def post(self, path: str, status: int = 200, **more: Any) -> Any:
        return await self._asked("POST", path, status, more)

    async def _asked(self, method: str, path: str, status: int, more: dict[str, Any]) -> Any:
        response = await self.client.request(method, f"/api/v1{path}", **more)
        assert response.status_code == status, response.text
        media = response.headers["content-type"].partition(";")[0]
        told = response.json() if media.endswith("json") else response.text
        described = _described(method, response.url.path)
        if described is not None:
            validate(told, described["responses"][str(status)]["content"][media]["schema"])
        return told


def validate(told: object, schema: dict[str, Any]) -> None:
    """By the schemas of the document."""
    Draft202012Validator({**schema, "components": openapi()["components"]}).validate(told)


def _described(method: str, path: str) -> dict[str, Any] | None:
    for template, verbs in openapi()["paths"].items():
        pattern = template.replace("{id}", r"\d+").replace("{verb}", "[^/]+")
        if re.fullmatch(pattern, path) and method.lower() in verbs:
            found: dict[str, Any] = verbs[method.lower()]
            return found
    return None


async def _as_somebody(request: Request, answer: RequestResponseEndpoint) -> Response:
    request.state.user = User("anna", Role(request.headers.get("Test-Role", "operator")))
    request.state.csrf = "csrf"
    return await answer(request)


@asynccontextmanager
async def api(config: Config) -> AsyncIterator[Api]:
    """On the journal of a configuration."""
    events = Events()
    acted: list[OperatorActed] = []
    events.listen(OperatorActed, acted.append)
    office = Office(config, "routes.yaml", events, Metrics(events))
    app = Starlette(routes=routes(office), middleware=[Middleware(BaseHTTPMiddleware, dispatch=_as_somebody)])
    transport = httpx.ASGITransport(app, client=("127.0.0.9", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://forefetch") as client:
        yield Api(client, office, acted)
