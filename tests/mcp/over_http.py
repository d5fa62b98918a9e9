"""`forefetch mcp --http` as a process of its own, and the SDK's client with a token."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tests.mcp.assistant import ALLOW_ALL
from tests.running import Running, running

TOKEN = "a-token-of-the-tests-0123456789"
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (INFO   |WARNING|ERROR  ) [a-z_.]+: \S")
"""How a line of the log begins."""


@contextmanager
def serving(
    routes: Path, *options: str, environment: Mapping[str, str] = ALLOW_ALL, address: str = "127.0.0.1:0"
) -> Iterator[Running]:
    """With the token in the environment. What is logged has the engine's format, and never the token."""
    words = ("mcp", "--config", str(routes), "--http", address, *options)
    with running(*words, environment={"FOREFETCH_MCP_TOKEN": TOKEN, **environment}) as server:
        yield server
    assert all(LINE.match(line) for line in server.lines), "".join(server.lines)
    assert not any(TOKEN in line for line in server.lines)


def url_of(server: Running) -> str:
    """Where it listens."""
    return server.wait_for(r"engine\.mcp: listening on (https?://\S+/mcp)$")[1]


def http(token: str | None = TOKEN, context: ssl.SSLContext | None = None) -> httpx2.AsyncClient:
    """A client of HTTP. ``context``: whom it trusts, for TLS."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx2.AsyncClient(headers=headers, verify=context or False, trust_env=False, timeout=30)


@asynccontextmanager
async def connected(
    url: str, *, legacy: bool, context: ssl.SSLContext | None = None, token: str | None = TOKEN
) -> AsyncIterator[Client]:
    """``legacy``: as in `tests.mcp.assistant`."""
    async with http(token, context) as carrier:
        transport = streamable_http_client(url, http_client=carrier)
        async with Client(transport, mode="legacy" if legacy else "auto") as client:
            yield client
