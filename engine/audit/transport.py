"""The way to a collector: syslog over UDP (RFC 5426) or TLS (RFC 5425). It blocks: for a thread.

Syslog has no acknowledgment. What can be known all the same is asked for: over UDP whether the collector's
machine says that nobody listens there, over TLS whether its TCP has taken all that was sent.
"""

from __future__ import annotations

import errno
import logging
import select
import socket
import ssl
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from engine.audit.syslog import framed
from engine.config import Collector
from engine.tls import Tls, client_context, reason

_log = logging.getLogger(__name__)
_PATIENCE = 5.0  # seconds, for connecting, the handshake and sending
_ECHO = 0.02  # seconds for an ICMP message to come back
_GLANCE = 0.002  # seconds between two looks at the queue of a socket


class Line(Protocol):
    """An open way to a collector."""

    def send(self, messages: Sequence[bytes]) -> None:
        """Send them all, in order. OSError: some of them may have arrived, and the line is of no more use."""

    def close(self) -> None: ...


def open_line(collector: Collector) -> Line:
    """OSError where there is no way; its text is for a person."""
    if collector.tls is None:
        return UdpLine(collector.host, collector.port)
    return TlsLine(collector.host, collector.port, collector.tls)


class UdpLine:
    """One message a datagram."""

    def __init__(self, host: str, port: int) -> None:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._socket = socket.socket(family, kind, protocol)
        try:
            self._socket.settimeout(_PATIENCE)
            self._socket.connect(address)
        except BaseException:
            self._socket.close()
            raise

    def send(self, messages: Sequence[bytes]) -> None:
        for message in messages:
            try:
                self._socket.send(message)
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                _log.error(
                    "audit: a message of %d bytes is too long for UDP and is not sent; use transport: tls",
                    len(message),
                )
        if select.select([self._socket], [], [], _ECHO)[0]:
            self._socket.recv(1)  # raises what ICMP has told

    def close(self) -> None:
        self._socket.close()


class TlsLine:
    """Octet counting over one connection."""

    def __init__(self, host: str, port: int, tls: Tls) -> None:
        plain = socket.create_connection((host, port), timeout=_PATIENCE)
        try:
            context = client_context(tls, host)
            self._socket = context.wrap_socket(plain, server_hostname=tls.name_of(host))
        except OSError as error:
            plain.close()
            raise OSError(reason(error)) from error

    def send(self, messages: Sequence[bytes]) -> None:
        self._look()
        self._socket.sendall(b"".join(map(framed, messages)))
        self._settle()
        self._look()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.settimeout(_GLANCE)
            self._socket.unwrap()  # RFC 5425 4.4: close_notify
        self._socket.close()

    def _look(self) -> None:
        """OSError where the collector has closed its side. What it says else, such as a session ticket, is of
        no interest."""
        self._socket.settimeout(0)
        try:
            while self._socket.recv(4096):
                pass
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        finally:
            self._socket.settimeout(_PATIENCE)
        raise ConnectionResetError("the collector has closed the connection")

    def _settle(self) -> None:
        """Wait until the other side's TCP has taken everything, where the system can tell."""
        deadline = time.monotonic() + _PATIENCE
        while _unacknowledged(self._socket):
            if time.monotonic() > deadline:
                raise TimeoutError("the collector takes nothing any more")
            time.sleep(_GLANCE)


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that wait in the socket's queue or for the peer's TCP; 0 where the system cannot tell."""
    try:
        import fcntl
        import termios

        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4), "little")
    except (ImportError, OSError):
        return 0
