"""One sender's MLLP connection: every block that comes gets its answers, in order, in bounded memory.

A connection reads, receives up to ``window`` messages at a time, and writes the answers in the order of the
messages. Reading waits while the window is full, so that TCP slows the sender down; a message leaves the
window when the kernel has taken its answer, so that a sender that takes no answers is not read any further.
Application acknowledgments of enhanced mode follow when they are ready.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from engine.answer import Answer
from engine.hl7.mllp import (
    CARRIAGE_RETURN_PATIENCE,
    NEED_DATA,
    BlockFault,
    BlockReceived,
    Decoder,
    FaultKind,
    JunkSkipped,
    ResyncFailed,
    frame,
)
from engine.tls import NoTls, Tls, looks_like_tls, reason
from engine.tls.stream import TlsStream

CHUNK = 2**16
_LINGER = 1.0
"""Seconds for a peer to close after our last answer."""
_DRAINING = 5.0
"""Seconds for pending application acknowledgments when the engine is to stop."""
_LONGEST_BLOCK = 10
"""A block may take so many times ``frame_timeout``, however busily its bytes trickle in."""
_MOST_LATER = 1024
"""Application acknowledgments that one connection may wait for."""

logger = logging.getLogger(__name__)


class Receiver(Protocol):
    """Where messages go. Neither method should raise: it costs the sender its connection."""

    async def receive(self, payload: bytes, peer: str) -> Answer:
        """The acknowledgments of one block, all without MLLP framing. ``peer`` is an address for logs."""

    def refuse(self, head: bytes, reason: str) -> bytes | None:
        """The best NAK for a block that could not be taken; ``head`` is its beginning, however little. None
        where none is due."""


@dataclass(frozen=True, slots=True)
class ListenerSettings:
    """Where to listen, and the limits of one connection. Times are in seconds.

    ``max_message_bytes`` limits one message, and together those that are not answered yet. ``idle_timeout``:
    no byte came and nothing is to be answered. ``frame_timeout``: no byte in the middle of a block, an
    answer that the sender does not take, or a TLS handshake that is not done.
    """

    host: str = "127.0.0.1"
    port: int = 2575
    max_message_bytes: int = 16 * 2**20
    max_connections: int = 256
    window: int = 32
    idle_timeout: float = 600.0
    frame_timeout: float = 30.0
    tls: Tls | None = None


class Connection:
    """One sender."""

    def __init__(
        self,
        reader: StreamReader | TlsStream,
        writer: StreamWriter | TlsStream,
        peer: str,
        settings: ListenerSettings,
        receiver: Receiver,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._peer = peer
        self._settings = settings
        self._receiver = receiver
        self._decoder = Decoder(settings.max_message_bytes)
        self._answers = _Answers(settings.window, settings.max_message_bytes)
        self._later: set[asyncio.Task[None]] = set()
        self._writing = asyncio.Lock()
        self._silence: asyncio.Timeout | None = None
        self._block_began: float | None = None
        self._draining = False
        self._reading = True
        self._timed_out = False
        self._lost = False
        self._began = False

    async def run(self) -> None:
        """Serve until one side ends it. Cancel to cut it off."""
        _tune(self._writer)
        try:
            if isinstance(self._writer, TlsStream) and not await self._shake_hands(self._writer):
                return await self._linger()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._write_answers())
                await self._read_blocks(tasks)
                self._answers.end()
            if self._later:
                patience = _DRAINING if self._draining else self._settings.frame_timeout
                await asyncio.wait(self._later, timeout=patience)  # then kept for the message sent again
            await self._linger()
        finally:
            for task in self._later:
                task.cancel()
            self.abort()
            logger.info("%s closed after %d answers", self._peer, self._answers.taken)
            with suppress(OSError):
                await self._writer.wait_closed()

    @property
    def ended(self) -> bool:
        """Whether no message comes any more: only answers are still to go out."""
        return not self._reading

    def abort(self) -> None:
        """Close the socket at once."""
        self._writer.transport.abort()

    def stop_reading(self) -> None:
        """Answer what was received, then close."""
        self._reading = False
        self._draining = True
        if self._silence is not None and not self._silence.expired():
            self._silence.reschedule(asyncio.get_running_loop().time())

    async def _shake_hands(self, stream: TlsStream) -> bool:
        if self._draining:
            return False
        try:
            async with asyncio.timeout(self._settings.frame_timeout) as self._silence:
                await stream.handshake()
                return True
        except NoTls:
            why = "it does not speak TLS, which this port is for; set the sender to TLS (engine.tls)"
        except TimeoutError:
            why = f"no TLS handshake within {self._settings.frame_timeout:g} s (frame_timeout)"
        except OSError as exc:
            why = reason(exc)
        finally:
            self._silence = None
        self._reading = False
        if not self._draining:
            logger.warning("%s: closing, %s", self._peer, why)
        return False

    async def _read_blocks(self, tasks: asyncio.TaskGroup) -> None:
        while self._reading:
            taken = self._answers.taken
            chunk = await self._read()
            if chunk and self._speaks_tls_to_plain(chunk):
                self._reading = False
            elif chunk:
                self._decoder.receive_data(chunk)
                if not self._decoder.in_block:
                    self._block_began = None
            elif chunk is not None:
                self._end()
            elif self._reading:
                answering = self._answers.pending > 0 or self._answers.taken > taken
                self._pass_silence(answering=answering or bool(self._later))
            await self._take_events(tasks)

    def _speaks_tls_to_plain(self, chunk: bytes) -> bool:
        first, self._began = not self._began, True
        if not first or isinstance(self._reader, TlsStream) or not looks_like_tls(chunk):
            return False
        text = (
            "%s: closing, it speaks TLS, which this port is not for; set it to plain MLLP, or give engine.tls"
        )
        logger.warning(text, self._peer)
        return True

    async def _read(self) -> bytes | None:
        """The next bytes, ``b""`` at the end of the stream, None after silence or ``stop_reading``."""
        patience = self._patience_in_block() if self._decoder.in_block else self._settings.idle_timeout
        if self._decoder.awaiting_carriage_return:
            patience = CARRIAGE_RETURN_PATIENCE
        try:
            async with asyncio.timeout(patience) as self._silence:
                return await self._reader.read(CHUNK)
        except TimeoutError:
            return None
        except OSError as exc:
            self._lose(f"reading failed ({type(exc).__name__})")
            return b""
        finally:
            self._silence = None

    def _patience_in_block(self) -> float:
        """Seconds until a block counts as broken off: by silence, or since it has taken too long in all."""
        now = asyncio.get_running_loop().time()
        self._block_began = self._block_began or now
        limit = self._block_began + _LONGEST_BLOCK * self._settings.frame_timeout - now
        return max(0.0, min(self._settings.frame_timeout, limit))

    def _pass_silence(self, *, answering: bool) -> None:
        if self._decoder.awaiting_carriage_return:
            self._decoder.accept_without_carriage_return()
        elif self._decoder.in_block:
            self._timed_out = True
            self._end()
        elif not answering:
            self._reading = False

    def _end(self) -> None:
        self._decoder.receive_eof()
        self._reading = False

    async def _take_events(self, tasks: asyncio.TaskGroup) -> None:
        """Start on every block that is complete, as fast as the window allows."""
        while (event := self._decoder.next_event()) is not NEED_DATA:
            match event:
                case BlockReceived(payload=kept) | BlockFault(head=kept):
                    await self._answers.room_for(len(kept))
                    self._answers.put(tasks.create_task(self._answer(event)), len(kept))
                case JunkSkipped(size):
                    logger.warning("%s sent %d bytes outside of a block", self._peer, size)
                case ResyncFailed(size):
                    logger.warning("%s sent %d bytes without an end block; closing", self._peer, size)
                    self._reading = False

    async def _answer(self, block: BlockReceived | BlockFault) -> Answer | None:
        """The acknowledgments, or None where the receiver raises."""
        try:
            if isinstance(block, BlockReceived):
                return await self._receiver.receive(block.payload, self._peer)
            reason = self._reason(block.kind)
            logger.warning("%s sent a block of %d bytes that is refused: %s", self._peer, block.size, reason)
            refusal = self._receiver.refuse(block.head, reason)
            return Answer((refusal,) if refusal is not None else ())
        except Exception as exc:  # noqa: BLE001  a fault of the receiver ends this connection alone
            self._log_fault(exc)
            return None

    def _log_fault(self, exc: Exception) -> None:
        """Without its text, which may quote the message."""
        where = "".join(traceback.format_tb(exc.__traceback__))
        logger.error("%s: %s instead of an answer, from\n%s", self._peer, type(exc).__name__, where)

    def _reason(self, kind: FaultKind) -> str:
        if kind is FaultKind.OVERSIZE:
            return f"more than {self._settings.max_message_bytes} bytes (max_message_bytes)"
        if self._timed_out:
            return f"no byte for {self._settings.frame_timeout:g} s in the middle of a block (frame_timeout)"
        return str(kind)

    async def _write_answers(self) -> None:
        while (answer := await self._answers.next()) is not None:
            acknowledgments = await answer
            if acknowledgments is None:
                # The sender would take the next answer for this one
                self._lose("a message has no answer")
            else:
                await self._deliver(acknowledgments)
            self._answers.leave()

    async def _deliver(self, answer: Answer) -> None:
        for acknowledgment in answer.now:
            if not self._lost:
                await self._write(acknowledgment)
        for awaited in answer.later if not self._lost else ():
            if len(self._later) >= _MOST_LATER:
                logger.warning("%s: %d answers are pending; one will stay away", self._peer, _MOST_LATER)
                continue  # it is kept: the sender gets it by sending the message again
            task = asyncio.create_task(self._deliver_later(awaited))
            self._later.add(task)
            task.add_done_callback(self._later.discard)

    async def _deliver_later(self, awaited: Awaitable[bytes | None]) -> None:
        try:
            acknowledgment = await awaited
        except Exception as exc:  # noqa: BLE001  this answer stays away; the connection is not to blame
            self._log_fault(exc)
            return
        if acknowledgment is not None and not self._lost:
            await self._write(acknowledgment)

    async def _write(self, acknowledgment: bytes) -> None:
        try:
            async with self._writing, asyncio.timeout(self._settings.frame_timeout):
                self._writer.write(frame(acknowledgment))
                await self._writer.drain()
        except TimeoutError:
            self._lose(f"no answer was taken for {self._settings.frame_timeout:g} s (frame_timeout)")
        except OSError as exc:
            self._lose(f"writing failed ({type(exc).__name__})")

    def _lose(self, why: str) -> None:
        """Neither read nor write any more; what was received is still carried out."""
        if not self._lost:
            logger.warning("%s: closing, %s", self._peer, why)
        self._lost = True
        self._reading = False
        for task in self._later:
            task.cancel()
        self.abort()

    async def _linger(self) -> None:
        """Let the peer close first: to close with bytes unread resets the connection, which may cost the peer
        the last answers (RFC 1122, 4.2.2.13)."""
        with suppress(OSError):
            async with asyncio.timeout(_LINGER):
                self._writer.write_eof()
                while await self._reader.read(CHUNK):
                    pass


_Answer = asyncio.Task[Answer | None]


class _Answers:
    """Answers in the order of their messages: at most ``window``, to at most ``max_bytes`` of messages or to
    one."""

    def __init__(self, window: int, max_bytes: int) -> None:
        self._window = window
        self._max_bytes = max_bytes
        self._queue: asyncio.Queue[tuple[_Answer, int] | None] = asyncio.Queue()
        self._current = 0
        self._bytes = 0
        self._left = asyncio.Event()
        self.pending = 0
        self.taken = 0

    async def room_for(self, size: int) -> None:
        while self.pending >= self._window or (self.pending and self._bytes + size > self._max_bytes):
            self._left.clear()
            await self._left.wait()

    def put(self, answer: _Answer, size: int) -> None:
        self.pending += 1
        self._bytes += size
        self._queue.put_nowait((answer, size))

    def end(self) -> None:
        self._queue.put_nowait(None)

    async def next(self) -> _Answer | None:
        """The oldest, which stays in the window until ``leave``; None after ``end``."""
        item = await self._queue.get()
        if item is None:
            return None
        answer, self._current = item
        return answer

    def leave(self) -> None:
        self.pending -= 1
        self.taken += 1
        self._bytes -= self._current
        self._left.set()


def _tune(writer: StreamWriter | TlsStream) -> None:
    """No delay for small answers, notice of peers that are gone, and ``drain`` means: the kernel has it."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError):  # a peer that is gone already is noticed when reading
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    writer.transport.set_write_buffer_limits(high=0)
