"""See to it that notices get through by one way, again and again, and that nothing else is harmed by it."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from engine.alerts.alert import Notice
from engine.alerts.fault import NotDelivered
from engine.alerts.ways import Deliver
from engine.config.alerts import AlertSettings, Mail, Webhook
from engine.retrieve.retry import backoff

_log = logging.getLogger(__name__)
_MOST = 100  # notices that wait
T = TypeVar("T")


class Courier:
    """For one way. Of each alert the newest notice waits; one at a time goes out."""

    def __init__(
        self,
        way: Webhook | Mail,
        settings: AlertSettings,
        deliver: Deliver,
        clock: Callable[[], dt.datetime],
    ) -> None:
        """``clock`` tells the time with its zone, as that of the notices."""
        self._way = way
        self._clock = clock
        self._settings = settings
        self._deliver = deliver
        self._waiting: OrderedDict[str, Notice] = OrderedDict()
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Send what is handed over, from now on."""
        self._loop = asyncio.create_task(self._serve())

    def hand_over(self, notice: Notice) -> None:
        """To be told by this way, if it wants such a one. Returns at once."""
        alert = notice.alert
        if alert.kind not in self._way.only:
            return
        self._waiting[alert.key] = notice
        if len(self._waiting) > _MOST:
            lost, _ = self._waiting.popitem(last=False)
            _log.error("%s: %d notices wait, the one of %s is given up", self._way, _MOST, lost)
        self._empty.clear()
        self._wake.set()

    async def stop(self, patience: float) -> None:
        """Give what waits ``patience`` seconds, then give it up."""
        if self._loop is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._empty.wait()
        if self._waiting:
            _log.warning("%s: not told any more: %s", self._way, ", ".join(self._waiting))
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        self._loop = None

    async def _serve(self) -> None:
        failures = 0
        while True:
            while not self._waiting:
                self._empty.set()
                self._wake.clear()
                await self._wake.wait()
            key, notice = next(iter(self._waiting.items()))
            if await self._attempt(notice, failures):
                failures = 0
                if self._waiting.get(key) is notice:
                    del self._waiting[key]
                continue
            if key in self._waiting:
                self._waiting.move_to_end(key)  # it may be this one alone that is not taken
            await asyncio.sleep(backoff(failures, self._settings.first, self._settings.longest))
            failures += 1

    async def _attempt(self, notice: Notice, failures: int) -> bool:
        """Whether it is done with: told, or too old to be told."""
        try:
            await in_thread(lambda: self._deliver(notice))
        except NotDelivered as error:
            fault = str(error)
        except Exception as error:  # noqa: BLE001  nothing that goes wrong may end this: nobody would be told
            _log.exception("%s: fault in forefetch", self._way)
            fault = type(error).__name__
        else:
            _log.info("%s: told that %s is %s", self._way, notice.alert.key, notice.state)
            return True
        return self._given_up(notice, fault)

    def _given_up(self, notice: Notice, fault: str) -> bool:
        """Whether a notice that was not taken has become too old."""
        old = (self._clock() - notice.at).total_seconds() >= self._settings.give_up
        key, what = notice.alert.key, "it is given up" if old else "it is tried again"
        _log.warning("%s: notice of %s not delivered, %s: %s", self._way, key, what, fault)
        return old


async def in_thread(work: Callable[[], T]) -> T:
    """In a thread of its own, which neither the pool of the event loop nor the end of the process waits for:
    the other side may be silent for long."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except Exception as exc:  # noqa: BLE001  raised where it is waited for
            error = exc
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="alerts", daemon=True).start()
    return await done
