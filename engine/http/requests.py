"""The requests that are being answered, and how they are ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Requests:
    """An ASGI application around another. ``otherwise`` answers a request that is ended before its answer has
    begun."""

    def __init__(self, app: ASGIApp, otherwise: Callable[[], ASGIApp]) -> None:
        self._app = app
        self._otherwise = otherwise
        self._shut = False
        self._requests: dict[anyio.CancelScope, str] = {}
        self._ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._shut:
            await self._otherwise()(scope, receive, send)
            return
        answer = Answer(send)
        with anyio.CancelScope() as request:
            self._requests[request] = scope["method"]
            try:
                await self._app(scope, receive, answer.send)
            finally:
                del self._requests[request]
                self._ended.set()
        if request.cancelled_caught and not answer.whole:
            await answer.close(self._otherwise, scope, receive)

    def shut(self) -> None:
        """Let nobody in any more."""
        self._shut = True

    async def answered(self, patience: float) -> None:
        """Wait for what has been posted, ``patience`` seconds at most: something may be subscribed to."""
        with anyio.move_on_after(patience):
            while "POST" in self._requests.values():
                self._ended.clear()
                await self._ended.wait()

    def clear(self) -> None:
        """Cancel what is left: streams, above all."""
        for request in self._requests:
            request.cancel()


class Answer:
    """How far the answer to one request is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False
        self.whole = False

    async def send(self, message: Message) -> None:
        """Pass it on."""
        self._begun = True
        self.whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def close(self, otherwise: Callable[[], ASGIApp], scope: Scope, receive: Receive) -> None:
        """End it; where it has not begun, with another one."""
        if self._begun:
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await otherwise()(scope, receive, self._send)
