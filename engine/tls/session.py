"""TLS without I/O: what the peer has sent in, plain bytes out, and the other way."""

from __future__ import annotations

import ssl
from contextlib import suppress

from engine.tls.context import NoTls, looks_like_tls

_CHUNK = 2**16


class TlsSession:
    """One connection's. After every call the peer is to be sent what is in ``to_send``."""

    def __init__(self, context: ssl.SSLContext, hostname: str | None = None) -> None:
        """``hostname`` is the peer's where this side connects; None where it listens."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=hostname is None, server_hostname=hostname
        )
        self._heard = False
        self.established = False
        self.ended = False
        """The peer has shut down its side with close_notify (RFC 8446 6.1)."""
        self.fault: OSError | None = None
        """Why there is no TLS, or no more: ssl.SSLError, or NoTls where the peer does not speak it."""

    def receive(self, sent: bytes) -> bytes:
        """What was ``sent`` (nothing: begin the handshake), and the plain bytes that are complete with it;
        none after a ``fault``."""
        if sent and not self._heard and not looks_like_tls(sent[:1] + b"\x03"):
            self.fault = NoTls("the peer does not speak TLS")
        self._heard = self._heard or bool(sent)
        if self.fault is not None:
            return b""
        self._incoming.write(sent)
        plain: list[bytes] = []
        try:
            if not self.established:
                self._tls.do_handshake()
                self.established = True
            while some := self._tls.read(_CHUNK):
                plain.append(some)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as exc:
            self.fault = exc
        return b"".join(plain)

    def send(self, plain: bytes) -> None:
        """Have ``plain`` sent."""
        self._tls.write(plain)

    def shut_down(self) -> None:
        """Send close_notify; the peer may go on."""
        with suppress(ssl.SSLError):  # it has not shut down its side, which need not be
            self._tls.unwrap()

    def to_send(self) -> bytes:
        """The bytes that are for the peer, once."""
        return self._outgoing.read()
