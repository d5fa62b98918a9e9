"""What a connection has to answer: in the order of the messages, as fast as the kernel takes it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Iterator
from typing import Protocol

from engine.answer import Answer
from engine.hl7.mllp import frame
from engine.logs import about, place_of

_MOST_LATER = 1024
"""Application acknowledgments that one connection may wait for."""

Awaited = asyncio.Future[Answer]
_log = logging.getLogger(__name__)


class Window:
    """The messages that are not answered yet: at most ``most``, of ``max_bytes`` together or one alone. One
    is in it until the kernel has taken its answer: a sender that takes none is not read any further."""

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
        """What was ready has been taken."""
        self.pending -= self._leaving
        self.taken += self._leaving
        self._leaving = 0

    def cancel(self) -> None:
        """Wait for no answer any more."""
        for answer, _ in list(self._awaited):
            answer.cancel()


class Sender(Protocol):
    """The connection that the answers go to."""

    peer: str

    def send(self, framed: bytes) -> None:
        """Give bytes to the kernel; ``taking`` tells whether it has taken them all."""

    def lose(self, why: str) -> None:
        """Neither read nor write any more."""

    def go_on(self) -> None:
        """Something has been answered."""


class Outgoing:
    """The answers of one connection. ``taking``: the kernel takes what is written; ``dropped``: nobody does,
    what is still carried out has its answer thrown away."""

    def __init__(self, to: Sender, window: Window) -> None:
        self._to = to
        self._unsent: list[bytes] = []
        self._later: set[asyncio.Task[None]] = set()
        self.window = window
        self.taking = True
        self.dropped = False

    @property
    def awaits_later(self) -> bool:
        """Whether application acknowledgments are still to come."""
        return bool(self._later)

    def put(self, answer: Awaited, size: int) -> None:
        """The answer to a message of ``size`` bytes, behind those before it."""
        self.window.put(answer, size)
        answer.add_done_callback(self.write)

    def write(self, _: Awaited | None = None) -> None:
        """Write every answer whose turn it is."""
        if not self.taking:
            return
        blocks: list[bytes] = []
        for answer in self.window.ready():
            given = self._given(answer)
            if given is None:
                self._send(blocks)
                blocks = []
                # The sender would take the next answer for this one
                self._to.lose("a message has no answer")
            elif not self.dropped:
                blocks += given.now
                self._await(given.later)
        self._send(blocks)
        if self.taking:
            self.window.leave()
            self._to.go_on()

    def resume(self) -> None:
        """The kernel has taken everything, and takes more."""
        self.taking = True
        unsent, self._unsent = self._unsent, []
        self._send(unsent)
        self.write()

    def drop(self) -> None:
        """Nobody takes any answer."""
        self.taking = self.dropped = True
        self.cancel_later()
        self.write()

    def cancel_later(self) -> None:
        """Wait for no application acknowledgment any more: it is kept for the message sent again."""
        for task in self._later:
            task.cancel()

    def _given(self, answer: Awaited) -> Answer | None:
        fault = None if answer.cancelled() else answer.exception()
        if fault is not None:
            self._log_fault(fault)
        return None if answer.cancelled() or fault is not None else answer.result()

    def _send(self, acknowledgments: list[bytes]) -> None:
        if not acknowledgments or self.dropped:
            return
        if self.taking:
            self._to.send(b"".join(map(frame, acknowledgments)))
        else:
            self._unsent += acknowledgments

    def _await(self, later: tuple[Awaitable[bytes | None], ...]) -> None:
        for awaited in later:
            if len(self._later) >= _MOST_LATER:
                peer, sentence = self._to.peer, "%s: %d answers are pending; one will stay away"
                _log.warning(sentence, peer, _MOST_LATER, extra=about("left out", peer=peer))
                continue  # it is kept: the sender gets it by sending the message again
            task = asyncio.get_running_loop().create_task(self._deliver(awaited))
            self._later.add(task)
            task.add_done_callback(self._delivered)

    async def _deliver(self, awaited: Awaitable[bytes | None]) -> None:
        try:
            acknowledgment = await awaited
        except Exception as exc:  # noqa: BLE001  this answer stays away; the connection is not to blame
            self._log_fault(exc)
            return
        if acknowledgment is not None:
            self._send([acknowledgment])

    def _delivered(self, task: asyncio.Task[None]) -> None:
        self._later.discard(task)
        self._to.go_on()

    def _log_fault(self, exc: BaseException) -> None:
        """Without its text, which may quote the message."""
        peer = self._to.peer
        sentence = "%s: %s instead of an answer: %s"
        _log.error(sentence, peer, type(exc).__name__, place_of(exc), extra=about("failed", peer=peer))
