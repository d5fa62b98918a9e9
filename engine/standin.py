"""Carry out what is asked for by hand while no engine serves the journal; an engine may have it at once."""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType

from engine.app import dispatcher_of
from engine.config import Config
from engine.dispatcher import Dispatcher
from engine.errors import StoreError
from engine.store import Store, is_taken

_log = logging.getLogger(__name__)
_LOOK = 0.2  # seconds between looks whether an engine wants the journal
IDLE = 120.0  # seconds without work: what rates count, a minute, must not be forgotten between two calls


class StandIn:
    """A dispatcher that comes up when it is needed. An async context manager: leaving it ends what is under
    way, on the wire too. Used from one event loop."""

    def __init__(self, config: Config, *, switch_on: bool, idle: float = IDLE) -> None:
        self._config = config
        self._switch_on = switch_on
        self._idle = idle
        self._needed = 0.0  # when it was needed last, by the monotonic clock
        self._tending: asyncio.Task[None] | None = None
        self._coming_up = asyncio.Lock()

    async def provide(self) -> None:
        """Have somebody carry out what is asked for by hand: the engine of the journal, another stand-in, or
        this one from now on. To be called again while somebody waits. StoreError: the journal cannot be used.
        """
        self._needed = time.monotonic()
        async with self._coming_up:
            path = self._config.engine.store
            if self._standing or await asyncio.to_thread(is_taken, path):
                return
            try:
                store = await asyncio.to_thread(Store.open, path, stand_in=True)
            except StoreError:
                if await asyncio.to_thread(is_taken, path):
                    return  # somebody was faster
                raise
            _log.info("no engine serves %s: what is asked for by hand is carried out here", path)
            dispatcher = dispatcher_of(self._config, store, switch_on=self._switch_on, by_hand=True)
            self._tending = asyncio.create_task(self._tend(store, dispatcher))

    @property
    def _standing(self) -> bool:
        return self._tending is not None and not self._tending.done()

    async def _tend(self, store: Store, dispatcher: Dispatcher) -> None:
        try:
            await dispatcher.start()
            while True:
                await asyncio.sleep(_LOOK)
                if store.wanted or not (dispatcher.busy or time.monotonic() - self._needed < self._idle):
                    break
        except StoreError as error:
            _log.error("nothing is carried out here: %s", error)
        finally:
            await dispatcher.stop(0)
            await store.close()
            _log.info("%s is left to an engine", self._config.engine.store)

    async def __aenter__(self) -> StandIn:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
