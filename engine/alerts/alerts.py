"""Listens to what happens, and has somebody told when it calls for a person."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress

from engine.alerts.alert import State
from engine.alerts.conditions import (
    JOURNAL,
    Disk,
    breaker_closed,
    breaker_opened,
    disk_of,
    disk_seen,
    journal_failed,
    journal_written,
)
from engine.alerts.courier import Courier, in_thread
from engine.alerts.deadletters import DeadLetters
from engine.alerts.ledger import Ledger
from engine.alerts.silence import Silence
from engine.alerts.ways import deliverer, source_of
from engine.alerts.wording import title
from engine.config import Config
from engine.config.alerts import AlertSettings, DiskRule
from engine.events import Committed, Events, GateClosed, GateOpened, MessageAnswered, TaskEnded
from engine.retrieve.outcome import TaskStatus

_log = logging.getLogger(__name__)
_LONGEST = 60.0  # seconds between looks: windows open, the clock may be set, and the disk fills
_SHORTEST = 0.05  # seconds
_PATIENCE = 2.0  # seconds for the last notices


class Alerts:
    """Of one engine. Listens from construction on; tells from `start` on."""

    def __init__(
        self,
        settings: AlertSettings,
        config: Config,
        events: Events,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        """``clock`` tells the time in UTC."""
        self._settings = settings
        self._disk = disk_of(config)
        self._clock = clock
        self._ledger = Ledger(settings.repeat, settings.pause)
        source = source_of(config)
        self._couriers = [Courier(way, settings, deliverer(way, source), clock) for way in settings.ways]
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._listen(events)

    def _listen(self, events: Events) -> None:
        """To what there are conditions for, and to nothing else: every message is an event."""
        rule, now = self._settings.dead_letters, self._clock()
        self._dead_letters = DeadLetters(rule, self._ledger) if rule is not None else None
        self._silences = [Silence(silence, self._ledger, now) for silence in self._settings.silence]
        if self._dead_letters is not None:
            events.listen(TaskEnded, self._task_ended)
        if self._silences:
            events.listen(MessageAnswered, self._message_answered)
        if self._settings.breaker:
            events.listen(GateClosed, self._gate_closed)
            events.listen(GateOpened, self._gate_opened)
        if self._settings.journal:
            events.listen(Committed, self._committed)

    async def start(self) -> None:
        """Begin to tell."""
        for courier in self._couriers:
            await courier.start()
        self._tasks.append(asyncio.create_task(self._serve()))
        rule = self._settings.disk
        if rule is not None and self._disk is not None:
            self._tasks.append(asyncio.create_task(self._watch_disk(rule, self._disk)))

    async def stop(self) -> None:
        """Tell what is known now, within two seconds."""
        if not self._tasks:
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self._dead_letters is not None:
            self._dead_letters.hurry(self._clock())
        self.look()
        await asyncio.gather(*(courier.stop(_PATIENCE) for courier in self._couriers))

    def look(self) -> None:
        """How does it stand? What is to be told is handed over."""
        now = self._clock()
        if self._dead_letters is not None:
            self._dead_letters.look(now)
        for silence in self._silences:
            silence.look(now)
        for notice in self._ledger.notices(now):
            level = logging.WARNING if notice.state is State.RAISED else logging.INFO
            _log.log(level, "alert %s", title(notice))
            for courier in self._couriers:
                courier.hand_over(notice)

    async def _serve(self) -> None:
        while True:
            self._wake.clear()
            try:
                self.look()
                pause = self._pause()
            except Exception:  # noqa: BLE001  nothing that goes wrong may end this: nobody would be told
                _log.exception("alerts: fault in forefetch; looking again")
                pause = _LONGEST
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    def _pause(self) -> float:
        """Seconds until something may have to be told, if nothing happens."""
        now = self._clock()
        due = [self._ledger.due(), *(silence.due(now) for silence in self._silences)]
        if self._dead_letters is not None:
            due.append(self._dead_letters.due())
        waits = [(time - now).total_seconds() for time in due if time is not None]
        return max(_SHORTEST, min([_LONGEST, *waits]))

    async def _watch_disk(self, rule: DiskRule, disk: Disk) -> None:
        """Apart from the rest: a disk of the network may not answer."""
        readable = True
        while True:
            try:
                usage = await in_thread(lambda: shutil.disk_usage(disk.folder))
            except OSError as error:
                if readable:
                    _log.warning("alerts: the space on %s is not known: %s", disk.folder, error.strerror)
                readable = False
            else:
                readable = True
                disk_seen(rule, usage.total, usage.free, self._ledger, self._clock(), disk)
                self._wake.set()
            await asyncio.sleep(_LONGEST)

    def _task_ended(self, event: TaskEnded) -> None:
        assert self._dead_letters is not None  # it listens for it
        if event.outcome.status is TaskStatus.FAILED:
            self._dead_letters.failed(event.task.id, event.outcome.cause, self._clock())
        elif not self._dead_letters.mended(event.task.id):
            return
        self._wake.set()

    def _message_answered(self, event: MessageAnswered) -> None:
        now, host = self._clock(), event.peer.rpartition(":")[0].strip("[]")
        for silence in self._silences:
            if (not silence.host or silence.host == host) and silence.heard(now):
                self._wake.set()

    def _gate_closed(self, event: GateClosed) -> None:
        if breaker_opened(event, self._ledger, self._clock()):
            self._wake.set()

    def _gate_opened(self, event: GateOpened) -> None:
        if breaker_closed(event, self._ledger):
            self._wake.set()

    def _committed(self, event: Committed) -> None:
        if event.failed:
            journal_failed(self._ledger, self._clock())
        elif self._ledger.is_raised(JOURNAL):
            journal_written(self._ledger)
        else:
            return
        self._wake.set()
