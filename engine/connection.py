"""One sender's MLLP connection: every block that comes gets its answers, in order, in bounded memory.

A connection reads, receives up to ``window`` messages at a time, and writes the answers in the order of the
messages. Reading waits while the window is full, so that TCP slows the sender down. Application
acknowledgments of enhanced mode follow when they are ready. A connection is in one of

=========  ==============================================  ==========================================
phase      what it is                                      left
=========  ==============================================  ==========================================
READING    messages come                                   at the end of the stream, after silence,
                                                           when the engine is to stop
ANSWERING  what has come is answered, no more is read      when every answer has gone out
LINGERING  our side is shut down, the peer is to close     when it does, or after a second
CLOSED     the socket is gone; what was received is still  when that is done
           carried out
=========  ==============================================  ==========================================
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol

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
)
from engine.logs import about
from engine.outgoing import Awaited, Outgoing, Window
from engine.tls import Tls, looks_like_tls
from engine.watch import Watch

_LINGER = 1.0
"""Seconds for a peer to close after our last answer."""
_DRAINING = 5.0
"""Seconds for pending application acknowledgments when the engine is to stop."""
_LONGEST_BLOCK = 10
"""A block may take so many times ``frame_timeout``, however busily its bytes trickle in."""

logger = logging.getLogger(__name__)


class Receiver(Protocol):
    """Where messages go. Neither method should raise: it costs the sender its connection."""

    async def receive(self, payload: bytes, peer: str) -> Answer:
        """The acknowledgments of one block, all without MLLP framing. ``peer`` is an address for logs."""

    def refuse(self, head: bytes, reason: str) -> bytes | None:
        """The best NAK for a block that could not be taken; ``head`` is its beginning, however little. None
        where none is due."""


class Stream(Protocol):
    """What a connection needs of asyncio's transport, or of TLS over one."""

    def write(self, data: bytes) -> None: ...
    def write_eof(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_extra_info(self, name: str) -> Any: ...
    def set_write_buffer_limits(self, high: int) -> None: ...


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


class _Phase(Enum):
    READING = auto()
    ANSWERING = auto()
    LINGERING = auto()
    CLOSED = auto()


class Connection(asyncio.Protocol):
    """One sender, for one event loop, which calls it with what happens (`asyncio.Protocol`)."""

    def __init__(
        self, settings: ListenerSettings, receiver: Receiver, admit: Callable[[Connection], bool]
    ) -> None:
        """``admit`` is asked once, as soon as the peer is known."""
        self._settings = settings
        self._receiver = receiver
        self._admit = admit
        self._loop = asyncio.get_running_loop()
        self._decoder = Decoder(settings.max_message_bytes)
        self._outgoing = Outgoing(self, Window(settings.window, settings.max_message_bytes))
        self._next: BlockReceived | BlockFault | None = None  # for which the window has no room yet
        self._phase = _Phase.READING
        self._heard = self._loop.time()
        self._block_began: float | None = None
        self._answered: float | None = None  # when nothing but application acknowledgments was left
        self._watch = Watch(self._loop, self._pass_time)
        self._stopped = False  # reading, for the window is full
        self._began = self._peer_done = self._timed_out = self._draining = self._lost = False
        self.peer = "unknown"
        self.done: asyncio.Future[None] = self._loop.create_future()
        """Done when the socket is closed and everything that was received is carried out."""

    @property
    def ended(self) -> bool:
        """Whether no message comes any more: only answers are still to go out."""
        return self._phase is not _Phase.READING

    def stop_reading(self) -> None:
        """Answer what was received, then close."""
        self._draining = True
        self._end_reading()

    def cut_off(self) -> None:
        """Close at once. What has no answer yet gets none, and what waits for room is not begun."""
        self._next = None
        self._decoder = Decoder(self._settings.max_message_bytes)
        self._outgoing.window.cancel()
        self._lost = True
        self._transport.abort()

    # What asyncio calls

    def connection_made(self, transport: Any) -> None:
        self._transport: Stream = transport
        address = transport.get_extra_info("peername") or ("unknown", 0)
        self.peer = join(*address[:2])
        if not self._admit(self):
            self._lost = True
            self.done.set_result(None)
            transport.abort()
            return
        _tune(transport)
        self._set_watch()

    def data_received(self, data: bytes) -> None:
        if self._phase is not _Phase.READING:
            return
        first, self._began = not self._began, True
        if self._outgoing.taking:  # else it is awaited that an answer is taken, whatever comes
            self._heard = self._loop.time()
        if first and self._settings.tls is None and looks_like_tls(data):
            self.give_up(
                "it speaks TLS, which this port is not for; set it to plain MLLP, or give engine.tls"
            )
            return
        self._decoder.receive_data(data)
        self._take_blocks()
        self._set_watch()

    def eof_received(self) -> bool:
        """True: our side stays open for the answers."""
        self._peer_done = True
        if self._phase is _Phase.LINGERING:
            self._transport.close()
        elif self._phase is _Phase.READING:
            self._end_stream()
        return True

    def pause_writing(self) -> None:
        self._outgoing.taking = False
        self._heard = self._loop.time()
        self._set_watch()

    def resume_writing(self) -> None:
        self._heard = self._loop.time()
        self._outgoing.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self._lost:
            self._warn("closed", "%s: closing, the connection failed (%s)", type(exc).__name__)
        self._lost = True
        self._phase = _Phase.CLOSED
        self._watch.stop()
        self._outgoing.drop()

    # Reading

    def _take_blocks(self) -> None:
        """Start on every block that is complete, as fast as the window allows."""
        while (event := self._next or self._decoder.next_event()) is not NEED_DATA:
            match event:
                case BlockReceived(payload=kept) | BlockFault(head=kept):
                    self._block_began = None
                    if not self._outgoing.window.has_room(len(kept)):
                        self._next = event
                        self._read_on(False)
                        return
                    self._next = None
                    self._begin(event, len(kept))
                case JunkSkipped(size):
                    self._warn("ignored", "%s sent %d bytes outside of a block", size)
                case ResyncFailed(size):
                    self._warn("closed", "%s sent %d bytes without an end block; closing", size)
                    self._end_reading()
        if not self._decoder.in_block:
            self._block_began = None
        elif self._block_began is None:
            self._block_began = self._loop.time()

    def _begin(self, block: BlockReceived | BlockFault, size: int) -> None:
        answer: Awaited
        if isinstance(block, BlockReceived):
            answer = self._loop.create_task(self._receiver.receive(block.payload, self.peer))
        else:
            answer = self._loop.create_future()
            self._refuse(block, answer)
        self._outgoing.put(answer, size)

    def _refuse(self, block: BlockFault, answer: Awaited) -> None:
        reason = self._reason(block.kind)
        self._warn("refused", "%s sent a block of %d bytes that is refused: %s", block.size, reason)
        try:
            refusal = self._receiver.refuse(block.head, reason)
            answer.set_result(Answer((refusal,) if refusal is not None else ()))
        except Exception as exc:  # noqa: BLE001  told in its turn
            answer.set_exception(exc)

    def _reason(self, kind: FaultKind) -> str:
        if kind is FaultKind.OVERSIZE:
            return f"more than {self._settings.max_message_bytes} bytes (max_message_bytes)"
        if self._timed_out:
            return f"no byte for {self._settings.frame_timeout:g} s in the middle of a block (frame_timeout)"
        return str(kind)

    def _end_stream(self) -> None:
        """No byte comes any more: what is incomplete is a fault."""
        self._decoder.receive_eof()
        self._end_reading()

    def _end_reading(self) -> None:
        if self._phase is _Phase.READING:
            self._phase = _Phase.ANSWERING
            self._take_blocks()
            self.go_on()

    def _read_on(self, wanted: bool) -> None:
        if self._stopped is wanted and not self._lost:
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()
            self._stopped = not wanted
            self._heard = self._loop.time()

    # Ending

    def _warn(self, step: str, sentence: str, *values: object) -> None:
        """``sentence`` begins with the peer's address."""
        logger.warning(sentence, self.peer, *values, extra=about(step, peer=self.peer))

    def give_up(self, why: str) -> None:
        """Read no more, and say why; what was received is answered."""
        if self._phase is _Phase.READING and not self._draining:
            self._warn("closed", "%s: closing, %s", why)
        self._end_reading()

    def lose(self, why: str) -> None:
        """Neither read nor write any more; what was received is still carried out."""
        if not self._lost:
            self._warn("closed", "%s: closing, %s", why)
            self._lost = self._outgoing.dropped = True
            self._transport.abort()

    def send(self, framed: bytes) -> None:
        self._transport.write(framed)

    def go_on(self) -> None:
        """To the next block where there was no room for it, or to the next phase."""
        if self._next is not None:
            self._take_blocks()
            if self._next is None:
                self._read_on(True)
                self._set_watch()  # what has come may end in the middle of a block
        if self._next is not None or self._outgoing.window.pending:
            return
        if self._phase is _Phase.READING and self._outgoing.taking:
            self._heard = self._loop.time()  # it is idle from now on
        elif self._phase is _Phase.CLOSED:
            self._end()
        elif self._phase is _Phase.ANSWERING and self._outgoing.taking and not self._lost:
            if not self._outgoing.awaits_later:
                self._linger()
            elif self._answered is None:
                self._answered = self._heard = self._loop.time()
                self._set_watch()

    def _linger(self) -> None:
        """Let the peer close first: to close with bytes unread resets the connection, which may cost the peer
        the last answers (RFC 1122, 4.2.2.13)."""
        self._phase = _Phase.LINGERING
        with suppress(OSError):
            self._transport.write_eof()
        self._read_on(True)
        if self._peer_done:
            self._transport.close()
        self._heard = self._loop.time()
        self._set_watch()

    def _end(self) -> None:
        if not self.done.done():
            extra = about("closed", peer=self.peer)
            logger.info("%s closed after %d answers", self.peer, self._outgoing.window.taken, extra=extra)
            self.done.set_result(None)

    # Time

    def _patience(self) -> float:
        """Seconds of silence that are still too few for anything to happen."""
        if self._phase is _Phase.LINGERING:
            return _LINGER
        if not self._outgoing.taking:
            return self._settings.frame_timeout
        if self._phase is _Phase.ANSWERING:
            return _DRAINING if self._draining else self._settings.frame_timeout
        if self._decoder.awaiting_carriage_return:
            return CARRIAGE_RETURN_PATIENCE
        if self._block_began is not None:
            limit = self._block_began + _LONGEST_BLOCK * self._settings.frame_timeout - self._heard
            return max(0.0, min(self._settings.frame_timeout, limit))
        return self._settings.idle_timeout

    def _set_watch(self) -> None:
        self._watch.set(self._heard + self._patience())

    def _pass_time(self) -> None:
        """The time that was watched for has come; it may have been put off meanwhile."""
        if self._loop.time() < self._heard + self._patience():
            pass
        elif self._phase is _Phase.LINGERING:
            self._transport.abort()
        elif not self._outgoing.taking:
            self.lose(f"no answer was taken for {self._settings.frame_timeout:g} s (frame_timeout)")
        elif self._answered is not None:
            self._outgoing.cancel_later()
        elif self._phase is _Phase.ANSWERING or self._stopped:
            self._heard = self._loop.time()
        else:
            self._pass_silence()
        if self._phase is not _Phase.CLOSED:
            self._set_watch()

    def _pass_silence(self) -> None:
        self._heard = self._loop.time()
        if self._decoder.awaiting_carriage_return:
            self._decoder.accept_without_carriage_return()
            self._take_blocks()
        elif self._decoder.in_block:
            self._timed_out = True
            self._end_stream()
        elif not self._outgoing.window.pending and not self._outgoing.awaits_later:
            self._end_reading()


def join(host: str, port: int) -> str:
    """An address as it is written."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tune(transport: Stream) -> None:
    """No delay for small answers, notice of peers that are gone, and pauses as soon as the kernel takes no
    more."""
    connection = transport.get_extra_info("socket")
    with suppress(OSError):  # a peer that is gone already is noticed when reading
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    transport.set_write_buffer_limits(high=0)
