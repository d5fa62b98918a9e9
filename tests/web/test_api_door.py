"""The API on its socket, behind the door: with the token of a program, and without."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from engine.app import Engine
from engine.config import WebSettings
from engine.events import Events
from engine.sender import send
from engine.web.access.accounts import write_accounts
from engine.web.server import Web
from tests.hospital import ALLOWED, CHEST_CT, hospital, order
from tests.web.api import validate
from tests.web.house import TOKEN, accounts


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    users = tmp_path / "users.yaml"
    write_accounts(str(users), accounts())
    with hospital(tmp_path) as site:
        web = Web(WebSettings("127.0.0.1", 0, users=str(users)), site.config, "routes.yaml", Events())
        async with Engine(site.config, ALLOWED) as engine:
            await send(*engine.address, [order("RE", study=CHEST_CT)])
            await web.start()
            try:
                yield f"{web.url}api/v1"
            finally:
                await web.stop()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_program_asks_with_its_token_and_is_a_viewer_or_an_operator(url: str) -> None:
    problem = {"$ref": "#/components/schemas/Problem"}
    async with httpx.AsyncClient(trust_env=False) as client:
        stranger = await client.get(f"{url}/tasks")
        viewer = await client.get(f"{url}/tasks?control_id=M1", headers=bearer(TOKEN[::-1]))
        operator = await client.get(f"{url}/tasks?control_id=M1", headers=bearer(TOKEN))
        refused = await client.post(f"{url}/tasks/1/retry", headers=bearer(TOKEN[::-1]))
        needless = await client.post(f"{url}/tasks/1/retry", headers=bearer(TOKEN))
        table = await client.get(f"{url}/tasks.csv", headers=bearer(TOKEN))
    assert [it.status_code for it in (stranger, refused, needless)] == [401, 403, 409]
    for it in (stranger, refused, needless):
        assert it.headers["content-type"] == "application/problem+json"
        validate(it.json(), problem)
    (told,), (hidden,) = operator.json()["tasks"], viewer.json()["tasks"]
    assert (told["status"], told["patient"]) == ("COMPLETED", "FF-1001^FOREST")
    assert (hidden["status"], hidden["patient"][:7]) == ("COMPLETED", "masked-")
    assert "attachment" in table.headers["content-disposition"]
    assert CHEST_CT in table.text
