"""What each request has to pass before a page or a call sees it."""

from __future__ import annotations

import hmac
import logging
from urllib.parse import quote

import anyio
import anyio.lowlevel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.config import WebSettings
from engine.errors import ForefetchError
from engine.events import Events, LoggedIn
from engine.http.requests import Answer
from engine.web.access.body import TooLarge, again, read_body
from engine.web.access.identity import Identities, Identity
from engine.web.access.origins import is_foreign, is_safe, names_this_machine
from engine.web.access.throttle import Throttle, source_of
from engine.web.headers import STATIC
from engine.web.office import origin_of, user_of
from engine.web.refusal import refuse, wants_page

LOGIN = "/login"

_HEALTH = "/health/"
_METRICS = "/metrics"
_A_TOKEN = "a token"  # whose, is not known
_MOST_FIELDS = 1000  # to find them in what is nothing but separators takes seconds, in which all else waits
_URLENCODED = "application/x-www-form-urlencoded"
_FORMS = (_URLENCODED, "multipart/form-data")
_log = logging.getLogger(__name__)


class Door:
    """Middleware of Starlette: sets ``request.state.user`` and ``request.state.csrf``, or answers itself.
    ``throttle`` is that of wrong tokens; ``largest``: bytes that a request may bring."""

    def __init__(
        self,
        app: ASGIApp,
        settings: WebSettings,
        events: Events,
        identities: Identities,
        throttle: Throttle,
        largest: int,
    ) -> None:
        self._app = app
        self._events = events
        self._throttle = throttle
        self._settings = settings
        self._identities = identities
        self._largest = largest
        self._complaint = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        refusal = self._misled(request)
        if refusal is None and not self._is_open(request):
            identity = self._identify(request)
            if isinstance(identity, Identity):
                scope.setdefault("state", {}).update(user=identity.user, csrf=identity.csrf or "")
                if not is_safe(request):
                    refusal, receive = await self._checked(request, identity)
            else:
                refusal = identity
        if refusal is not None:
            await refusal(scope, receive, send)
        else:
            await self._while_known(request, receive, send)

    async def _while_known(self, request: Request, receive: Receive, send: Send) -> None:
        """Streams end with the session that they belong to, or where its user may no longer do the same."""
        answer = Answer(send)
        with anyio.CancelScope() as stream:

            async def watched(message: Message) -> None:
                if message.get("more_body") and not self._is_known(request):
                    stream.cancel()
                    await anyio.lowlevel.checkpoint()  # nothing more is sent
                await answer.send(message)

            await self._app(request.scope, receive, watched)
        if stream.cancelled_caught and not answer.whole:
            await answer.close(lambda: _unknown(request), request.scope, receive)

    def _is_known(self, request: Request) -> bool:
        if self._is_open(request):
            return True
        try:
            identity = self._identities.of(request, touch=False)
        except ForefetchError:
            return False
        return identity is not None and identity.user == user_of(request)

    def _misled(self, request: Request) -> Response | None:
        if self._identities.accounts is not None or names_this_machine(request):
            return None
        return refuse(request, 421, "this page is for this machine only: ask http://127.0.0.1 or localhost")

    def _is_open(self, request: Request) -> bool:
        """Whether nobody has to be known for it."""
        # As routes see it: older versions of Starlette let a Host header make up that of request.url
        path: str = request.scope["path"]
        if path == _METRICS:
            local = self._settings.local and names_this_machine(request)  # not what a proxy passes on
            return is_safe(request) and (local or self._settings.open_metrics)
        return path == LOGIN or path.startswith((_HEALTH, STATIC))

    def _identify(self, request: Request) -> Identity | Response:
        try:
            identity = self._identities.of(request, touch=_is_activity(request))
        except ForefetchError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                _log.error("nobody is let in: %s", error)
            return refuse(request, 503, "the file of users cannot be used; the log of forefetch says why")
        if identity is None:
            self._note_token(request)
            return _unknown(request)
        return identity

    def _note_token(self, request: Request) -> None:
        """A wrong one is told of as a login that fails, but not each time: a program may go on for ever."""
        address = origin_of(request)
        source = source_of(address)
        if "authorization" in request.headers and not self._throttle.pause(source):
            self._throttle.begin(source)
            self._events.tell(LoggedIn(_A_TOKEN, address, succeeded=False))

    async def _checked(self, request: Request, identity: Identity) -> tuple[Response | None, Receive]:
        """Whether a request that changes something is meant; with what the application is to read."""
        try:
            body = await read_body(request, self._largest)
            if body.count(b"&") > _MOST_FIELDS and _is_of(request, _URLENCODED):
                return refuse(request, 400, f"that form has more than {_MOST_FIELDS} fields"), request.receive
            passed_on = again(body, request.receive)
            if identity.csrf is None:
                return None, passed_on
            given = await _csrf_of(request, body)
        except TooLarge:
            return refuse(request, 413, f"that is more than {self._largest} bytes"), request.receive
        except ClientDisconnect:
            return refuse(request, 400, "that is not all of it"), request.receive
        except HTTPException as error:  # no form, though it says so
            return refuse(request, error.status_code, error.detail), request.receive
        if is_foreign(request) or not hmac.compare_digest(given.encode(), identity.csrf.encode()):
            sentence = (
                "this did not come from a page of this session: load the page again and repeat it (programs "
                "send a token as Authorization: Bearer, see forefetch user token)"
            )
            return refuse(request, 403, sentence), passed_on
        return None, passed_on


def _is_of(request: Request, *media: str) -> bool:
    return request.headers.get("content-type", "").lower().startswith(media)


async def _csrf_of(request: Request, body: bytes) -> str:
    """Of a header or, in a form, of a field."""
    given = request.headers.get("x-csrf-token")
    if given is None and _is_of(request, *_FORMS):
        async with Request(request.scope, again(body, request.receive)).form() as form:
            given = form.get("csrf")  # type: ignore[assignment]  # a file, perhaps
    return given if isinstance(given, str) else ""


def _unknown(request: Request) -> Response:
    """To the login, or told that there is one."""
    if wants_page(request) and is_safe(request) and "hx-request" not in request.headers:
        query = request.scope["query_string"].decode("latin-1")
        onward = request.scope["path"] + (f"?{query}" if query else "")
        return RedirectResponse(f"{LOGIN}?next={quote(onward, safe='')}", 303)
    headers = {"WWW-Authenticate": 'Bearer realm="forefetch"'}
    if "hx-request" in request.headers:
        headers["HX-Redirect"] = LOGIN
    sentence = (
        "log in, or send the header 'Authorization: Bearer TOKEN' (forefetch user token NAME makes one)"
    )
    return refuse(request, 401, sentence, headers)


def _is_activity(request: Request) -> bool:
    """A stream that a page opens by itself, again and again, does not show that somebody is there."""
    return "text/event-stream" not in request.headers.get("accept", "")
