"""Senders as hospitals have them: a message is sent again, byte for byte, until it is acknowledged."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from engine.sender import Connection, SendError, connect
from tests.cluster.balancer import Address
from tests.cluster.orders import Conversation, Order
from tests.hospital import field as first

POSITIVE = frozenset({"AA", "AE", "CA"})
_PAUSE = 0.3  # s, before a message is sent again


@dataclass(slots=True)
class Book:
    """What was sent and answered. ``answers`` and ``letters`` are all those that came, by control ID;
    ``acknowledged`` when the first positive one did, in seconds since the epoch. ``again``: why messages were
    sent again."""

    orders: dict[str, Order] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    again: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    answers: dict[str, list[bytes]] = field(default_factory=dict)
    letters: dict[str, list[bytes]] = field(default_factory=dict)
    acknowledged: dict[str, float] = field(default_factory=dict)

    def hear_letter(self, letter: bytes) -> None:
        self.letters.setdefault(first(letter, "MSA-2"), []).append(letter)

    def hear(self, order: Order, answer: bytes) -> bool:
        """Whether it says that the message is kept."""
        code = first(answer, "MSA-1")
        self.codes[code] += 1
        if first(answer, "MSA-2") != order.control_id or code not in POSITIVE:
            return False
        self.answers.setdefault(order.control_id, []).append(answer)
        self.acknowledged.setdefault(order.control_id, time.time())
        return True


class Senders:
    """Each conversation on a connection of its own, as long as that holds. ``patience``: seconds until an
    answer is there."""

    def __init__(self, book: Book, address: Callable[[], Address], patience: float) -> None:
        self._book = book
        self._address = address
        self._patience = patience
        self._rng = random.Random()

    async def converse(self, talk: Conversation) -> None:
        """Until every message of it is acknowledged."""
        connection: Connection | None = None
        for order in talk:
            self._book.orders[order.control_id] = order
        try:
            for order in talk:
                await asyncio.sleep(order.pause)
                connection = await self._until_kept(order, connection)
        finally:
            if connection is not None:
                await connection.close()

    async def _until_kept(self, order: Order, connection: Connection | None) -> Connection:
        while True:
            try:
                if connection is None:
                    connection = await connect(*self._address(), 5)
                self._book.sent[order.control_id] += 1
                async with asyncio.timeout(self._patience):
                    await connection.write([order.payload])
                    kept = self._book.hear(order, await connection.acknowledgment())
                if kept:
                    return connection
                why = "refused"
            except TimeoutError:
                why = "no answer"
            except (SendError, OSError, EOFError):
                why = "connection ended"
            self._book.again[why] += 1
            if connection is not None and why != "refused":
                await connection.close()
                connection = None
            await asyncio.sleep(self._rng.uniform(_PAUSE / 2, 2 * _PAUSE))
