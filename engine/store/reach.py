"""Whether the database of a shared journal answers, as a thread sees it that never waits for it for long.

A server that is frozen, or cut off by a network that drops everything, ends no connection: whoever waits for
an answer would wait for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

from engine.errors import StoreError
from engine.store import postgresql
from engine.store.connections import hang_up, readable

PATIENCE = 2.0
"""Seconds for an answer."""
_GIVE_UP = 8.0
_PAUSE = 1.0  # seconds between questions
_ASKED = b"""
    SELECT pg_is_in_recovery(), EXISTS (
        SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event = 'SyncRep'
        AND clock_timestamp() - query_start > interval '2 s'
        AND current_setting('synchronous_commit') <> 'local'
    )
"""
AWAY = "the database of the journal does not answer"
READ_ONLY = "the database of the journal is read only, such as a standby"
UNCONFIRMED = (
    "what is written to the database of the journal waits for a standby to confirm it "
    "(synchronous_standby_names), and none does"
)


_LOCK = Lock()
_WATCHED: dict[str, Reach] = {}
Told = Callable[[str], None]


def watch(where: str, told: Told) -> Callable[[], None]:
    """Ask from now on, with all in this process who do so; what ends it, which may block as long as an answer
    takes. ``told`` as of `Reach`."""
    with _LOCK:
        reach = _WATCHED.get(where)
        if reach is None:
            reach = _WATCHED[where] = Reach(where, told)
        else:
            reach.listeners.append(told)

    def stop() -> None:
        with _LOCK:
            reach.listeners.remove(told)
            if reach.listeners:
                return
            del _WATCHED[where]
        reach.stop()

    return stop


def trouble(where: str) -> str:
    """For which nothing is to be written now, as far as anybody in this process watches; empty: none. Whoever
    tried would wait, and leave one more at the server who waits."""
    reach = _WATCHED.get(where)
    return UNCONFIRMED if reach is not None and reach.unconfirmed else ""


class Reach:
    """``listeners`` are called in its thread with what is wrong, empty where nothing is, as often as it has
    asked. ``patience``: seconds for an answer; ``give_up``: seconds without any, after which what is being
    written has failed. ``unconfirmed``: two answers running said so, and none since has said otherwise."""

    def __init__(
        self,
        where: str,
        told: Told,
        *,
        patience: float = PATIENCE,
        give_up: float = _GIVE_UP,
    ) -> None:
        self._where = where
        self.listeners = [told]
        self._patience = patience
        self._give_up = give_up
        self._away = 0.0  # since when, by the monotonic clock; 0: it answers
        self._doubted = self.unconfirmed = False
        self._let_go = False  # what waits for a standby
        self._ending = Event()
        self._thread = Thread(target=self._serve, name="reach", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask no more. Blocks for as long as an answer may take."""
        self._ending.set()
        self._thread.join()
        if self._away:  # threads that wait for an answer would keep the process from ending
            self._hang_up()

    def _serve(self) -> None:
        while not self._ending.is_set():
            try:
                connection = postgresql.connect(self._where, noted=False, connect_timeout=int(PATIENCE))
            except (psycopg.Error, StoreError):
                self._fail()
                continue
            try:
                self._ask_again_and_again(connection)
            except (psycopg.Error, OSError):
                self._fail()
            finally:
                connection.close()

    def _told(self, wrong: str) -> None:
        for told in list(self.listeners):
            told(wrong)

    def _ask_again_and_again(self, connection: psycopg.Connection[Any]) -> None:
        while not self._ending.is_set():
            wrong = _wrong(connection, self._patience)
            if wrong == UNCONFIRMED and not self._doubted:
                wrong, self._doubted = "", True  # it may have been slow this once
            else:
                self._doubted = self.unconfirmed = wrong == UNCONFIRMED
            self._told(wrong)
            if self.unconfirmed:
                self._wait_for_standby()
            else:
                self._away, self._let_go = 0.0, False
            self._ending.wait(_PAUSE)

    def _wait_for_standby(self) -> None:
        """Who waits in vain is told so, once: what he has begun goes on waiting at the server, and would be
        one more each time."""
        self._away = self._away or time.monotonic()
        if not self._let_go and time.monotonic() - self._away >= self._give_up:
            self._let_go = True
            hang_up(self._where, pooled=True)
            hang_up(self._where, pooled=False)

    def _fail(self) -> None:
        self._away = self._away or time.monotonic()
        self._let_go = False  # who has come meanwhile does not know that nobody answers
        self._told(AWAY)
        self._hang_up()
        self._ending.wait(_PAUSE)

    def _hang_up(self) -> None:
        """Those who wait for the same server are told so: they would block all that come after them. Messages
        are refused only when it has lasted."""
        hang_up(self._where, pooled=True)
        if time.monotonic() - self._away >= self._give_up:
            hang_up(self._where, pooled=False)


def _wrong(connection: psycopg.Connection[Any], patience: float) -> str:
    """What is wrong, as the server says. TimeoutError or psycopg.Error: it does not answer."""
    driver, give_up = connection.pgconn, time.monotonic() + patience
    driver.send_query(_ASKED)
    while driver.is_busy():
        left = give_up - time.monotonic()
        if left <= 0 or not readable([driver.socket], left):
            raise TimeoutError
        driver.consume_input()
    answer = driver.get_result()
    while driver.get_result() is not None:
        pass
    if answer is None or answer.status != ExecStatus.TUPLES_OK:
        raise psycopg.OperationalError(driver.get_error_message())
    if answer.get_value(0, 0) == b"t":
        return READ_ONLY
    return UNCONFIRMED if answer.get_value(0, 1) == b"t" else ""
