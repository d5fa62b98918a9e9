"""`forefetch mcp --http`: a real server process, and the SDK's client."""

from __future__ import annotations

import asyncio
import inspect
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from mcp import MCPError
from mcp.server.mcpserver import MCPServer

from engine import __version__
from engine.retrieve.outcome import TaskStatus
from engine.tls import Tls, client_context
from tests.certificates import Certificates
from tests.hospital import CHEST_CT
from tests.mcp.assistant import content, text
from tests.mcp.clinic import SLOWER, clinic, retrieve
from tests.mcp.conftest import Cancels
from tests.mcp.over_http import TOKEN, connected, http, serving, url_of
from tests.running import Running

BOTH_PROTOCOLS = pytest.mark.parametrize("legacy", [True, False])
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "tests", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def routes(tmp_path: Path) -> Iterator[Path]:
    with clinic(tmp_path) as site:
        yield site.routes


@BOTH_PROTOCOLS
async def test_who_has_the_token_calls_tools(tmp_path: Path, legacy: bool) -> None:
    with clinic(tmp_path) as site, serving(site.routes) as server:
        async with connected(url_of(server), legacy=legacy) as client:
            assert client.server_info is not None
            assert (client.server_info.name, client.server_info.version) == ("forefetch", __version__)
            result = await retrieve(client)
            assert content(result)["status"] == "SUCCESS", text(result)
        assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0
        assert site.reading.arrived(CHEST_CT) == 5


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], TOKEN + "0", "Ä" * 20])
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE", "OPTIONS"])
async def test_who_has_not_is_told_so_and_reaches_nothing(token: str | None, method: str, door: str) -> None:
    async with http(None) as carrier:
        headers = {} if token is None else {b"Authorization": f"Bearer {token}".strip().encode()}
        for url in (door, door.removesuffix("/mcp") + "/else"):
            answer = await carrier.request(method, url, headers=headers, json=INITIALIZE)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="forefetch"')
            sentence = answer.json()["error_description"]
            assert ("a token is missing" if token is None else "the token is wrong") in sentence
            assert "FOREFETCH_MCP_TOKEN" in sentence


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server for requests that come to nothing."""
    with (
        clinic(tmp_path_factory.mktemp("door")) as site,
        serving(site.routes, "--host-name", "mcp.hospital.example") as server,
    ):
        yield url_of(server)
        server.end(signal.SIGTERM)


@BOTH_PROTOCOLS
async def test_a_client_without_the_token_does_not_get_in(door: str, legacy: bool) -> None:
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - each version of the SDK has its own
        async with connected(door, legacy=legacy, token=None):
            pass
    assert "401" in "".join(map(str, _leaves(caught.value))) or caught.group_contains(MCPError)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


@pytest.mark.parametrize("others", [["Bearer x", None], [None, "Bearer x"], [None, None]])
async def test_more_than_one_authorization_is_none(door: str, others: list[str | None]) -> None:
    """Whoever stands before the server may have looked at another one."""
    several = [("Authorization", it or f"Bearer {TOKEN}") for it in others]
    async with http(None) as carrier:
        answer = await carrier.post(door, headers=[*ACCEPT.items(), *several], json=INITIALIZE)
    assert answer.status_code == 401


async def test_who_connects_and_does_not_come_to_the_end_of_a_request_is_not_waited_for(door: str) -> None:
    """It needs no token to hold one of the connections. All at once, since the server's patience is long."""
    beginnings = (b"", b"POST /mcp HTTP/1.1\r\nHost: ", b"GET /mcp HTTP/1.1\r\nHost: x\r\n\r\nGET")
    async with asyncio.timeout(60):
        await asyncio.gather(*(_closed(int(urlsplit(door).port or 0), begun) for begun in beginnings))


