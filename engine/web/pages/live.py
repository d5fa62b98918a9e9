"""What changes while one looks, by server-sent events (HTML Living Standard 9.2): one producer for all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from engine.errors import StoreError
from engine.events import Events, Stopping

_log = logging.getLogger(__name__)
_PACE = 1.0  # seconds between looks
_SHARE = 9  # for each second of looking so many of rest: a large journal is looked at less often
_HEARTBEAT = 15.0  # seconds of silence after which a line says that somebody is there
_LIFE = 300.0  # seconds: then the browser asks again, and whoever has been logged out meanwhile is told so

Fragments = Mapping[str, str]
"""HTML elements by their ids."""


def _nothing(error: Exception | None) -> Fragments:
    return {}


class Live:
    """``look`` makes all fragments as they are now; it is asked only while somebody listens. ``instead`` says
    what is to be seen where that fails, and at the end (None), since what was true is true no more."""

    def __init__(
        self,
        look: Callable[[], Awaitable[Fragments]],
        events: Events,
        *,
        instead: Callable[[Exception | None], Fragments] = _nothing,
        pace: float = _PACE,
        heartbeat: float = _HEARTBEAT,
    ) -> None:
        self._look = look
        self._instead = instead
        self._pace = pace
        self._heartbeat = heartbeat
        self._shown: dict[str, tuple[int, str]] = {}  # with the number of the look that brought it
        self._looks = 0
        self._listeners: set[asyncio.Event] = set()
        self._producer: asyncio.Task[None] | None = None
        self._over = False
        events.listen(Stopping, lambda _: self.close())

    @property
    def over(self) -> bool:
        """Whether the engine stops."""
        return self._over

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    def close(self) -> None:
        """End every stream, for good."""
        self._over = True
        self._wake()

    async def stream(self) -> AsyncGenerator[str, None]:
        """Events for one listener: everything at first, then what has changed. It ends with the engine, and
        after some minutes, for the browser to come again."""
        news = asyncio.Event()
        self._listeners.add(news)
        try:
            self._produce()
            async with contextlib.aclosing(self._tell(news)) as events:
                async for text in events:
                    yield text
        finally:
            self._listeners.discard(news)
            await self._rest()

    async def _tell(self, news: asyncio.Event) -> AsyncGenerator[str, None]:
        seen, end = 0, time.monotonic() + _LIFE
        yield "retry: 2000\n\n"
        while not self._over and time.monotonic() < end:
            fresh = [html for number, html in self._shown.values() if number > seen]
            seen = self._looks
            if fresh:
                yield _event("".join(fresh))
            try:
                async with asyncio.timeout(self._heartbeat):
                    await news.wait()
            except TimeoutError:
                yield "event: beat\ndata: still here\n\n"
            news.clear()
        if self._over and (last := "".join(self._instead(None).values())):
            yield _event(last)

    def _produce(self) -> None:
        if self._producer is None or self._producer.done() or self._producer.cancelling():
            self._shown = {}  # since when nobody has looked is not known
            self._producer = asyncio.create_task(self._look_again_and_again())

    async def _rest(self) -> None:
        if not self._listeners and (producer := self._producer) is not None:
            producer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await producer

    async def _look_again_and_again(self) -> None:
        while not self._over:
            began = time.monotonic()
            try:
                self._take(await self._look())
            except StoreError as error:
                _log.warning("what goes on cannot be told: %s", error)
                self._take(self._instead(error))
            except Exception as error:  # noqa: BLE001  those who look must not take the last look for the present
                _log.exception("what goes on cannot be told")
                self._take(self._instead(error))
            await asyncio.sleep(max(self._pace, _SHARE * (time.monotonic() - began)))

    def _take(self, fragments: Fragments) -> None:
        self._looks += 1
        before = self._shown
        self._shown = {
            name: it if (it := before.get(name)) is not None and it[1] == html else (self._looks, html)
            for name, html in fragments.items()
        }
        self._wake()

    def _wake(self) -> None:
        for news in self._listeners:
            news.set()


def _event(html: str) -> str:
    return "".join(f"data: {line}\n" for line in html.splitlines() if line.strip()) + "\n"
