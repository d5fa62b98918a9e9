"""The audit trail of a running engine."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from functools import partial

from engine.audit.alone import take
from engine.audit.clerk import Clerk
from engine.audit.courier import Courier
from engine.audit.site import Site
from engine.audit.spool import Spool
from engine.audit.trail import Trail
from engine.audit.transport import open_line
from engine.config import AuditSettings, Config
from engine.events import (
    Events,
    LoggedIn,
    OperatorActed,
    Queried,
    Started,
    Stopping,
    TransferBegan,
    TransferEnded,
)
from engine.place import is_shared
from engine.store.lock import JournalLock

_log = logging.getLogger(__name__)
_AUDITED = (Started, Stopping, Queried, TransferBegan, TransferEnded, LoggedIn, OperatorActed)
_PATIENCE = 1.0  # seconds, for each of the two threads


class Audit:
    """Listens to what happens from construction on, and writes it down from ``start`` on."""

    def __init__(
        self, settings: AuditSettings, config: Config, events: Events, *, pause: float = 1.0
    ) -> None:
        """``pause``: seconds until a collector that cannot be reached is tried again, at first."""
        self._trail = Trail(settings.file) if settings.file else None
        self._spool: Spool | None = None
        self._to_take = ""  # the spool, where it is not ours as the journal is
        self._taken: JournalLock | None = None
        self._courier: Courier | None = None
        if settings.collector is not None:
            collector = settings.collector
            where = f"{collector.host}:{collector.port}"
            self._spool = Spool(settings.spool, settings.spool_size)
            self._to_take = settings.spool if is_shared(config.engine.store) else ""
            self._courier = Courier(self._spool, partial(open_line, collector), where, pause)
        site = Site(config, socket.gethostname(), str(os.getpid()))
        self._clerk = Clerk(site, settings.source, self._trail, self._spool, self._spooled)
        for kind in _AUDITED:
            events.listen(kind, self._clerk.take)

    async def start(self) -> None:
        """AuditUnwritable where the trail or the spool cannot be written."""
        await asyncio.to_thread(self._open)
        self._clerk.start()
        if self._courier is not None:
            self._courier.start()

    async def stop(self) -> None:
        """Write down what was told, and deliver what goes at once; the rest after the next start."""
        await asyncio.to_thread(self._close)

    def _open(self) -> None:
        try:
            if self._trail is not None:
                self._trail.open()
            if self._to_take:
                self._taken = take(self._to_take)
            if self._spool is not None and (waiting := self._spool.open()):
                _log.info("audit: %d bytes wait for the collector from before", waiting)
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        """Files stay open for a clerk that is not done with them. A courier that is not may hang for long,
        and what it would note in the spool then is not true any more."""
        written = self._clerk.stop(_PATIENCE)
        if self._courier is not None:
            self._courier.stop(_PATIENCE)
        if not written:
            _log.error("audit: the disk is too slow; the last events may be missing in the trail")
            return
        if self._trail is not None:
            self._trail.close()
        if self._spool is not None:
            self._spool.close()
        if self._taken is not None:
            self._taken.release()
            self._taken = None

    def _spooled(self) -> None:
        if self._courier is not None:
            self._courier.wake()
