"""Write down what is audited: a thread of its own, so that the event loop never waits for a disk."""

from __future__ import annotations

import datetime as dt
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from engine.audit.line import to_line
from engine.audit.people import engine_started, engine_stopping, logged_in, operator_acted
from engine.audit.record import Record
from engine.audit.site import Site
from engine.audit.spool import Spool
from engine.audit.syslog import syslog_message
from engine.audit.trail import Trail
from engine.audit.transfers import Accessions, queried, transfer_began, transfer_ended
from engine.audit.xml import to_xml
from engine.events import LoggedIn, OperatorActed, Queried, Started, Stopping, TransferBegan, TransferEnded

_log = logging.getLogger(__name__)
_MOST = 10_000  # events that may wait to be written
_TOGETHER = 100  # written at a time, with one fsync

Noted = tuple[dt.datetime, tuple[Any, ...]]


class Clerk:
    """``take`` is for the event loop, the rest of it is done by its thread."""

    def __init__(
        self, site: Site, source: str, trail: Trail | None, spool: Spool | None, spooled: Callable[[], None]
    ) -> None:
        """``source`` names us in all that is written. ``spooled`` is called when there is more in the
        spool."""
        self._site = site
        self._source = source
        self._trail = trail
        self._spool = spool
        self._spooled = spooled
        self._accessions = Accessions()
        self._queue: queue.Queue[Noted | None] = queue.Queue(_MOST)
        self._losses = _Losses()
        self._thread = threading.Thread(target=self._run, name="audit-clerk", daemon=True)

    def take(self, event: tuple[Any, ...]) -> None:
        """Have an event of now written down. Never waits."""
        try:
            self._queue.put_nowait((dt.datetime.now(dt.UTC), event))
        except queue.Full:
            self._losses.add("the queue", 1, "events come faster than the disk takes them")

    def start(self) -> None:
        self._thread.start()

    def stop(self, patience: float) -> bool:
        """Write what was taken; whether that was done within so many seconds. Blocks."""
        if self._thread.ident is None:
            return True
        try:
            self._queue.put(None, timeout=patience)
        except queue.Full:
            return False
        self._thread.join(patience)
        return not self._thread.is_alive()

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = [self._queue.get()]
            while len(batch) < _TOGETHER and not self._queue.empty():
                batch.append(self._queue.get())
            ended = None in batch
            self._write([noted for noted in batch if noted is not None])
            if self._queue.empty():
                self._losses.over("the queue")

    def _write(self, batch: list[Noted]) -> None:
        lines: list[bytes] = []
        messages: list[bytes] = []
        for at, event in batch:
            try:
                accession = self._accession(event)
                lines.append(to_line(event, at, self._source, accession))
                messages += self._messages(event, at, accession)
            except Exception:  # noqa: BLE001  a fault of ours in one event must not cost the others
                _log.exception("audit: %s was lost by a fault of forefetch", type(event).__name__)
        self._to_trail(lines)
        self._to_spool(messages)

    def _accession(self, event: tuple[Any, ...]) -> str:
        if isinstance(event, Queried):
            self._accessions.note(event.task)
        if isinstance(event, Queried | TransferBegan | TransferEnded):
            return self._accessions.of(event.task)
        return ""

    def _messages(self, event: tuple[Any, ...], at: dt.datetime, accession: str) -> Iterator[bytes]:
        if self._spool is None:
            return
        for record in records(event, at, self._site, accession):
            xml = to_xml(record, self._source)
            yield syslog_message(xml, at, self._site.host, "forefetch", self._site.process)

    def _to_trail(self, lines: list[bytes]) -> None:
        if self._trail is None or not lines:
            return
        try:
            self._trail.write(lines)
        except OSError as error:
            self._losses.add("the trail", len(lines), f"its file cannot be written ({error.strerror})")
        else:
            self._losses.over("the trail")

    def _to_spool(self, messages: list[bytes]) -> None:
        if self._spool is None or not messages:
            return
        try:
            taken = self._spool.append(messages)
        except OSError as error:
            self._losses.add("the spool", len(messages), f"it cannot be written ({error.strerror})")
            return
        if taken < len(messages):
            why = "it has reached audit.spool_size; see to the collector, or raise it"
            self._losses.add("the spool", len(messages) - taken, why)
        else:
            self._losses.over("the spool")
        self._spooled()


def records(event: tuple[Any, ...], at: dt.datetime, site: Site, accession: str) -> tuple[Record, ...]:
    """The messages of the standard that an event makes."""
    match event:
        case Queried():
            return queried(event, at, site)
        case TransferBegan():
            return transfer_began(event, at, site, accession)
        case TransferEnded():
            return transfer_ended(event, at, site, accession)
        case LoggedIn():
            return logged_in(event, at, site)
        case OperatorActed():
            return operator_acted(event, at, site)
        case Started():
            return engine_started(event, at, site)
        case Stopping():
            return engine_stopping(event, at, site)
    raise TypeError(f"{type(event).__name__} is not audited")


class _Losses:
    """Tells of what is lost when that begins, and how much it was when it is over. For any thread."""

    def __init__(self) -> None:
        self._lost: dict[str, int] = {}
        self._lock = threading.Lock()

    def add(self, where: str, count: int, why: str) -> None:
        with self._lock:
            begins = where not in self._lost
            self._lost[where] = self._lost.get(where, 0) + count
        if begins:
            _log.error("audit: %s takes nothing more: %s", where, why)

    def over(self, where: str) -> None:
        with self._lock:
            lost = self._lost.pop(where, 0)
        if lost:
            _log.warning("audit: %s takes messages again; %d were lost", where, lost)
