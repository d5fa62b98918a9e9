"""The answers that a connection still owes, in the order of their messages and within its limits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator

from engine.answer import Answer

Awaited = asyncio.Future[Answer]


class Window:
    """At most ``most`` messages, of ``max_bytes`` together or one alone. A message is in it from its beginning
    until the kernel has taken its answer, so that a sender that takes no answers is not read any further."""

    def __init__(self, most: int, max_bytes: int) -> None:
        self._most = most
        self._max_bytes = max_bytes
        self._awaited: deque[tuple[Awaited, int]] = deque()
        self._leaving = 0
        self._bytes = 0
        self.pending = 0
        self.taken = 0

    def has_room(self, size: int) -> bool:
        """For a message of so many bytes."""
        return self.pending < self._most and (not self.pending or self._bytes + size <= self._max_bytes)

    def put(self, answer: Awaited, size: int) -> None:
        self._awaited.append((answer, size))
        self._bytes += size
        self.pending += 1

    def ready(self) -> Iterator[Awaited]:
        """The answers whose turn it is, those before them being given. They stay until ``leave``."""
        while self._awaited and self._awaited[0][0].done():
            answer, size = self._awaited.popleft()
            self._bytes -= size
            self._leaving += 1
            yield answer

    def leave(self) -> None:
        """What was ready is written."""
        self.pending -= self._leaving
        self.taken += self._leaving
        self._leaving = 0

    def cancel(self) -> None:
        """Wait for no answer any more."""
        for answer, _ in list(self._awaited):
            answer.cancel()
