"""Where a request comes from, as the browser says that sends it."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from engine.address import is_loopback

_SAFE = frozenset({"GET", "HEAD"})


def is_safe(request: Request) -> bool:
    """Whether it asks only (RFC 9110 9.2.1)."""
    return request.method in _SAFE


def names_this_machine(request: Request) -> bool:
    """Whether its one Host header is a name of this machine that nobody else can make lead here. A page whose
    own name has been made to (DNS rebinding) has another."""
    hosts = request.headers.getlist("host")
    return len(hosts) == 1 and is_loopback(_host(f"//{hosts[0]}"))


def is_foreign(request: Request, *, certain: bool = False) -> bool:
    """Whether a page of somebody else has sent it. ``certain``: also where the browser does not say.

    Sec-Fetch-Site comes first: under Referrer-Policy no-referrer the Origin of a form is null (Fetch,
    3.2)."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site != "same-origin"
    if origin is None:
        return certain
    return _netloc(origin) != request.headers.get("host", "").lower()


def local_path(path: str) -> str:
    """A path of ours to go on to, as it is; where it would lead elsewhere, the first page."""
    if not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return "/"
    return path


def _netloc(url: str) -> str | None:
    """None: no URL, which is nobody's."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
