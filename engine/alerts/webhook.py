"""A notice as JSON by HTTP POST (RFC 9110). Redirects are not followed, nor are proxies used."""

from __future__ import annotations

import http.client
import json
import ssl
from http import HTTPStatus

from engine import __version__
from engine.alerts.alert import Notice
from engine.alerts.fault import NotDelivered, fault_of
from engine.alerts.wording import payload
from engine.config.alerts import Webhook
from engine.secret import SecretMissing
from engine.tls import client_context

_MOST = 65_536  # bytes of an answer that are read; nothing is made of them
_URL = "alerts.webhook.url"
_CURES: dict[int, str] = {
    HTTPStatus.UNAUTHORIZED: "check alerts.webhook.secret and header",
    HTTPStatus.FORBIDDEN: "check alerts.webhook.secret and header, and what it allows",
    HTTPStatus.NOT_FOUND: f"check the path of {_URL}",
    HTTPStatus.METHOD_NOT_ALLOWED: f"it takes no POST there; check the path of {_URL}",
    HTTPStatus.GONE: f"check the path of {_URL}",
    HTTPStatus.TOO_MANY_REQUESTS: "raise alerts.pause and alerts.repeat",
}


class _Encrypted(http.client.HTTPConnection):
    """HTTPS whose certificate may be for another name than the host (tls.hostname)."""

    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int, timeout: float, context: ssl.SSLContext, name: str) -> None:
        super().__init__(host, port, timeout=timeout)
        self._tls, self._name = context, name

    def connect(self) -> None:
        super().connect()
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def post(way: Webhook, notice: Notice, source: str) -> None:
    """Hand a notice over: any 2xx says that it was. Blocks; raises NotDelivered."""
    body = json.dumps(payload(notice, source)).encode()
    try:
        status = _status(way, _headers(way), body)
    except SecretMissing as exc:
        raise NotDelivered(str(exc)) from exc
    except OSError as exc:
        raise NotDelivered(fault_of(exc, way.timeout, _URL)) from exc
    except http.client.HTTPException as exc:
        text = f"it does not answer as HTTP does ({type(exc).__name__}); check the port of {_URL}"
        raise NotDelivered(text) from exc
    if not 200 <= status < 300:
        raise NotDelivered(f"it answers {_named(status)}; {_cure(status)}")


def _status(way: Webhook, headers: dict[str, str], body: bytes) -> int:
    connection = _connection(way)
    try:
        connection.request("POST", way.target, body, headers)
        response = connection.getresponse()
        response.read(_MOST)
        return response.status
    finally:
        connection.close()


def _connection(way: Webhook) -> http.client.HTTPConnection:
    if way.tls is None:
        return http.client.HTTPConnection(way.host, way.port, timeout=way.timeout)
    context = client_context(way.tls, way.host)
    return _Encrypted(way.host, way.port, way.timeout, context, way.tls.name_of(way.host))


def _headers(way: Webhook) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": f"forefetch/{__version__}"}
    if way.secret is not None:
        secret = way.secret.read().strip()
        if not secret.isascii() or any(byte < 0x20 for byte in secret):
            raise NotDelivered("alerts.webhook.secret is not one line of ASCII; write another one into it")
        bearer = way.header.lower() == "authorization"
        headers[way.header] = ("Bearer " if bearer else "") + secret.decode("ascii")
    return headers


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _cure(status: int) -> str:
    if 300 <= status < 400:
        return f"enter the address it has moved to as {_URL}"
    return (
        _CURES.get(HTTPStatus(status), "look in its log") if status in set(HTTPStatus) else "look in its log"
    )
