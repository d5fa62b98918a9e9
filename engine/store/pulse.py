"""The heartbeat of an engine on a shared journal, its ear for the others, and its eye on them.

A thread with a connection of its own. It says again and again that this engine is alive (`BEAT`), hears what
the others tell (`engine.store.news`), and notices which of them say nothing any more: one whose beat stands
still for `LEASE` by our own clock, while we looked all the time, is lost. No clock of another has a say.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import psycopg
from sqlalchemy.exc import SQLAlchemyError

from engine.errors import StoreError
from engine.store import news, postgresql, schema
from engine.store.connections import hang_up, readable
from engine.store.heard import Heard
from engine.store.members import LEASE, register
from engine.store.news import EVERYTHING, News

_log = logging.getLogger(__name__)
BEAT = 3.0
"""Seconds between beats."""
_BLINK = 3 * BEAT  # between two looks of ours: after a longer pause it is we who were away
_LAST_BEAT = 2.0  # seconds for it
_RETRY = 0.5  # seconds between attempts to reach the database
_SAY = "UPDATE members SET beat = beat + 1, seen_at = now() WHERE id = %s AND lost_at IS NULL RETURNING id"
_LOOK = "SELECT id, beat FROM members WHERE lost_at IS NULL AND left_at IS NULL AND id <> %s"


def _now() -> float:
    """Seconds, those too for which the machine was suspended, where it can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Watch:
    """Which of the others have not moved for a lease, as one who looks sees it: the time in which nobody
    looked, as in an outage of the database, does not count. ``clock`` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[int, tuple[int, float]] = {}
        self._looked = clock()

    def look(self, beats: dict[int, int]) -> tuple[int, ...]:
        """By the number of each that is alive its latest beat; those that are lost."""
        now = self._clock()
        away = now - self._looked
        if away > _BLINK:
            self._seen = {member: (beat, since + away) for member, (beat, since) in self._seen.items()}
        self._looked = now
        for member, beat in beats.items():
            if member not in self._seen or self._seen[member][0] != beat:
                self._seen[member] = beat, now
        self._seen = {member: seen for member, seen in self._seen.items() if member in beats}
        return tuple(member for member, (_, since) in self._seen.items() if now - since >= LEASE)


class Pulse:
    """Begins at once. ``heard`` is called in its thread."""

    def __init__(self, where: str, member_id: int, *, stand_in: bool, heard: Callable[[Heard], None]) -> None:
        self.member_id = member_id
        self.address = ""
        self._where = where
        self._stand_in = stand_in
        self._heard = heard
        self._watch = Watch()
        self._said = _now()  # when the last beat was sent that has come to the database
        self._ending = Event()
        self._wake_read, self._wake_write = os.pipe()
        self._thread = Thread(target=self._serve, name="pulse", daemon=True)
        self._thread.start()

    def in_touch(self, member_id: int) -> bool:
        """Whether no other engine can have taken this one for dead while it was this member: each counts from
        a beat that it has seen, and so from after this one was sent. The beat is looked at first: one that is
        back beats again, by another number."""
        return _now() - self._said < LEASE and self.member_id == member_id

    def stop(self) -> None:
        """Beat no more. Blocks for a moment, in which a beat that is under way may be answered."""
        if self._ending.is_set():
            return
        self._ending.set()
        os.write(self._wake_write, b"!")
        self._thread.join(_LAST_BEAT)
        while self._thread.is_alive():
            hang_up(self._where, pooled=False)
            self._thread.join(_RETRY)
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _serve(self) -> None:
        reachable = True
        while not self._ending.is_set():
            try:
                with postgresql.connect(self._where) as connection:
                    reachable = True
                    self._live(connection)
            except (psycopg.Error, SQLAlchemyError, StoreError) as error:
                if reachable:  # told once; the writer tells of each message that it costs
                    _log.error("the journal cannot be reached: %s", _said(error))
                reachable = False
                self._ending.wait(_RETRY)
            except Exception:  # noqa: BLE001  without a pulse the others would take our work
                _log.exception("the pulse failed by a fault of forefetch; trying again")
                self._ending.wait(_RETRY)

    def _live(self, connection: psycopg.Connection[Any]) -> None:
        """While there is this connection."""
        connection.execute(f"LISTEN {news.CHANNEL}")
        self._heard(Heard(EVERYTHING))  # whatever was told while nobody listened
        while not self._ending.is_set():
            saying = _now()
            if connection.execute(_SAY, (self.member_id,)).fetchone() is None:
                self._come_back()
            self._said = saying
            lost = self._watch.look(dict(connection.execute(_LOOK, (self.member_id,)).fetchall()))
            if lost:
                self._heard(Heard(lost=lost))
            self._listen(connection, time.monotonic() + BEAT)

    def _listen(self, connection: psycopg.Connection[Any], until: float) -> None:
        while not self._ending.is_set() and (left := until - time.monotonic()) > 0:
            ready = readable([connection.fileno(), self._wake_read], left)
            told = News()
            for notification in connection.notifies(timeout=0) if ready else ():
                by, what = news.read(notification.payload)
                if by != self.member_id:
                    told.add(what)
            if told.any:
                self._heard(Heard(told))

    def _come_back(self) -> None:
        """Others have taken over what we had."""
        with postgresql.open_engine(self._where, read_only=False).connect() as connection, connection.begin():
            schema.prepare(connection)  # it may have been upgraded since
            number = register(connection, stand_in=self._stand_in, address=self.address)
        self.member_id = number  # what is written in the name of one who is not there yet is everybody's
        _log.warning("this engine was taken for dead; it is back, and its work has gone on elsewhere")
        self._heard(Heard(EVERYTHING, cast_out=True))


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, StoreError) else postgresql.explain(getattr(error, "orig", error))
