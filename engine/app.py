"""The composition root: build the engine from its configuration, start it, drain it, stop it."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import logging
import os
from collections.abc import Mapping
from functools import partial
from types import TracebackType

from engine.config import Config
from engine.config.clock import clock_of
from engine.config.profiles import message_profiles
from engine.connection import join
from engine.dicom.node import Destination, Timeouts
from engine.dispatcher import Dispatcher
from engine.dispatcher.work import Place
from engine.event_loop import fastest_loop
from engine.events import Events, Started, Stopping
from engine.intake import Intake
from engine.listener import Listener, ListenerSettings
from engine.outbox import Outbox
from engine.parts import parts_of
from engine.retention import Retention
from engine.retrieve.gate import SWITCH_REASON, switch_on
from engine.scu import ArchiveClient, echo
from engine.signals import stop_event
from engine.store import Store

_log = logging.getLogger(__name__)


class Engine:
    """A running Forefetch. An async context manager: leaving it drains and stops."""

    def __init__(
        self,
        config: Config,
        environment: Mapping[str, str] = os.environ,
        routes_file: str = "routes.yaml",
    ) -> None:
        """ConfigError where a message profile cannot be read, StoreError where the journal cannot; nothing is
        listening yet. ``routes_file`` is where the configuration was read from, for sentences."""
        self._config = config
        settings = config.engine
        self._allowed = switch_on(environment)
        profiles = message_profiles(config)
        self._events = Events()
        self._parts = parts_of(config, routes_file, self._events)
        self._store = Store.open(settings.store, events=self._events)
        self._dispatcher = dispatcher_of(config, self._store, switch_on=self._allowed, events=self._events)
        self._outbox = Outbox(self._store, tls={(rule.host, rule.port): rule.tls for rule in config.replies})
        self._retention = Retention(self._store, settings.store, settings.retention)
        self._intake = Intake(
            config=config,
            store=self._store,
            dispatcher=self._dispatcher,
            clock=clock_of(config),
            outbox=self._outbox,
            profiles=profiles,
            events=self._events,
        )
        self._listener = Listener(
            ListenerSettings(
                host=settings.host,
                port=settings.port,
                max_message_bytes=settings.max_message_bytes,
                max_connections=settings.max_connections,
                window=settings.window,
                idle_timeout=settings.idle_timeout,
                frame_timeout=settings.frame_timeout,
                tls=settings.tls,
            ),
            self._intake,
        )

    @property
    def events(self) -> Events:
        """What happens, for those who listen before `start`."""
        return self._events

    @property
    def address(self) -> tuple[str, int]:
        """Where MLLP is listened on."""
        return self._listener.address

    async def start(self) -> None:
        """Listen, and take up what was left. ListenError where the address is taken."""
        if not self._allowed:
            _log.warning("%s", SWITCH_REASON)
        for part in self._parts:  # before anything moves: what one of them needs may not be usable
            await part.start()
        await self._listener.start()
        self._events.tell(Started(join(*self._listener.address)))
        await self._store.name_address(join(*self._listener.address))
        self._dispatcher.inherit(self._outbox.take_up)
        await self._dispatcher.start()
        await self._intake.start()
        await self._outbox.start()
        await self._retention.start()

    async def stop(self) -> None:
        """Accept nothing more, answer what was received, let moves end or cancel them, close the store."""
        patience = self._config.engine.drain_timeout
        self._events.tell(Stopping())
        await self._retention.stop()
        await self._listener.drain(patience)
        await self._dispatcher.stop(patience)
        await self._intake.stop()
        await self._outbox.stop(patience)
        await self._end_parts()
        await self._store.close()
        _log.info("stopped")

    async def _end_parts(self) -> None:
        """While the journal is ours: so is the spool of the audit trail, then."""
        for part in reversed(self._parts):
            try:
                await part.stop()
            except Exception:  # noqa: BLE001  the others are to end, and the journal is to be closed
                _log.exception("%s could not be stopped", type(part).__name__)

    async def __aenter__(self) -> Engine:
        try:
            await self.start()
        except BaseException:
            await self._retention.stop()
            await self._listener.close()
            await self._dispatcher.stop(0)
            await self._intake.stop()
            await self._outbox.stop(0)
            await self._end_parts()
            await self._store.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def dispatcher_of(
    config: Config, store: Store, *, switch_on: bool, by_hand: bool = False, events: Events | None = None
) -> Dispatcher:
    """The dispatcher of a configuration, not started; ``by_hand`` as in `Dispatcher`."""
    calling = config.engine.ae_title
    return Dispatcher(
        store=store,
        policy=config.policy(switch_on=switch_on),
        archives=config.archives,
        clients={name: ArchiveClient(archive) for name, archive in config.archives.items()},
        places={name: _place(it, calling) for name, it in config.destinations.items()},
        aging=dt.timedelta(seconds=config.gate.aging),
        verify_within=config.gate.verify_within,
        by_hand=by_hand,
        events=events,
    )


def _place(destination: Destination, calling_ae_title: str) -> Place:
    """A destination with the ways to ask it, as far as its addresses are known."""
    finder = ArchiveClient(destination.query) if destination.query is not None else None
    if destination.node is None:
        return Place(destination, finder)
    return Place(destination, finder, partial(echo, destination.node, calling_ae_title, Timeouts()))


def serve(config: Config, routes_file: str) -> None:
    """Run until SIGTERM or SIGINT, then drain. Blocks."""
    with asyncio.Runner(loop_factory=fastest_loop()) as runner:
        runner.run(_serve(config, routes_file))


async def _serve(config: Config, routes_file: str) -> None:
    stop = stop_event()
    async with Engine(config, routes_file=routes_file):
        gc.collect()
        gc.freeze()  # modules and routes stay for good: no collection need look at them again
        await stop.wait()
        _log.info("stopping: no new connections, answering what was received")
