"""Who has logged in, in memory: with the process all sessions end."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from engine.web.access.accounts import Account

_MOST = 1000


@dataclass(slots=True)
class Session:
    """``password``: the hash that the user had as it began; ``csrf``: what forms and scripts of its pages
    send back. Times are in seconds of the clock."""

    name: str
    password: str
    csrf: str
    began: float
    seen: float


class Sessions:
    """By the hash of their random names, which are in cookies. ``idle`` and ``longest`` are in seconds."""

    def __init__(self, idle: float, longest: float, clock: Callable[[], float]) -> None:
        self._idle = idle
        self._longest = longest
        self._clock = clock
        self._sessions: dict[str, Session] = {}

    def begin(self, name: str, account: Account) -> str:
        """A new one for him; its name. Of too many, that which has been idle for longest ends."""
        if len(self._sessions) >= _MOST:
            del self._sessions[min(self._sessions, key=lambda key: self._sessions[key].seen)]
        cookie, now = secrets.token_urlsafe(32), self._clock()
        session = Session(name, account.password, secrets.token_urlsafe(32), began=now, seen=now)
        self._sessions[_key(cookie)] = session
        return cookie

    def find(self, cookie: str, accounts: Mapping[str, Account], *, touch: bool = True) -> Session | None:
        """That of a cookie, unless it is over: its time, its user, or his password. ``touch``: he does
        something."""
        session = self._sessions.get(_key(cookie))
        if session is None:
            return None
        now, account = self._clock(), accounts.get(session.name)
        over = now - session.seen > self._idle or now - session.began > self._longest
        if over or account is None or account.password != session.password:
            self.end(cookie)
            return None
        if touch:
            session.seen = now
        return session

    def end(self, cookie: str) -> None:
        """Where it is not over already."""
        self._sessions.pop(_key(cookie), None)


def _key(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
