"""A web server and a mail server that take notices, on ports that the system chooses."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port. When it is left, every conversation has ended, as those who called have hung up."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*tasks)
        await server.wait_closed()


@dataclass
class WebServer:
    """Answers with ``statuses`` in turn, then with 204. ``port`` once it listens."""

    statuses: list[int] = field(default_factory=list)
    port: int = 0
    requests: list[tuple[str, dict[str, str], dict[str, Any]]] = field(default_factory=list)
    taken: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext | None = None) -> AsyncIterator[WebServer]:
        async with listening(self._talk, context) as self.port:
            yield self

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        line, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (it.split(": ", 1) for it in lines)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        status = self.statuses.pop(0) if self.statuses else 204
        writer.write(f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\nLocation: /there\r\n\r\n".encode())
        await writer.drain()
        self.requests.append((line, headers, body))
        if 200 <= status < 300:
            self.taken.put_nowait(body)


@dataclass
class MailServer:
    """Speaks as much SMTP as is needed. ``refuse``: an answer to the command that begins so."""

    starttls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    refuse: dict[str, str] = field(default_factory=dict)
    port: int = 0
    commands: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    taken: asyncio.Queue[EmailMessage] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext | None = None) -> AsyncIterator[MailServer]:
        async with listening(self._talk, context) as self.port:
            yield self

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.test ESMTP\r\n")
        while line := (await reader.readline()).decode("ascii").strip():
            self.commands.append(line)
            word = line.split()[0].upper()
            refusal = next((text for start, text in self.refuse.items() if line.startswith(start)), None)
            if word == "STARTTLS" and self.starttls is not None:
                writer.write(b"220 go on\r\n")
                await writer.start_tls(self.starttls)
                continue
            if word == "DATA":
                writer.write(b"354 go on\r\n")
                self._take(await reader.readuntil(b"\r\n.\r\n"), writer)
            writer.write((refusal or self._answer(word, line, writer)).encode() + b"\r\n")
            if word == "QUIT":
                return

    def _answer(self, word: str, line: str, writer: asyncio.StreamWriter) -> str:
        if word == "EHLO":
            plain = writer.get_extra_info("ssl_object") is None
            offers = [
                *(["STARTTLS"] if self.starttls and plain else []),
                *(["AUTH PLAIN"] if self.login else []),
            ]
            return "\r\n".join(["250-mail.test", *(f"250-{offer}" for offer in offers), "250 8BITMIME"])
        if word == "AUTH":
            given = tuple(base64.b64decode(line.split()[2]).decode().split("\0")[1:])
            return "235 come in" if given == self.login else "535 no"
        return "221 bye" if word == "QUIT" else "250 good"

    def _take(self, text: bytes, writer: asyncio.StreamWriter) -> None:
        self.encrypted.append(writer.get_extra_info("ssl_object") is not None)
        self.taken.put_nowait(message_from_bytes(text[:-5], policy=policy.default))
