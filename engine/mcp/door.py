"""What a request has to pass before anything of MCP sees it, and how it is ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import anyio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.errors import ForefetchError
from engine.mcp.token import VARIABLE, Token

_log = logging.getLogger("engine.mcp")
_REALM = 'Bearer realm="forefetch"'


class Door:
    """An ASGI application around another, which is open to those who bring the token."""

    def __init__(self, app: ASGIApp, token: Token) -> None:
        self._app = app
        self._token = token
        self._shut = False
        self._requests: dict[anyio.CancelScope, str] = {}
        self._ended = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        answer = _Answer(send)
        with anyio.CancelScope() as request:
            self._requests[request] = scope["method"]
            try:
                await self._app(scope, receive, answer.send)
            finally:
                del self._requests[request]
                self._ended.set()
        if request.cancelled_caught and not answer.whole:
            await answer.close(_stopping, scope, receive)

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
        """Cancel what is left: the streams by which sessions listen, and subscriptions."""
        for request in self._requests:
            request.cancel()

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        try:
            # Of several, whoever stands before us may have looked at another one (RFC 9110 5.3)
            allowed = self._token.opens(given[0] if len(given) == 1 else b"")
        except ForefetchError as error:
            _log.error("nobody is let in: %s", error)
            return _answer(503, "token_unreadable", "this server cannot read its token; its log says why")
        if not allowed:
            _log.warning("%s turned away: no token, or a wrong one", (scope.get("client") or ("unknown",))[0])
            return _unauthorized(bool(given))
        return _stopping() if self._shut else None


class _Answer:
    """How far the answer to one request is."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False
        self.whole = False

    async def send(self, message: Message) -> None:
        self._begun = True
        self.whole = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def close(self, otherwise: Callable[[], ASGIApp], scope: Scope, receive: Receive) -> None:
        """End it; where it has not begun, with another one."""
        if self._begun:
            await self._send({"type": "http.response.body", "body": b""})
        else:
            await otherwise()(scope, receive, self._send)


def _unauthorized(tried: bool) -> JSONResponse:
    sentence = (
        f"{'the token is wrong' if tried else 'a token is missing'}: send the header 'Authorization: Bearer "
        f"TOKEN' with the token of this server, which its operator has set by {VARIABLE} or --token-file"
    )
    challenge = f'{_REALM}, error="invalid_token"' if tried else _REALM  # RFC 6750 3
    return _answer(401, "invalid_token", sentence, {"WWW-Authenticate": challenge})


def _stopping() -> JSONResponse:
    return _answer(503, "stopping", "this server is stopping; try again when it has started anew")


def _answer(status: int, error: str, sentence: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "error_description": sentence}, status, headers)
