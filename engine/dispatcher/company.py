"""The other engines on a shared journal: what is heard of them, and done about it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Protocol

from engine.dispatcher.lane import STORE_RETRY
from engine.errors import StoreError
from engine.logs import about
from engine.retrieve.task import Expected
from engine.store import EVERYTHING, Heard, News, Situation, Store

_log = logging.getLogger(__name__)
_NET = 10.0  # seconds between looks at everything: what nobody tells must not stay for ever
_GATHER = 0.05  # seconds for which news are gathered: each would have every lane look


class Host(Protocol):
    """The dispatcher, as far as others have to do with it."""

    def see(self, situation: Situation) -> None:
        """What goes on at archives and destinations."""

    def tell(self, messages: Iterable[int] | None) -> None:
        """Something has changed for these messages, or for any."""

    def wake_all(self) -> None:
        """Tasks may wait anywhere."""

    def expect_all(self, tasks: Iterable[Expected]) -> None:
        """These are new."""

    async def stop_unwanted(self) -> None:
        """Stop on the wire what nobody wants any more. StoreError: it is not known what."""

    async def turn_away_unlisted(self) -> None:
        """Tasks of archives that nobody here serves. StoreError: the journal is out of order."""

    async def give_back_strays(self) -> None:
        """What is under way in our name alone. StoreError: the journal is out of order."""

    def cast_out(self) -> None:
        """What is under way here goes on elsewhere."""


class Company:
    """Begins with `start`, on a shared journal alone. ``heirs`` are called when an engine has gone that may
    have left something to them."""

    def __init__(self, store: Store, host: Host) -> None:
        self._store = store
        self._host = host
        self._news = News()
        self._lost: set[int] = set()
        self._stirred = asyncio.Event()
        self._attending: asyncio.Task[None] | None = None
        self.heirs: list[Callable[[], Awaitable[None]]] = []

    def start(self) -> None:
        if self._store.shared:
            self._store.listen(self._hear)
            self._attending = asyncio.create_task(self._attend())

    async def stop(self) -> None:
        if self._attending is not None:
            self._attending.cancel()
            await asyncio.gather(self._attending, return_exceptions=True)

    def _hear(self, heard: Heard) -> None:
        self._news.add(heard.news)
        self._lost.update(heard.lost)
        if heard.cast_out:
            self._host.cast_out()
        self._stirred.set()

    async def _attend(self) -> None:
        """Nothing that goes wrong may end this: what others leave would stay for ever."""
        time = asyncio.get_running_loop().time
        net = time() + _NET
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(net):
                    await self._stirred.wait()
            if time() >= net:
                self._news.add(EVERYTHING)
            self._stirred.clear()
            news, self._news = self._news, News()
            net = time() + _NET if news.many else net
            lost, self._lost = self._lost, set()
            try:
                await self._act_on(news, lost)
            except Exception as error:  # noqa: BLE001  see above
                self._news.add(news)
                self._lost |= lost
                self._stirred.set()
                if isinstance(error, StoreError):
                    _log.error("what the other engines do cannot be looked at: %s", error)
                else:
                    _log.exception("what the other engines do could not be looked at; trying again")
                await asyncio.sleep(STORE_RETRY)
            await asyncio.sleep(_GATHER)

    async def _act_on(self, news: News, lost: set[int]) -> None:
        if lost or news.many:
            await self._take_over(lost)
        if news.cancel:
            await self._host.stop_unwanted()
        if news.work:
            self._host.see(await self._store.situation())
        self._host.tell(None if news.many else news.messages)
        if news.work or lost:
            self._host.wake_all()
        else:
            self._host.expect_all(news.expected)

    async def _take_over(self, lost: set[int]) -> None:
        taken = await self._store.take_over(sorted(lost))
        for member_id in sorted(lost):
            _log.warning("engine %d says nothing any more: taken for dead", member_id, extra=about("lost"))
        if taken:
            sentence = "%d tasks that other engines had under way go on"
            _log.warning(sentence, len(taken), extra=about("took over", tasks=tuple(taken)))
        await self._host.give_back_strays()
        await self._host.turn_away_unlisted()
        for heir in self.heirs:
            await heir()
