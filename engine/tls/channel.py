"""TLS between an asyncio transport and the protocol that is on the listening side of it.

asyncio's own TLS closes both directions when a peer shuts down its side; an MLLP sender may do that and
still get its answers.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Protocol

from engine.tls.context import NoTls, reason
from engine.tls.session import TlsSession


class Speaker(Protocol):
    """The protocol above (`asyncio.Protocol`), which can also be told that nothing will come of it."""

    def connection_made(self, transport: Any) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def give_up(self, why: str) -> None: ...
    def lose(self, why: str) -> None: ...


class TlsChannel(asyncio.Protocol):
    """Protocol to the transport below, transport to the protocol above, which sees plain bytes."""

    def __init__(self, context: ssl.SSLContext, above: Speaker, patience: float) -> None:
        """``patience``: seconds for the handshake."""
        self._session = TlsSession(context)
        self._above = above
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        self._over = False  # nothing that comes has a meaning any more
        self._shut = False  # our side

    # What the transport calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(self._patience, self._too_slow)
        self._above.connection_made(self)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return  # of no meaning, but the peer gets the alert if it is read
        plain = self._session.receive(data)
        self._flush()
        if self._session.established:
            self._stop_waiting()
        if plain:
            self._above.data_received(plain)
        if self._session.fault is not None:
            self._fail(self._session.fault)
        elif self._session.ended:
            self._over = True
            self._above.eof_received()

    def eof_received(self) -> bool:
        """The peer has shut down its side, without close_notify if need be: MLLP can tell itself whether a
        message is whole."""
        if not self._over and not self._session.established:
            self._fail(ConnectionResetError("closed during the TLS handshake"))
        self._over = True
        return self._above.eof_received()

    def pause_writing(self) -> None:
        self._above.pause_writing()

    def resume_writing(self) -> None:
        self._above.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._above.connection_lost(exc)

    # What the protocol above calls

    def write(self, data: bytes) -> None:
        if self._session.established:
            self._session.send(data)
            self._flush()

    def write_eof(self) -> None:
        """Shut down our side (close_notify, then TCP's FIN); the peer may go on."""
        self._session.shut_down()
        self._flush()
        self._shut = True
        self._transport.write_eof()

    def abort(self) -> None:
        self._transport.abort()

    def close(self) -> None:
        self._transport.close()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_extra_info(self, name: str) -> Any:
        return self._transport.get_extra_info(name)

    def set_write_buffer_limits(self, high: int) -> None:
        self._transport.set_write_buffer_limits(high=high)

    def _flush(self) -> None:
        words = self._session.to_send()
        if words and not self._shut:
            self._transport.write(words)

    def _too_slow(self) -> None:
        self._over = True
        self._above.give_up(f"no TLS handshake within {self._patience:g} s (frame_timeout)")

    def _fail(self, fault: OSError) -> None:
        self._over = True
        self._stop_waiting()
        if self._shut:
            pass  # to reset the connection may cost the peer the last answers
        elif self._session.established:
            self._above.lose(f"reading failed ({type(fault).__name__})")
        elif isinstance(fault, NoTls):
            self._above.give_up(
                "it does not speak TLS, which this port is for; set the sender to TLS (engine.tls)"
            )
        else:
            self._above.give_up(reason(fault))

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
