"""A TCP relay before a peer: counts its connections, keeps what its clients say, and makes it slow."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_CHUNK = 2**14
_PATIENCE = 20.0  # seconds

# The command field (0000,0100) of a C-CANCEL-RQ, as Implicit VR Little Endian has it (PS3.7 E.1)
C_CANCEL_RQ = bytes.fromhex("00000001 02000000 ff0f")


class Relay:
    """Passes on what comes, in both directions. ``pause``: seconds before each chunk from a client; none is
    passed on while ``flowing`` is not set."""

    def __init__(self, target: int) -> None:
        self.pause = 0.0
        self.flowing = threading.Event()
        self.flowing.set()
        self.peak = 0
        """The most connections at a time since ``reset``."""
        self._target = target
        self._open = 0
        self._said = bytearray()
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._spawn(self._accept)

    def reset(self) -> None:
        """Forget what was, except the connections that are open."""
        with self._lock:
            self.pause = 0.0
            self.flowing.set()
            self.peak = self._open
            self._said.clear()

    def said(self, what: bytes) -> int:
        """How often clients have sent these bytes since ``reset``."""
        with self._lock:
            return self._said.count(what)

    def in_order(self, *words: str) -> list[str]:
        """Those of these words that clients have sent, in the order in which they first did."""
        with self._lock:
            found = {word: self._said.find(word.encode()) for word in words}
        return sorted((word for word, place in found.items() if place >= 0), key=found.__getitem__)

    def close(self) -> None:
        self.pause = 0.0
        self.flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for each in [self._listener, *self._sockets]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(_PATIENCE)
        for each in [self._listener, *self._sockets]:
            each.close()

    def _spawn(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                self._spawn(self._converse, client)

    def _converse(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.shutdown(socket.SHUT_RDWR)
            return
        self._sockets.append(server)
        for each in (client, server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open += 1
            self.peak = max(self.peak, self._open)
        back = threading.Thread(target=self._pass_on, args=(server, client), daemon=True)
        back.start()
        self._pass_on(client, server, listen=True)
        back.join()
        with self._lock:
            self._open -= 1

    def _pass_on(self, source: socket.socket, sink: socket.socket, *, listen: bool = False) -> None:
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if listen:
                    with self._lock:
                        self._said += chunk
                    time.sleep(self.pause)
                    self.flowing.wait(_PATIENCE)
                sink.sendall(chunk)
        for each in (source, sink):  # either side has ended it
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def relay(target: int) -> Iterator[Relay]:
    """A relay to a port on this machine."""
    made = Relay(target)
    try:
        yield made
    finally:
        made.close()
