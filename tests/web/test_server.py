"""The page as a part of the engine: where it listens, how it starts and ends, and what everybody may ask."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from engine.app import Engine
from engine.config import Config, WebSettings, parse
from engine.errors import ConfigError, ListenError
from engine.events import Committed, Events, Started, Stopping
from engine.sender import send
from engine.tls import Tls
from engine.web.access.accounts import AccountsUnusable, write_accounts
from engine.web.health import Health
from engine.web.server import Web
from tests.hospital import ALLOWED, field, hospital, order
from tests.web.house import TOKEN, House, accounts, config_of, csrf_of, inside, served

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "font-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
}


async def test_every_answer_says_to_browsers_what_they_may_do(house: House) -> None:
    client = await house.visitor(TOKEN)
    for path, status in (
        ("/", 200),
        ("/login", 200),
        ("/nowhere", 404),
        ("/health/live", 200),
        ("/metrics", 200),
        ("/static/absent.css", 404),
        ("/fail", 500),
    ):
        answer = await client.get(path)
        assert answer.status_code == status, path
        policy = dict(it.strip().split(" ", 1) for it in answer.headers["content-security-policy"].split(";"))
        assert policy == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers.get("cache-control") == (None if path.startswith("/static") else "no-store")
        assert "strict-transport-security" not in answer.headers
        assert "server" not in answer.headers
    page = (await client.get("/login")).text
    assert "<script>" not in page
    assert "style=" not in page


async def test_who_does_not_read_his_answers_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.http.connection._PATIENCE", 0.05)
    server = house.web._server
    assert server is not None
    with socket.socket() as idler:
        idler.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        idler.connect(house.web.address)
        idler.sendall(b"GET /static/htmx.min.js HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        async with asyncio.timeout(20):
            while not server.server_state.total_requests or server.server_state.connections:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert server.server_state.total_requests < 200


async def test_a_fault_is_told_to_the_log_and_not_to_who_asks(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await (await house.visitor(TOKEN)).get("/fail")
    assert (answer.status_code, answer.text) == (500, "Internal Server Error")
    assert "a fault of the tests" in caplog.text


async def test_without_users_everybody_on_this_machine_is_an_operator(open_house: House) -> None:
    client = await open_house.visitor()
    assert (await client.get("/")).json()["name"] == "local"
    assert (await client.post("/act")).status_code == 403
    headers = {"X-CSRF-Token": await csrf_of(client)}
    assert (await client.post("/act", headers=headers)).json()["name"] == "local"
    foreign = {**headers, "Sec-Fetch-Site": "cross-site"}
    assert (await client.post("/act", headers=foreign)).status_code == 403


async def test_a_page_that_leads_here_by_another_name_is_refused_everywhere(open_house: House) -> None:
    client = await open_house.visitor()
    port = open_house.web.address[1]
    for host, status in (
        ("evil.example", 421),
        (f"evil.example:{port}", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("evil@127.0.0.1.example", 421),
        ("[::1", 421),
        (f"localhost:{port}", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:9999", 200),  # through a tunnel
        (f"[::1]:{port}", 200),
        ("127.0.0.2", 200),
        ("10.0.0.1", 421),
    ):
        for path in ("/", "/metrics", "/health/live"):
            answer = await client.get(path, headers={"Host": host})
            assert answer.status_code == status, (host, path)


async def test_an_address_that_is_taken_is_refused_with_the_cure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = WebSettings("127.0.0.1", taken.getsockname()[1])
        web = Web(settings, config_of(tmp_path), "routes.yaml", Events())
        with pytest.raises(ListenError, match=r"cannot listen on 127.*or change listen in the section web"):
            await web.start()
        with pytest.raises(RuntimeError):
            _ = web.address
        await web.stop()


async def test_nobody_could_log_in_is_said_at_the_start(tmp_path: Path) -> None:
    users = tmp_path / "users.yaml"
    web = Web(WebSettings("127.0.0.1", 0, users=str(users)), config_of(tmp_path), "routes.yaml", Events())
    with pytest.raises(AccountsUnusable, match=r"no file .*users\.yaml: forefetch user add NAME"):
        await web.start()
    write_accounts(str(users), {})
    with pytest.raises(AccountsUnusable, match="forefetch user add NAME --role operator"):
        await web.start()
    write_accounts(str(users), accounts())
    users.chmod(0o646)
    with pytest.raises(AccountsUnusable, match="chmod 600"):
        await web.start()
    users.write_text("users: {otto: {role: chief}}\n")
    users.chmod(0o600)
    with pytest.raises(ConfigError, match=r"users\.yaml:1:22: users\.otto\.role: expected 'viewer' or"):
        await web.start()
    users.write_text("users: {otto: {role: viewer, password: secret-as-it-is}}\n")
    with pytest.raises(AccountsUnusable, match="the password of otto is no hash") as caught:
        await web.start()
    assert "secret" not in str(caught.value)


async def test_other_machines_and_files_of_tls_that_are_gone_are_refused(tmp_path: Path) -> None:
    for settings, words in (
        (WebSettings("0.0.0.0", 0), "set users, or listen on 127.0.0.1"),
        (WebSettings("127.0.0.1", 0, Tls(certificate=str(tmp_path / "gone"))), "check web.tls"),
    ):
        with pytest.raises(ListenError, match=words):
            await Web(settings, config_of(tmp_path), "routes.yaml", Events(), inside=inside).start()


async def test_it_stops_at_once_though_streams_are_open(tmp_path: Path) -> None:
    async with served(tmp_path) as house:
        client = await house.visitor(TOKEN)
        async with asyncio.timeout(20), client.stream("GET", "/stream") as answer:
            parts = answer.aiter_text()
            await anext(parts)
            stopping = asyncio.create_task(house.web.stop())
            async for _ in parts:
                pass
            await stopping
        with pytest.raises(httpx.ConnectError):
            await client.get("/health/live")


def test_health_says_what_is_not_ready() -> None:
    events = Events()
    health = Health(events)
    assert health.troubles() == ["no HL7 messages are listened for yet"]
    events.tell(Started("127.0.0.1:2575"))
    assert health.troubles() == []
    events.tell(Committed(3, 0.1, failed=True))
    assert health.troubles() == ["the journal cannot be written: the last commit has failed"]
    events.tell(Committed(3, 0.1, failed=False))
    assert health.troubles() == []
    events.tell(Stopping())
    assert health.troubles() == ["it is stopping"]


def test_a_commit_that_failed_is_held_against_it_for_a_minute() -> None:
    """Nothing is written where nobody sends, and some send only to what is ready."""
    events, now = Events(), [0.0]
    health = Health(events, clock=lambda: now[0])
    events.tell(Started("127.0.0.1:2575"))
    events.tell(Committed(3, 0.1, failed=True))
    now[0] = 59.0
    assert health.troubles() == ["the journal cannot be written: the last commit has failed"]
    now[0] = 61.0
    assert health.troubles() == []


def with_page(text: str) -> Config:
    return parse(text + "web: {listen: '127.0.0.1:0'}\n")


async def test_an_engine_serves_its_page_and_counts_what_it_does(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with hospital(tmp_path) as site:
        async with Engine(with_page(site.text), ALLOWED) as engine:
            (line,) = [it.message for it in caplog.records if it.name == "engine.web.server"]
            url = line.removeprefix("the operator's page is at ")
            (ack,) = await send(*engine.address, [order()])
            assert field(ack, "MSA-1") == "AA"
            async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=20) as client:
                ready = await client.get("/health/ready")
                assert (ready.status_code, ready.json()) == (200, {"ready": True, "troubles": []})
                text = (await client.get("/metrics")).text
    found = {
        (it.name, *it.labels.values()): it.value
        for family in text_string_to_metric_families(text)
        for it in family.samples
    }
    assert found["forefetch_messages_total", "AA", "ORM^O01"] == 1
    assert found["forefetch_answer_seconds_count",] == 1
    assert found["forefetch_tasks_ended_total", "main", "arrived", "reading", "COMPLETED"] >= 1
    assert found["forefetch_suboperations_total", "main", "reading", "completed"] >= 4
    assert found["forefetch_transfers_under_way", "main", "reading"] == 0
    assert found["forefetch_journal_operations_total",] > 1
    assert found["forefetch_journal_readable",] == 1
    assert found["process_open_fds",] > 0
    for secret in ("FF-1001", "Aalto", "Mira", "19610314"):
        assert secret not in text


async def test_an_engine_whose_page_cannot_be_served_does_not_start_nor_leave_anything(
    tmp_path: Path,
) -> None:
    with hospital(tmp_path) as site, socket.create_server(("127.0.0.1", 0)) as taken:
        config = parse(site.text + f"web: {{listen: '127.0.0.1:{taken.getsockname()[1]}'}}\n")
        with pytest.raises(ListenError):
            async with Engine(config, ALLOWED):
                pass
        async with Engine(parse(site.text), ALLOWED):
            pass


def test_without_the_section_nothing_of_it_is_imported() -> None:
    program = "import engine.cli, engine.app, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "engine.app" in imported
    assert not imported & {
        "starlette",
        "uvicorn",
        "jinja2",
        "prometheus_client",
        "engine.web",
        "engine.metrics",
    }
