"""Notices by HTTP, to a web server."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from engine.alerts.alert import State
from engine.alerts.fault import NotDelivered
from engine.alerts.webhook import post
from engine.config.alerts import Kind, Webhook
from engine.secret import Secret
from engine.tls import Tls
from tests.alerts.given import notice
from tests.alerts.receivers import WebServer, listening
from tests.certificates import Certificates

SOURCE = "FOREFETCH on here"


def way(port: int, tls: Tls | None = None) -> Webhook:
    return Webhook("127.0.0.1", port, "/hook?to=x", frozenset(Kind), tls, timeout=5.0)


async def fault(way: Webhook) -> str:
    with pytest.raises(NotDelivered) as caught:
        await asyncio.to_thread(post, way, notice(), SOURCE)
    return str(caught.value)


async def test_a_notice_is_posted_as_the_json_that_is_documented() -> None:
    async with WebServer().serving() as web:
        await asyncio.to_thread(post, way(web.port), notice(times=3), SOURCE)
    ((line, headers, body),) = web.requests
    assert line == "POST /hook?to=x HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers
    text = body.pop("text")
    assert text.startswith("FOREFETCH on here: raised (critical): archive main is away\n")
    assert "What you can do: look at it." in text
    assert "It was raised 3 times since the last notice." in text
    assert body == {
        "version": 1,
        "source": "FOREFETCH on here",
        "key": "breaker:archive:main",
        "kind": "breaker",
        "state": "raised",
        "severity": "critical",
        "sentence": "archive main is away",
        "cure": "look at it",
        "since": "2026-11-27T10:00:00+00:00",
        "at": "2026-11-27T10:01:00+00:00",
        "times": 3,
        "reminder": 0,
        "tasks": [4, 7],
    }


async def test_the_end_of_an_alert_is_told_as_resolved() -> None:
    async with WebServer().serving() as web:
        await asyncio.to_thread(post, way(web.port), notice(State.RESOLVED, times=0), SOURCE)
        body = await web.taken.get()
    assert body["state"] == "resolved"
    assert body["text"].startswith("FOREFETCH on here: resolved: archive main is away\n")


@pytest.mark.parametrize(
    ("header", "expected"), [("Authorization", "Bearer geheim"), ("X-Token", "geheim")], ids=str
)
async def test_a_header_carries_the_secret(
    header: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALERT_SECRET", "geheim")
    (tmp_path / "secret").write_text("geheim\n")
    async with WebServer().serving() as web:
        for secret in (Secret(environment="ALERT_SECRET"), Secret(file=str(tmp_path / "secret"))):
            to = replace(way(web.port), header=header, secret=secret)
            await asyncio.to_thread(post, to, notice(), SOURCE)
            assert web.requests[-1][1][header.lower()] == expected


async def test_a_secret_that_is_gone_or_no_header_is_told_with_the_cure(tmp_path: Path) -> None:
    to = replace(way(9), secret=Secret(file=str(tmp_path / "absent")))
    assert "check the path and its permissions" in await fault(to)
    (tmp_path / "two").write_text("one\r\nX-Other: two")
    assert "not one line of ASCII" in await fault(replace(to, secret=Secret(file=str(tmp_path / "two"))))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (301, "it answers 301 Moved Permanently; enter the address it has moved to as alerts.webhook.url"),
        (401, "it answers 401 Unauthorized; check alerts.webhook.secret and header"),
        (404, "it answers 404 Not Found; check the path of alerts.webhook.url"),
        (503, "it answers 503 Service Unavailable; look in its log"),
        (599, "it answers 599; look in its log"),
    ],
)
async def test_an_answer_that_is_no_success_is_told_with_the_cure(status: int, expected: str) -> None:
    async with WebServer([status]).serving() as web:
        assert await fault(way(web.port)) == expected
    assert len(web.requests) == 1


async def test_a_server_that_is_not_there_is_silent_or_speaks_no_http_is_told_with_the_cure() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "no connection (Connection refused)" in await fault(way(unused.getsockname()[1]))

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(silent) as port:
        assert "no answer within 0.05 s" in await fault(replace(way(port), timeout=0.05))

    async def junk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"}")
        writer.write(b"220 mail.test ESMTP\r\n")

    async with listening(junk) as port:
        assert "does not answer as HTTP does (BadStatusLine)" in await fault(way(port))


async def test_https_is_for_whoever_has_the_right_certificate(certificates: Certificates) -> None:
    async with WebServer().serving(certificates.server()) as web:
        await asyncio.to_thread(post, way(web.port, Tls(ca=certificates.ca)), notice(), SOURCE)
        assert web.requests[0][1]["host"] == f"127.0.0.1:{web.port}"
        assert "enter the one that issued it as tls.ca" in await fault(
            way(web.port, Tls(ca=certificates.strange_ca))
        )
    assert len(web.requests) == 1


async def test_a_certificate_may_be_for_another_name_that_is_configured(certificates: Certificates) -> None:
    async with WebServer().serving(certificates.server(certificates.pair("alerts.test"))) as web:
        ca = Tls(ca=certificates.ca)
        assert "tls.hostname" in await fault(way(web.port, ca))
        await asyncio.to_thread(post, way(web.port, replace(ca, hostname="alerts.test")), notice(), SOURCE)
    assert len(web.requests) == 1


async def test_https_to_a_server_without_tls_is_told_with_the_cure() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with listening(plain) as port:
        assert "does not speak TLS" in await fault(way(port, Tls(verify=False)))
