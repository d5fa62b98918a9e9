"""A uvicorn server that keeps out of the way, and the socket that it listens on."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from engine.address import in_url
from engine.errors import ListenError
from engine.http.connection import PromptConnection
from engine.tls import Tls, server_context

_MOST_CONNECTIONS = 500
_LEAVING = 5  # seconds, for those who do not read the last answers


def listen(host: str, port: int, cure: str) -> socket.socket:
    """A socket that listens there. ListenError, with what else to do about it, where it cannot."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {in_url(host)}:{port}: {error.strerror or error}; stop the program that uses "
            f"it, or {cure}"
        ) from error


def http_server(app: ASGIApp, tls: Tls | None) -> uvicorn.Server:
    """Not started. OSError where the files of TLS cannot be used."""
    config = uvicorn.Config(
        app,
        http=PromptConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_LEAVING,
    )
    config.load()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # who serves says where, and when it ends
    if tls is not None:
        config.ssl = server_context(tls)  # as every other TLS of ours
    return _Quiet(config)


class _Quiet(uvicorn.Server):
    """Leaves the signals alone: its own way of handling them waits for every stream to end, and then ends the
    process by the same signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
