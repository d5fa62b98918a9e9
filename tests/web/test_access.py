"""Who gets in, and what he may do there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from engine.events import LoggedIn, OperatorActed
from engine.tls import Tls
from engine.web.access.accounts import Account
from engine.web.access.passwords import hash_password
from engine.web.office import Role
from tests.certificates import Certificates
from tests.web.house import CHEAP, PASSWORD, TOKEN, House, accounts, csrf_of, served

NOBODY, VIEWER, OPERATOR, VIEWER_TOKEN, OPERATOR_TOKEN = range(5)
TABLE = [
    # method, path, and what nobody, viewer, operator, a viewer's and an operator's token are answered
    ("GET", "/", (401, 200, 200, 200, 200)),
    ("HEAD", "/", (401, 200, 200, 200, 200)),
    ("GET", "/api/v1/look", (401, 200, 200, 200, 200)),
    ("POST", "/act", (401, 403, 200, 403, 200)),
    ("POST", "/api/v1/act", (401, 403, 200, 403, 200)),
    ("PUT", "/api/v1/act", (401, 403, 200, 403, 200)),
    ("PATCH", "/api/v1/act", (401, 403, 200, 403, 200)),
    ("DELETE", "/api/v1/act", (401, 403, 200, 403, 200)),
    ("GET", "/nowhere", (401, 404, 404, 404, 404)),
    ("GET", "/static/../users.yaml", (401, 404, 404, 404, 404)),
    ("GET", "/login", (200, 200, 200, 200, 200)),
    ("GET", "/logout", (401, 405, 405, 405, 405)),
    ("GET", "/health/live", (200, 200, 200, 200, 200)),
    ("GET", "/health/ready", (503, 503, 503, 503, 503)),
    ("POST", "/health/live", (405, 405, 405, 405, 405)),
    ("GET", "/metrics", (200, 200, 200, 200, 200)),
    ("POST", "/metrics", (401, 405, 405, 405, 405)),
]


async def visitors(house: House) -> list[httpx.AsyncClient]:
    return [
        await house.visitor(),
        await house.logged_in("vera"),
        await house.logged_in("otto"),
        await house.visitor(TOKEN[::-1]),
        await house.visitor(TOKEN),
    ]


async def test_each_way_is_open_to_those_whom_the_table_says(house: House) -> None:
    clients = await visitors(house)
    csrf = ["", await csrf_of(clients[VIEWER]), await csrf_of(clients[OPERATOR]), "", ""]
    for method, path, expected in TABLE:
        found = tuple(
            [
                (await client.request(method, path, headers={"X-CSRF-Token": it})).status_code
                for client, it in zip(clients, csrf, strict=True)
            ]
        )
        assert found == expected, f"{method} {path}"


async def test_a_viewer_who_would_act_is_told_why_not_and_it_is_told_to_the_audit(house: House) -> None:
    client = await house.logged_in("vera")
    answer = await client.post("/api/v1/act", headers={"X-CSRF-Token": await csrf_of(client)})
    assert answer.status_code == 403
    assert answer.json()["detail"] == "vera may look but not cancel: that takes the role operator"
    assert house.told[-1] == OperatorActed("vera", "127.0.0.1", "cancel", (7,), permitted=False)


async def test_a_browser_is_led_to_the_login_and_back(house: House) -> None:
    client = await house.visitor(Accept="text/html")
    answer = await client.get("/tasks?status=HELD&page=2")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/login?next=" + quote("/tasks?status=HELD&page=2", safe="")
    page = await client.get(answer.headers["location"])
    assert 'value="/tasks?status=HELD&amp;page=2"' in page.text
    answer = await house.log_in(client, "otto", onward="/tasks?status=HELD&page=2")
    assert (answer.status_code, answer.headers["location"]) == (303, "/tasks?status=HELD&page=2")
    assert (await client.get("/")).json()["name"] == "otto"
    assert house.told == [LoggedIn("otto", "127.0.0.1", succeeded=True)]


async def test_a_program_is_told_how_to_get_in(house: House) -> None:
    client = await house.visitor(Accept="text/html")
    answer = await client.get("/api/v1/look")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="forefetch"'
    assert "forefetch user token" in answer.json()["detail"]
    part = await client.get("/", headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (401, "/login")


ELSEWHERE = [
    "//evil.example",
    "https://evil.example",
    "/\\evil",
    "\\/evil",
    "/a\r\nX: y",
    "evil",
    "",
    "/\t/x",
]


async def test_after_the_login_nobody_is_sent_elsewhere(house: House) -> None:
    client = await house.visitor()
    for onward in ELSEWHERE:
        assert (await house.log_in(client, "otto", onward=onward)).headers["location"] == "/", onward


async def test_an_unknown_name_and_a_wrong_password_get_the_same_answer_and_the_same_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def matches(password: str, kept: str) -> bool:
        tried.append(kept)
        return False

    monkeypatch.setattr("engine.web.access.login.matches", matches)
    answers = [
        await house.log_in(await house.visitor(), name, "wrong") for name in ("otto", "vanya", "robot", "")
    ]
    assert {it.status_code for it in answers} == {401}
    texts = {it.text.replace('value="otto"', "").replace('value="vanya"', "") for it in answers[:2]}
    assert len(texts) == 1
    assert len(tried) == 4
    assert all(kept.startswith("scrypt$2$1$1$") for kept in tried)
    assert house.told[:2] == [LoggedIn("otto", "127.0.0.1", False), LoggedIn("vanya", "127.0.0.1", False)]


async def test_a_user_without_a_password_does_not_get_in_with_that_of_another(house: House) -> None:
    assert (await house.log_in(await house.visitor(), "robot", PASSWORD)).status_code == 401
    assert (await house.log_in(await house.visitor(), "robot", "")).status_code == 401


WRONG = ["Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}", "Bearer Ä"]


async def test_a_wrong_token_is_none_even_with_a_session(house: House) -> None:
    client = await house.logged_in("otto")
    for authorization in WRONG:
        answer = await client.get("/api/v1/look", headers=[(b"Authorization", authorization.encode())])
        assert answer.status_code == 401, authorization


async def test_a_wrong_token_is_told_of_but_not_each_time(house: House) -> None:
    client = await house.visitor("ff_wrong")
    for _ in range(20):
        assert (await client.get("/")).status_code == 401
    assert house.told == [LoggedIn("a token", "127.0.0.1", succeeded=False)] * 5
    assert (await house.log_in(await house.visitor(), "otto")).status_code == 303


async def test_a_path_in_the_host_header_opens_nothing(house: House) -> None:
    client = await house.visitor()
    for host in ("x/health/", "x/health/?", "x/static/#", "127.0.0.1/login?", "127.0.0.1/health/live?"):
        assert (await client.get("/", headers={"Host": host})).status_code == 401, host
        assert (await client.post("/act", headers={"Host": host})).status_code == 401, host


async def test_of_two_authorizations_neither_counts(house: House) -> None:
    client = await house.visitor()
    both = [("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {TOKEN}")]
    assert (await client.get("/api/v1/look", headers=both)).status_code == 401


async def test_the_file_of_users_is_read_again_when_it_has_changed(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    client = await house.visitor(TOKEN)
    assert (await client.get("/")).json() == {"name": "otto", "role": "operator", "csrf": ""}
    house.change(otto=Account(Role.VIEWER, "", accounts()["otto"].tokens))
    assert (await client.get("/")).json()["role"] == "viewer"
    house.change(otto=None)
    assert (await client.get("/")).status_code == 401
    house.users.chmod(0o644)
    assert (await client.get("/")).status_code == 503
    assert (await house.log_in(await house.visitor(), "vera")).status_code == 503
    house.users.unlink()
    assert [(await client.get("/")).status_code for _ in range(3)] == [503] * 3
    lines = [it.message for it in caplog.records if "nobody is let in" in it.message]
    assert len(lines) == 2
    assert f"chmod 600 {house.users}" in lines[0]
    house.change()
    assert (await client.get("/")).status_code == 200


async def test_under_tls_the_cookie_is_for_tls_and_other_machines_need_to_be_known(
    tmp_path: Path, certificates: Certificates
) -> None:
    pair = certificates.pair()
    tls = Tls(certificate=pair.certificate, key=pair.key)
    async with served(tmp_path, ca=certificates.ca, host="0.0.0.0", tls=tls) as house:
        assert house.url.startswith("https://")
        client = await house.visitor()
        answer = await house.log_in(client, "otto")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-forefetch=")
        for word in ("; Secure", "; HttpOnly", "; Path=/", "; SameSite=lax"):
            assert word in cookie
        assert "Domain" not in cookie
        assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
        assert (await client.get("/metrics")).status_code == 200
        stranger = await house.visitor()
        assert (await stranger.get("/metrics")).status_code == 401
        assert (await stranger.get("/metrics", headers={"Host": "localhost"})).status_code == 401
        assert (await stranger.get("/health/live")).status_code == 200
        assert (await (await house.visitor(TOKEN[::-1])).get("/metrics")).status_code == 200


async def test_metrics_are_open_where_it_is_said_and_not_through_a_proxy(
    tmp_path: Path, certificates: Certificates
) -> None:
    async with served(tmp_path) as house:
        client = await house.visitor()
        assert (await client.get("/metrics")).status_code == 200
        assert (await client.get("/metrics", headers={"Host": "proxy.example"})).status_code == 401
    pair = certificates.pair()
    tls = Tls(certificate=pair.certificate, key=pair.key)
    async with served(tmp_path, ca=certificates.ca, host="0.0.0.0", tls=tls, open_metrics=True) as house:
        assert (await (await house.visitor()).get("/metrics")).status_code == 200


async def test_a_stream_ends_with_its_session(house: House) -> None:
    client = await house.logged_in("vera")
    async with asyncio.timeout(20), client.stream("GET", "/stream") as answer:
        parts = answer.aiter_text()
        assert "data: x" in await anext(parts)
        house.change(vera=Account(Role.VIEWER, hash_password("another one", CHEAP)))
        async for _ in parts:
            pass
    assert (await client.get("/")).status_code == 401


async def test_a_stream_ends_where_its_user_becomes_another(house: House) -> None:
    client = await house.logged_in("otto")
    async with asyncio.timeout(20), client.stream("GET", "/stream") as answer:
        parts = answer.aiter_text()
        assert "data: x" in await anext(parts)
        house.change(otto=replace(accounts()["otto"], role=Role.VIEWER))
        async for _ in parts:
            pass
    assert (await client.get("/")).json()["role"] == "viewer"