async def _closed(port: int, begun: bytes) -> None:
    """Connect, begin, and wait until the server has closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begun)
    await reader.read()
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case_and_no_other_scheme_counts(door: str, scheme: str) -> None:
    async with http(None) as carrier:
        right = {**ACCEPT, "Authorization": f"{scheme} {TOKEN}"}
        assert (await carrier.post(door, headers=right, json=INITIALIZE)).status_code == 200
        wrong = {**ACCEPT, "Authorization": f"Basic {TOKEN}"}
        assert (await carrier.post(door, headers=wrong, json=INITIALIZE)).status_code == 401


async def test_nothing_but_mcp_is_served(door: str) -> None:
    async with http() as carrier:
        base = door.removesuffix("/mcp")
        for path in ("/", "/sse", "/docs", "/openapi.json", "/.well-known/oauth-protected-resource"):
            assert (await carrier.get(base + path)).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1:1"}, 421),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "mcp.hospital.example"}, 200),
        ({"Host": "mcp.hospital.example:8443"}, 200),
        ({"Host": "mcp.hospital.example.evil.example"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "https://mcp.hospital.example"}, 200),
    ],
)
async def test_a_page_that_leads_here_by_another_name_is_refused(
    door: str, headers: dict[str, str], status: int
) -> None:
    port = door.rpartition(":")[2].removesuffix("/mcp")
    named = {name: value.format(port=port) for name, value in headers.items()}
    async with http() as carrier:
        answer = await carrier.post(door, headers={**ACCEPT, **named}, json=INITIALIZE)
    assert answer.status_code == status


@BOTH_PROTOCOLS
async def test_tls_with_a_certificate_of_ours(routes: Path, certificates: Certificates, legacy: bool) -> None:
    pair = certificates.pair()
    files = ("--tls-certificate", pair.certificate, "--tls-key", pair.key)
    # Every address of the machine: allowed with TLS only, and with a name
    with serving(routes, *files, "--host-name", "127.0.0.1", address="0.0.0.0:0") as server:
        url = url_of(server)
        assert url.startswith("https://0.0.0.0:")
        trusted = client_context(Tls(ca=certificates.ca), "127.0.0.1")
        async with connected(url.replace("0.0.0.0", "127.0.0.1"), legacy=legacy, context=trusted) as client:
            assert "pacs_retrieve" in [tool.name for tool in (await client.list_tools()).tools]
        assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0


async def test_the_token_may_be_renewed_in_its_file_under_way(routes: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text(TOKEN + "\n")
    with serving(routes, "--token-file", str(file), environment={"FOREFETCH_MCP_TOKEN": ""}) as server:
        url = url_of(server)
        async with http(TOKEN) as old, http(TOKEN[::-1]) as new:
            assert [await _status(old, url), await _status(new, url)] == [200, 401]
            file.write_text(TOKEN[::-1])
            assert [await _status(old, url), await _status(new, url)] == [401, 200]
            file.unlink()
            assert [await _status(old, url), await _status(new, url)] == [503, 503]
        await asyncio.to_thread(server.wait_for, f"nobody is let in: {file} cannot be read")
        assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0


async def _status(carrier: httpx2.AsyncClient, url: str) -> int:
    return (await carrier.post(url, headers=ACCEPT, json=INITIALIZE)).status_code


async def test_sessions_are_bounded_where_the_sdk_can_do_it(routes: Path) -> None:
    bounded = "max_sessions" in inspect.signature(MCPServer.streamable_http_app).parameters
    with serving(routes) as server:
        async with http() as carrier:
            url = url_of(server)
            opened = await asyncio.gather(*(_status(carrier, url) for _ in range(100)))
            assert opened == [200] * 100
            assert await _status(carrier, url) == (503 if bounded else 200)
        assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0


@BOTH_PROTOCOLS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_cancels_the_retrieves_under_way_and_says_so(
    tmp_path: Path, cancels: Cancels, legacy: bool, number: signal.Signals
) -> None:
    with clinic(tmp_path, SLOWER) as site, serving(site.routes) as server:
        async with connected(url_of(server), legacy=legacy) as client:
            call = asyncio.create_task(retrieve(client))
            await asyncio.to_thread(site.archive.faults.wait_for, 1, 30)
            assert await asyncio.to_thread(server.end, number) == 0
            result = await call
        assert result.is_error
        assert "forefetch mcp is stopping, and pacs_retrieve with it" in text(result)
        _assert_nothing_went_wrong(server)
        await asyncio.to_thread(cancels.wait)
        assert [task.status for task in site.tasks] == [TaskStatus.CANCELED]
        assert site.reading.arrived() < 5


@BOTH_PROTOCOLS
async def test_a_call_that_its_client_cancels_takes_its_retrieve_with_it(
    tmp_path: Path, cancels: Cancels, legacy: bool
) -> None:
    with clinic(tmp_path, SLOWER) as site, serving(site.routes) as server:
        async with connected(url_of(server), legacy=legacy) as client:
            call = asyncio.create_task(retrieve(client))
            await asyncio.to_thread(site.archive.faults.wait_for, 1, 30)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.to_thread(cancels.wait)
        assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0
        assert [task.status for task in site.tasks] == [TaskStatus.CANCELED]


def _assert_nothing_went_wrong(server: Running) -> None:
    log = "".join(server.lines)
    assert not re.search(r"Traceback| ERROR | WARNING (?!engine.dispatcher: task 1 CANCELED)", log), log
    assert log.rstrip().endswith("engine.mcp: stopped"), log


async def test_a_signal_does_not_wait_for_sessions_that_listen(routes: Path) -> None:
    with serving(routes) as server:
        url = url_of(server)
        async with http() as carrier:
            opened = await carrier.post(url, headers=ACCEPT, json=INITIALIZE)
            session = {**ACCEPT, "Mcp-Session-Id": opened.headers["Mcp-Session-Id"]}
            async with carrier.stream("GET", url, headers=session) as listening:
                assert listening.status_code == 200
                assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0
        _assert_nothing_went_wrong(server)


async def test_a_signal_does_not_wait_for_requests_that_never_end(routes: Path) -> None:
    with serving(routes) as server:
        address = urlsplit(url_of(server))
        begun = f"POST /mcp HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {TOKEN}\r\n"
        whole = begun + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        with ExitStack() as stack:
            for text in ("", begun, whole):
                peer = stack.enter_context(socket.create_connection((address.hostname, address.port)))
                peer.sendall(text.encode())
            async with http() as carrier:  # what came before has been taken in when this is answered
                assert await _status(carrier, address.geturl()) == 200
            assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0
        _assert_nothing_went_wrong(server)
