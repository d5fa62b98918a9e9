"""The page on which one logs in, and the way out."""

from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
from jinja2 import Environment, FileSystemLoader
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from engine.config import WebSettings
from engine.errors import ForefetchError
from engine.events import Events, LoggedIn
from engine.web.access.accounts import Account, AccountsFile
from engine.web.access.body import TooLarge, read_body
from engine.web.access.door import LOGIN
from engine.web.access.identity import Identities
from engine.web.access.origins import is_foreign, local_path
from engine.web.access.passwords import matches
from engine.web.access.throttle import Throttle, source_of
from engine.web.office import origin_of

_LARGEST = 16 * 1024  # bytes
_LONGEST_NAME = 64
_AT_A_TIME = 2  # passwords: each takes a processor and 32 MB
_MOST_FAMILIAR = 1000
_WRONG = "The name or the password is wrong."


class Throttles:
    """By address and by name: who tries others' names has to wait longer than the one whose name is tried. He
    does not wait at all for what others do where he has logged in before, at the same address."""

    def __init__(self, addresses: Throttle, names: Throttle) -> None:
        self._addresses = addresses
        self._names = names
        self._familiar: dict[tuple[str, str], None] = {}

    def pause(self, name: str, address: str) -> float:
        """Seconds for which this must not be tried."""
        source = source_of(address)
        pause = self._addresses.pause(source)
        return pause if (name, source) in self._familiar else max(pause, self._names.pause(name))

    def begin(self, name: str, address: str) -> None:
        """It is tried, and taken to fail."""
        self._addresses.begin(source_of(address))
        self._names.begin(name)

    def succeed(self, name: str, address: str) -> None:
        """It was he."""
        source = source_of(address)
        self._addresses.take_back(source)
        self._names.forget(name)
        self._familiar[name, source] = None
        if len(self._familiar) > _MOST_FAMILIAR:
            del self._familiar[next(iter(self._familiar))]


class Login:
    """Where there are users."""

    def __init__(
        self,
        settings: WebSettings,
        events: Events,
        accounts: AccountsFile,
        identities: Identities,
        throttles: Throttles,
    ) -> None:
        self._encrypted = settings.tls is not None
        self._longest = int(settings.session_timeout)
        self._events = events
        self._accounts = accounts
        self._identities = identities
        self._throttles = throttles
        self._limit = anyio.CapacityLimiter(_AT_A_TIME)
        folder = Path(__file__).parent.parent / "templates"
        self._template = Environment(loader=FileSystemLoader(folder), autoescape=True).get_template(
            "login.html"
        )

    def routes(self) -> list[Route]:
        """GET and POST of /login, POST of /logout."""
        return [
            Route(LOGIN, self._show, methods=["GET"]),
            Route(LOGIN, self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    async def _show(self, request: Request) -> Response:
        return self._page(request.query_params.get("next", "/"))

    async def _log_in(self, request: Request) -> Response:
        fields = await _fields(request)
        if fields is None or is_foreign(request, certain=True):
            return self._page("/", "That did not come from this page. Try again.", status=403)
        name, password, onward = fields
        address = origin_of(request)
        pause = self._throttles.pause(name, address)
        if pause > 0:
            seconds = math.ceil(pause)
            text = f"Too many attempts. Try again in {seconds} seconds."
            return self._page(onward, text, name, 429, {"Retry-After": str(seconds)})
        try:
            account = await self._try(name, password, address)
        except ForefetchError:  # the door has logged it, or will
            return self._page(onward, "The file of users cannot be used; the log says why.", name, 503)
        self._events.tell(LoggedIn(name, address, account is not None))
        if account is None:
            return self._page(onward, _WRONG, name, 401)
        return self._begin(request, name, account, onward)

    async def _try(self, name: str, password: str, address: str) -> Account | None:
        """The user whose password it is. Takes as long for a name that nobody has."""
        self._throttles.begin(name, address)
        accounts = self._accounts.current()
        account = accounts.get(name)
        decoy = next((it.password for it in accounts.values() if it.password), "")
        kept = account.password if account is not None and account.password else decoy
        right = await anyio.to_thread.run_sync(matches, password, kept, limiter=self._limit)
        if not right or account is None or account.password != kept:
            return None
        self._throttles.succeed(name, address)
        return account

    def _begin(self, request: Request, name: str, account: Account, onward: str) -> Response:
        """Always a new session: one that somebody else has put there must not become his."""
        self._identities.sessions.end(request.cookies.get(self._identities.cookie, ""))
        answer = RedirectResponse(local_path(onward), 303)
        cookie = self._identities.sessions.begin(name, account)
        self._set_cookie(answer, cookie, self._longest)
        return answer

    async def _log_out(self, request: Request) -> Response:
        self._identities.sessions.end(request.cookies.get(self._identities.cookie, ""))
        answer = RedirectResponse(LOGIN, 303)
        self._set_cookie(answer, "", 0)
        return answer

    def _set_cookie(self, answer: Response, value: str, seconds: int) -> None:
        """Lax: whoever follows a link in a mail is still logged in."""
        answer.set_cookie(
            self._identities.cookie,
            value,
            max_age=seconds,
            path="/",
            secure=self._encrypted,
            httponly=True,
            samesite="lax",
        )

    def _page(
        self,
        onward: str,
        text: str = "",
        name: str = "",
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> HTMLResponse:
        page = self._template.render(onward=local_path(onward), text=text, name=name)
        return HTMLResponse(page, status, headers)


async def _fields(request: Request) -> tuple[str, str, str] | None:
    """Name, password, and the path to go on to; None where it is no such form."""
    try:
        text = (await read_body(request, _LARGEST)).decode()
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=10)
    except (TooLarge, ClientDisconnect, ValueError):
        return None
    name, password, onward = (fields.get(it, [""])[-1] for it in ("name", "password", "next"))
    return name[:_LONGEST_NAME], password, onward
