"""What a request has to pass before anything of MCP sees it."""

from __future__ import annotations

import logging

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from engine.errors import ForefetchError
from engine.http import Requests
from engine.mcp.token import VARIABLE, Token

_log = logging.getLogger("engine.mcp")
_REALM = 'Bearer realm="forefetch"'


class Door:
    """An ASGI application around another, which is open to those who bring the token."""

    def __init__(self, app: ASGIApp, token: Token) -> None:
        self.requests = Requests(app, _stopping)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (self._refusal(scope) or self.requests)(scope, receive, send)

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
        return None


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
