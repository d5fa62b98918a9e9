"""The pages as somebody sees them who has come through the door, on a journal that an engine has filled."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.app import Engine
from engine.config import Config
from engine.events import Events, OperatorActed
from engine.metrics import Metrics
from engine.sender import send
from engine.store import list_tasks
from engine.web.office import Office, Role, User
from engine.web.pages import routes
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE, ROUTES, hospital, order

HOSTILE = "<img src=x onerror=alert(1)>"
ASKS = """
  - name: asks
    messages: ORM^O01
    when: {field: ORC-1, equals: HO}
    studies: {study: ZDS-1.1}
    from: main
    to: reading
    hold: true
    acknowledge: accepted
"""
MESSAGES = (
    order("RE", control_id="ARRIVES", study=CHEST_CT, patient="FF-1001"),
    order("RE", control_id="FAILS", study=OLD_KNEE, location="NOWHERE", patient="FF-1001"),
    order("NW", control_id="PRIORS", patient="FF-1001"),
    order("HO", control_id="HELD", study=CHEST_CT, patient="FF-1001"),
    order("ZZ", control_id="NOTHING", patient="FF-2002").replace(b"Aalto^Mira", HOSTILE.encode()),
)


@dataclass(frozen=True, slots=True)
class Filled:
    """A journal of five messages: one study arrived, one failed, two priors, one held, nothing asked for."""

    path: Path
    config: Config


def filled(folder: Path) -> Filled:
    """Let an engine fill it, which has ended."""
    with hospital(folder, ROUTES + ASKS) as it:
        asyncio.run(_fill(it.config))
        return Filled(folder / "forefetch.db", it.config)


async def _fill(config: Config) -> None:
    async with Engine(config, ALLOWED) as engine:
        for message in MESSAGES:
            await send(*engine.address, [message])


@dataclass
class Reception:
    """``told``: what people did, as it was told."""

    office: Office
    app: ASGIApp
    told: list[OperatorActed] = field(default_factory=list)

    def visitor(self, role: Role = Role.OPERATOR) -> httpx.AsyncClient:
        """Somebody with a browser."""
        transport = httpx.ASGITransport(self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://page", headers={"X-Role": role})

    async def see(self, address: str, role: Role = Role.OPERATOR, status: int = 200) -> str:
        """A page."""
        async with self.visitor(role) as browser:
            answer = await browser.get(address)
        assert answer.status_code == status, answer.text
        return answer.text

    async def post(
        self, address: str, form: dict[str, Any], role: Role = Role.OPERATOR, status: int = 200
    ) -> str:
        """What comes of a form."""
        async with self.visitor(role) as browser:
            answer = await browser.post(address, data=form)
        assert answer.status_code == status, answer.text
        return answer.text

    def number_of(self, status: str) -> int:
        """The newest task of this status."""
        return next(it.id for it in list_tasks(self.office.journal) if it.status == status)


class _Known:
    """In the place of the door: whoever comes has the role that he says."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        role = Role(dict(scope["headers"])[b"x-role"].decode())
        name = "otto" if role is Role.OPERATOR else "vera"
        scope.setdefault("state", {}).update(user=User(name, role), csrf="a-token")
        await self._app(scope, receive, send)


def pages_of(office: Office) -> ASGIApp:
    """Of an engine, for whoever says who he is."""
    return Starlette(routes=routes(office), middleware=[Middleware(_Known)])


@asynccontextmanager
async def reception(journal: Filled, folder: Path) -> AsyncIterator[Reception]:
    """On a copy of a journal."""
    path = shutil.copy(journal.path, folder / "forefetch.db")
    config = replace(journal.config, engine=replace(journal.config.engine, store=str(path)))
    events = Events()
    office = Office(config, "routes.yaml", events, Metrics(events, str(path)))
    it = Reception(office, pages_of(office))
    events.listen(OperatorActed, it.told.append)
    yield it
