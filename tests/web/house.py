"""The operator's page with routes of the tests behind its door, and the people who come to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from engine.config import Config, WebSettings, parse
from engine.events import Events, LoggedIn, OperatorActed
from engine.tls import Tls, client_context
from engine.web.access.accounts import Account, write_accounts
from engine.web.access.passwords import Cost, hash_password, hash_token
from engine.web.office import Office, Role, require, user_of
from engine.web.server import Web

CHEAP = Cost(2, 1, 1)
PASSWORD = "correct horse"
TOKEN = "ff_a-token-of-the-tests"


@dataclass
class Clock:
    """Seconds, as the test says."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def inside(office: Office) -> list[BaseRoute]:
    """What stands for pages and API: one to look, one to act, one that never ends."""

    async def look(request: Request) -> Response:
        user = user_of(request)
        return JSONResponse({"name": user.name, "role": user.role, "csrf": request.state.csrf})

    async def act(request: Request) -> Response:
        user = require(request, office, Role.OPERATOR, "cancel", (7,))
        form = dict(await request.form())
        return JSONResponse({"name": user.name, "form": {**form}})

    async def stream(request: Request) -> Response:
        async def parts() -> AsyncIterator[str]:
            while True:
                yield "data: x\n\n"
                await asyncio.sleep(0.01)

        return StreamingResponse(parts(), media_type="text/event-stream")

    async def fail(request: Request) -> Response:
        raise RuntimeError("a fault of the tests")

    return [
        Route("/", look),
        Route("/act", act, methods=["POST"]),
        Route("/stream", stream),
        Route("/fail", fail),
        Route("/api/v1/look", look),
        Route("/api/v1/act", act, methods=["POST", "PUT", "PATCH", "DELETE"]),
    ]


def config_of(folder: Path) -> Config:
    """A configuration whose journal does not exist."""
    return parse(
        f"""
engine: {{store: {folder / "forefetch.db"}, max_message_bytes: 1024}}
archives: {{main: {{ae_title: A, host: 127.0.0.1, port: 1}}}}
destinations: {{room: {{ae_title: R}}}}
routes: [{{name: a, messages: ORM^O01, studies: [{{study: ZDS-1}}], from: main, to: room}}]
"""
    )


@cache
def accounts() -> Mapping[str, Account]:
    """An operator with a password and a token, a viewer with a password, a program with a token."""
    kept = hash_password(PASSWORD, CHEAP)
    return {
        "otto": Account(Role.OPERATOR, kept, (hash_token(TOKEN),)),
        "vera": Account(Role.VIEWER, kept),
        "robot": Account(Role.VIEWER, "", (hash_token(TOKEN[::-1]),)),
    }


@dataclass
class House:
    """A page that is served. ``told``: logins and acts, as they were told."""

    web: Web
    users: Path
    clock: Clock
    events: Events
    told: list[LoggedIn | OperatorActed] = field(default_factory=list)
    trusted: Any = False
    doors: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def url(self) -> str:
        return self.web.url.rstrip("/").replace("0.0.0.0", "127.0.0.1")

    async def visitor(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """Somebody with a browser that is his own."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        client = httpx.AsyncClient(
            base_url=self.url, verify=self.trusted, trust_env=False, headers=headers, timeout=20
        )
        return await self.doors.enter_async_context(client)

    async def log_in(
        self, client: httpx.AsyncClient, name: str, password: str = PASSWORD, onward: str = "/"
    ) -> httpx.Response:
        """What the form of the page sends."""
        form = {"name": name, "password": password, "next": onward}
        return await client.post("/login", data=form, headers={"Sec-Fetch-Site": "same-origin"})

    async def logged_in(self, name: str) -> httpx.AsyncClient:
        """A browser in which he has logged in."""
        client = await self.visitor()
        assert (await self.log_in(client, name)).status_code == 303
        return client

    def change(self, **users: Account | None) -> None:
        """The file as `forefetch user` would write it; None: without him."""
        everybody = {**accounts(), **users}
        write_accounts(str(self.users), {name: it for name, it in everybody.items() if it is not None})


@asynccontextmanager
async def served(folder: Path, *, ca: str = "", **settings: Any) -> AsyncIterator[House]:
    """With users, unless ``users`` is "". ``ca``: whom browsers trust."""
    users, clock, events = folder / "users.yaml", Clock(), Events()
    write_accounts(str(users), accounts())
    chosen = replace(WebSettings("127.0.0.1", 0, users=str(users)), **settings)
    web = Web(chosen, config_of(folder), "routes.yaml", events, inside=inside, clock=clock)
    trusted = client_context(Tls(ca=ca), "127.0.0.1") if ca else False
    await web.start()
    house = House(web, users, clock, events, trusted=trusted)
    events.listen(LoggedIn, house.told.append)
    events.listen(OperatorActed, house.told.append)
    async with house.doors:
        try:
            yield house
        finally:
            await web.stop()


async def csrf_of(client: httpx.AsyncClient) -> str:
    """What the pages of a session are given to send back."""
    token: str = (await client.get("/")).json()["csrf"]
    return token
