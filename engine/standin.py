"""Carry out what is asked for by hand while no engine serves the journal; an engine may have it at once."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

from engine.app import dispatcher_of
from engine.config import Config
from engine.dispatcher import Dispatcher
from engine.errors import StoreError
from engine.events import Events
from engine.parts import audit_of
from engine.place import told
from engine.store import Store, is_taken

if TYPE_CHECKING:
    from engine.audit import Audit

_log = logging.getLogger(__name__)
_LOOK = 0.2  # seconds between looks whether an engine wants the journal
IDLE = 120.0  # seconds without work: what rates count, a minute, must not be forgotten between two calls
_IDLE_UNABLE = 2.0  # where the switch is off: another process may have it on


class StandIn:
    """A dispatcher that comes up when it is needed. An async context manager: leaving it ends what is under
    way, on the wire too. Used from one event loop."""

    def __init__(self, config: Config, *, switch_on: bool, idle: float = IDLE) -> None:
        self._config = config
        self._switch_on = switch_on
        self._idle = idle if switch_on else min(idle, _IDLE_UNABLE)
        self._needed = 0.0  # when it was needed last, by the monotonic clock
        self._coming_up: asyncio.Task[None] | None = None
        self._tending: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()

    async def provide(self) -> None:
        """Have somebody carry out what is asked for by hand: the engine of the journal, another stand-in, or
        this one from now on. To be called again while somebody waits. StoreError: the journal cannot be used;
        AuditUnwritable: nor can the audit trail, without which nothing is moved."""
        self._needed = time.monotonic()
        if _over(self._coming_up) and _over(self._tending):
            self._coming_up = asyncio.create_task(self._come_up())
        if self._coming_up is not None:
            await asyncio.shield(self._coming_up)  # a journal that is being opened must not get lost

    async def _come_up(self) -> None:
        path = self._config.engine.store
        if await asyncio.to_thread(is_taken, path):
            return
        try:
            store = await asyncio.to_thread(Store.open, path, stand_in=True)
        except StoreError:
            if await asyncio.to_thread(is_taken, path):
                return  # somebody was faster
            raise
        _log.info("no engine serves %s: what is asked for by hand is carried out here", told(path))
        events = Events()
        audit = audit_of(self._config, events)
        try:
            if audit is not None:
                await audit.start()
        except BaseException:
            await store.close()
            raise
        dispatcher = dispatcher_of(
            self._config, store, switch_on=self._switch_on, by_hand=True, events=events
        )
        self._tending = asyncio.create_task(self._tend(store, dispatcher, audit))

    async def _tend(self, store: Store, dispatcher: Dispatcher, audit: Audit | None) -> None:
        try:
            await dispatcher.start()
            while not (self._leaving.is_set() or await asyncio.to_thread(_is_wanted, store)):
                if not dispatcher.busy and time.monotonic() - self._needed >= self._idle:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK):
                        await self._leaving.wait()
        except StoreError as error:
            _log.error("nothing is carried out here: %s", error)
        finally:
            try:
                await dispatcher.stop(0)
                if audit is not None:
                    await audit.stop()
            finally:
                await store.close()
                _log.info("%s is left to an engine", told(self._config.engine.store))

    async def __aenter__(self) -> StandIn:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leaving.set()  # and no cancellation: it may be ending what is under way already
        if self._coming_up is not None:
            await asyncio.gather(self._coming_up, return_exceptions=True)
        if self._tending is not None:
            await asyncio.gather(self._tending, return_exceptions=True)


def _is_wanted(store: Store) -> bool:
    """Looks at a file, or asks a database."""
    return store.wanted


def _over(task: asyncio.Task[None] | None) -> bool:
    return task is None or task.done()
