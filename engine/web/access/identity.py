"""Who asks: by a session, by a token, or everybody on this machine."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.requests import Request

from engine.config import WebSettings
from engine.web.access.accounts import LOCAL, AccountsFile
from engine.web.access.passwords import hash_token
from engine.web.access.sessions import Sessions
from engine.web.office import Role, User


@dataclass(frozen=True, slots=True)
class Identity:
    """``csrf``: what a request that changes something has to bring; None where it came with a token, which no
    browser sends of itself."""

    user: User
    csrf: str | None


class Identities:
    """``accounts`` None: nobody has to log in."""

    def __init__(self, settings: WebSettings, accounts: AccountsFile | None, sessions: Sessions) -> None:
        self.accounts = accounts
        self.sessions = sessions
        self.cookie = "__Host-forefetch" if settings.tls is not None else "forefetch"
        self._local = Identity(User(LOCAL, Role.OPERATOR), secrets.token_urlsafe(32))

    def of(self, request: Request, *, touch: bool = True) -> Identity | None:
        """None: nobody that is known. Raises as `AccountsFile.current`."""
        if self.accounts is None:
            return self._local
        given = request.headers.getlist("authorization")
        if given:  # of several, whoever stands before us may have looked at another one (RFC 9110 5.3)
            return self._by_token(given[0]) if len(given) == 1 else None
        cookie, accounts = request.cookies.get(self.cookie, ""), self.accounts.current()
        session = self.sessions.find(cookie, accounts, touch=touch)
        if session is None:
            return None
        return Identity(User(session.name, accounts[session.name].role), session.csrf)

    def _by_token(self, authorization: str) -> Identity | None:
        assert self.accounts is not None
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        digest = hash_token(token.strip())  # to find it takes no longer where more of the token is right
        for name, account in self.accounts.current().items():
            if digest in account.tokens:
                return Identity(User(name, account.role), None)
        return None
