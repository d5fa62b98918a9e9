"""Deliver the letters of the outbox by MLLP, each until its receiver has it (HL7 v2 ch. 2.9.3).

At least once: a letter that was sent but not marked, since a crash came between, is sent again with the same
bytes and the same MSH-10, by which its receiver can tell.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import random
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from engine.errors import StoreError
from engine.hl7.message import best_header
from engine.logs import Extra, about
from engine.retrieve.retry import backoff
from engine.sender import Connection, SendError, connect
from engine.store import Letter, Store
from engine.tls import Tls, reason

_log = logging.getLogger(__name__)
_STORE_RETRY = 1.0  # seconds between attempts to use a store that is out of order
_LONGEST_PAUSE = 60.0  # seconds; then the wall clock is looked at again, which may have been set
_MORE = 16  # letters taken up at a time
_JITTER = 0.2  # pauses are shorter by up to this part, so that many letters do not come back in step
_ACCEPTED = {"CA", "AA"}  # HL7 table 0008; a receiver that only knows original mode says AA, AE, AR
_REFUSED = {"CE", "CR", "AE", "AR"}


class Outbox:
    """Delivers what waits. One letter at a time to an address, in order; no address waits for another."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
        *,
        connect_timeout: float = 5.0,
        answer_timeout: float = 30.0,
        tls: Mapping[tuple[str, int], Tls | None] | None = None,
    ) -> None:
        """``clock`` tells the time with its zone. Timeouts in seconds: for the TCP connection, and for
        sending a letter with the wait for its accept acknowledgment. ``tls``: of each address that replies go
        to; none is encrypted where it is left out."""
        self._store = store
        self._clock = clock
        self._connect_timeout = connect_timeout
        self._answer_timeout = answer_timeout
        self._tls = tls or {}
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._running: dict[tuple[str, int], asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Take up what an earlier run left, then deliver whatever becomes due."""
        self._loop = asyncio.create_task(self._serve())

    def wake(self) -> None:
        """Tell that a letter was posted."""
        self._wake.set()

    async def stop(self, timeout: float) -> None:
        """Begin no more; give deliveries under way ``timeout`` seconds, then break them off. What was not
        delivered goes out after the next start."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=timeout)
        for delivery in running:
            delivery.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def take_up(self) -> None:
        """Look at once whether another engine has left letters."""
        self.wake()

    async def _serve(self) -> None:
        while True:
            self._wake.clear()
            try:
                pause = await self._begin_due()
            except StoreError as error:
                _log.error("cannot read the outbox: %s", error)
                pause = _STORE_RETRY
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _begin_due(self) -> float:
        """Begin what is due; in how many seconds something else will be."""
        now = self._clock()
        busy = set(self._running)  # before the read: what ends meanwhile may still be among what was read
        limit = len(busy) + _MORE  # those under way are due too, and must not keep others out
        due = await self._store.due_letters(now, limit)
        for letter in due:
            if letter.address not in busy:
                self._running[letter.address] = asyncio.create_task(self._run(letter))
        if len(due) == limit:
            return 0
        later = await self._store.next_letter_due(now)
        return _LONGEST_PAUSE if later is None else min((later - now).total_seconds(), _LONGEST_PAUSE)

    async def _run(self, letter: Letter) -> None:
        """One attempt, and what came of it into the store."""
        try:
            await self._attempt(letter)
        finally:
            del self._running[letter.address]
            self.wake()

    async def _attempt(self, letter: Letter) -> None:
        try:
            refusal = await self._deliver(letter)
        except SendError as error:
            await self._put_off(letter, str(error))
            return
        except Exception as error:  # noqa: BLE001  a fault of ours must not stop the address
            extra = _about("failed", letter)
            _log.exception("letter %d failed by a fault of forefetch", letter.id, extra=extra)
            await self._put_off(letter, f"fault in forefetch: {type(error).__name__}")
            return
        if refusal:
            sentence = "letter %d to %s port %d is refused: %s"
            _log.error(sentence, letter.id, *letter.address, refusal, extra=_about("refused", letter))
            await _persist(lambda: self._store.refused(letter.id, refusal))
        else:
            sentence = "letter %d to %s port %d is delivered"
            _log.info(sentence, letter.id, *letter.address, extra=_about("delivered", letter))
            await _persist(lambda: self._store.delivered(letter.id))

    async def _put_off(self, letter: Letter, reason: str) -> None:
        """Later again; the last time when it is to be given up."""
        now = self._clock()
        if now >= letter.give_up_at:
            sentence = "letter %d to %s port %d is given up: %s"
            _log.error(sentence, letter.id, *letter.address, reason, extra=_about("given up", letter))
            await _persist(lambda: self._store.give_up(letter.id, reason))
            return
        pause = backoff(letter.attempts, letter.first, letter.longest) * random.uniform(1 - _JITTER, 1)
        due_at = min(now + dt.timedelta(seconds=pause), letter.give_up_at)
        until = due_at.isoformat("T", "seconds")
        sentence = "letter %d is tried again at %s: %s"
        _log.warning(sentence, letter.id, until, reason, extra=_about("retried", letter))
        await _persist(lambda: self._store.defer(letter.id, due_at, reason))

    async def _deliver(self, letter: Letter) -> str:
        """Send a letter; empty, or why its receiver refuses it. SendError: it may be tried again."""
        connection = await connect(*letter.address, self._connect_timeout, self._encryption(letter))
        try:
            async with asyncio.timeout(self._answer_timeout):
                await connection.write([letter.payload])
                await connection.flush()
                if letter.wait_for_accept:
                    return await _accept(connection, letter)
                await connection.end()
                return ""
        except TimeoutError as exc:
            text = f"the receiver did not accept it within {self._answer_timeout:g} s; look in its log"
            raise SendError(text) from exc
        except ssl.SSLError as exc:
            raise SendError(f"the connection ended: {reason(exc)}") from exc
        except (OSError, EOFError) as exc:
            text = "the receiver closed the connection before it had accepted it; look in its log"
            raise SendError(text) from exc
        except ValueError as exc:
            raise SendError(f"the answer is not MLLP ({exc}); check the port in routes.yaml") from exc
        finally:
            await connection.close()

    def _encryption(self, letter: Letter) -> Tls | None:
        """Of the address. One that is not in routes.yaml any more may have been encrypted: not sent in the
        clear on suspicion."""
        if any(self._tls.values()) and letter.address not in self._tls:
            text = "no reply goes to this address any more, so that it is not known whether to encrypt"
            raise SendError(f"{text}; list it under replies in routes.yaml until this letter is delivered")
        return self._tls.get(letter.address)


async def _accept(connection: Connection, letter: Letter) -> str:
    """Wait for the accept acknowledgment of a letter; empty, or why it is refused (HL7 v2 ch. 2.9.3.2)."""
    while True:
        code, control_id = _msa(await connection.acknowledgment())
        if control_id != letter.control_id:
            sentence = "letter %d: an acknowledgment of another message is ignored"
            _log.warning(sentence, letter.id, extra=_about("ignored", letter))
        elif code in _ACCEPTED:
            return ""
        elif code in _REFUSED:
            return f"the receiver answered {code}; look in its log for MSH-10 {control_id}"
        else:
            sentence = "letter %d: an acknowledgment without a code of table 0008 is ignored"
            _log.warning(sentence, letter.id, extra=_about("ignored", letter))


def _about(step: str, letter: Letter) -> Extra:
    return about(step, letter=letter.id, message=letter.message_id)


def _msa(acknowledgment: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2, also where the rest of an acknowledgment is not as it should be; else empty."""
    separator = best_header(acknowledgment).delimiters.field
    for line in re.split(r"[\r\n]+", acknowledgment.decode("ascii", "replace")):
        name, *fields = [part.strip(" ") for part in line.split(separator)]
        if name == "MSA" and len(fields) >= 2:
            return fields[0], fields[1]
    return "", ""


async def _persist(write: Callable[[], Awaitable[None]]) -> None:
    """Write the end of an attempt, again and again while the store is out of order: the address waits, since
    its letter would be sent twice."""
    while True:
        try:
            return await write()
        except StoreError as error:
            _log.error("the outbox could not be written; trying again: %s", error)
            await asyncio.sleep(_STORE_RETRY)
