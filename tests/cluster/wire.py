"""The way from an engine to PostgreSQL, on which things get lost."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto

from tests.peers.relay import Relay

_CHUNK = 2**16
_PATIENCE = 20.0  # s
_COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
"""A simple query of the frontend/backend protocol."""
_READS = b"default_transaction_read_only"
"""What an engine says first on a connection on which it only reads."""


class Lost(Enum):
    """What of a commit gets lost; the connection ends with it."""

    COMMIT = auto()  # it does not get there
    ANSWER = auto()  # it is carried out, and nobody hears of it


class Wire(Relay):
    """Loses what it is told to. ``lost``: how many commits so far."""

    def __init__(self, target: int) -> None:
        self.lost = 0
        self._plan: Iterator[Lost | None] = iter(())
        self._marker = b""
        self._deaf: set[socket.socket] = set()  # clients that hear no answer any more
        super().__init__(target)

    def lose(self, plan: Iterator[Lost | None], marker: bytes = b"") -> None:
        """With the next commits of who writes, one after the other, where these bytes were sent before."""
        with self._lock:
            self._plan, self._marker = plan, marker

    def _pass_on(self, source: socket.socket, sink: socket.socket, *, listen: bool = False) -> None:
        said = bytearray()  # in the transaction at hand
        reads = False
        with suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if listen:
                    said += chunk
                    reads |= _READS in chunk
                    self.flowing.wait(_PATIENCE)
                    if chunk.endswith(_COMMIT) and not reads:
                        if self._loses(bytes(said), source) is Lost.COMMIT:
                            break
                        said.clear()
                elif sink in self._deaf:
                    break
                sink.sendall(chunk)
        self._deaf.discard(sink)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _loses(self, said: bytes, client: socket.socket) -> Lost | None:
        with self._lock:
            lost = next(self._plan, None) if self._marker in said else None
            if lost is not None:
                self.lost += 1
            if lost is Lost.ANSWER:
                self._deaf.add(client)
        return lost


@contextmanager
def wire(target: int) -> Iterator[Wire]:
    """To the PostgreSQL at this port."""
    made = Wire(target)
    try:
        yield made
    finally:
        made.close()
