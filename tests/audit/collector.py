"""Audit repositories on 127.0.0.1: real sockets that keep what they are sent."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from engine.config import Collector

PATIENCE = 30  # seconds until a test is given up


class Inbox:
    """What has come, in order."""

    def __init__(self) -> None:
        self._messages: list[bytes] = []
        self._news = threading.Condition()

    def put(self, message: bytes) -> None:
        with self._news:
            self._messages.append(message)
            self._news.notify_all()

    def wait_for(self, count: int) -> list[bytes]:
        """The first so many."""
        with self._news:
            self._news.wait_for(lambda: len(self._messages) >= count, PATIENCE)
            assert len(self._messages) >= count, f"{len(self._messages)} messages came"
            return self._messages[:count]

    def wait_until(self, word: bytes) -> list[bytes]:
        """All up to one that has this word in it."""
        with self._news:
            self._news.wait_for(lambda: any(word in message for message in self._messages), PATIENCE)
            assert any(word in message for message in self._messages), f"{len(self._messages)} messages came"
            return list(self._messages)


@contextmanager
def udp_collector(port: int = 0) -> Iterator[tuple[Collector, Inbox]]:
    inbox = Inbox()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", port))
        port = listening.getsockname()[1]

        def receive() -> None:
            while message := listening.recv(65535):
                inbox.put(message)

        thread = threading.Thread(target=receive)
        thread.start()
        try:
            yield Collector("127.0.0.1", port, None), inbox
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", port))
            thread.join(PATIENCE)


class TlsCollector:
    """RFC 5425: as many connections as come, one after the other."""

    def __init__(self, context: ssl.SSLContext, port: int = 0) -> None:
        self.inbox = Inbox()
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listening.getsockname()[1]
        self._connection: ssl.SSLSocket | None = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Go away, and cut what is open."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        if self._connection is not None:
            with suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        with suppress(OSError):  # it is over
            while True:
                plain, _ = self._listening.accept()
                with suppress(OSError), self._context.wrap_socket(plain, server_side=True) as connection:
                    self._connection = connection
                    self._receive(connection)

    def _receive(self, connection: ssl.SSLSocket) -> None:
        with connection.makefile("rb") as stream:
            while length := _length(stream.read(1), lambda: stream.read(1)):
                self.inbox.put(stream.read(length))


def _length(first: bytes, more: Callable[[], bytes]) -> int:
    """The octet count before a message; 0 at the end."""
    digits = b""
    while first not in (b" ", b""):
        digits, first = digits + first, more()
    return int(digits or b"0")


@contextmanager
def tls_collector(context: ssl.SSLContext, port: int = 0) -> Iterator[TlsCollector]:
    collector = TlsCollector(context, port)
    try:
        yield collector
    finally:
        collector.close()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Of the system's choice; nobody listens there now."""
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
