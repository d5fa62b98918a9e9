"""Where the server is reached by HTTP, and by which names."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp.server.transport_security import TransportSecuritySettings

from engine.address import in_url, is_every_address, is_loopback
from engine.errors import ForefetchError
from engine.http import listen
from engine.tls import Tls, check_key

PATH = "/mcp"

_THIS_MACHINE = ("127.0.0.1", "localhost", "[::1]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class EndpointRefused(ForefetchError):
    """It cannot, or must not, be served there. The text has the cure."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``names``: by which clients reach it beside its address, such as that of a reverse proxy."""

    host: str
    port: int
    tls: Tls | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, address: str, certificate: Path | None, key: Path | None, names: Sequence[str] = ()
    ) -> Endpoint:
        """From what a person gives. EndpointRefused where a token would be in the clear, among others."""
        host, port = _split(address)
        tls = _tls(certificate, key)
        if tls is None and not is_loopback(host):
            raise EndpointRefused(
                f"--http {address}: other machines reach that, and would send the token in the clear; bind "
                "127.0.0.1 (behind a reverse proxy that speaks TLS), or give --tls-certificate and --tls-key"
            )
        if is_every_address(host) and not names:
            raise EndpointRefused(
                f"--http {address}: that is every address of this machine; say with --host-name by which "
                "name or address clients reach it, since requests for other names are refused"
            )
        return cls(host, port, tls, tuple(names))

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"

    def url(self, port: int) -> str:
        """``port``: as bound."""
        return f"{self.scheme}://{in_url(self.host)}:{port}{PATH}"

    def security(self, port: int) -> TransportSecuritySettings:
        """Which Host and Origin a request may have. A page in a browser on this machine that has made its own
        name lead here (DNS rebinding) has others."""
        hosts = _THIS_MACHINE if is_loopback(self.host) else (in_url(self.host),)
        ours = [f"{host}:{port}" for host in hosts]
        if port == _DEFAULT_PORTS[self.scheme]:
            ours += hosts
        named = [form for name in self.names for form in (in_url(name), f"{in_url(name)}:*")]
        return TransportSecuritySettings(
            allowed_hosts=[*ours, *named],
            allowed_origins=[
                *(f"{self.scheme}://{host}" for host in ours),
                *(f"{scheme}://{name}" for name in named for scheme in _DEFAULT_PORTS),
            ],
        )

    def listen(self) -> socket.socket:
        """A socket that listens there. ListenError where it cannot."""
        return listen(self.host, self.port, "give --http another address or port")


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise EndpointRefused(f"--http {address}: expected HOST:PORT, such as 127.0.0.1:8765")
    return host, int(port)


def _tls(certificate: Path | None, key: Path | None) -> Tls | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise EndpointRefused("--tls-certificate and --tls-key: both or neither")
    try:
        check_key(str(certificate), str(key))
    except OSError as error:
        raise EndpointRefused(
            f"--tls-certificate {certificate} and --tls-key {key} cannot be used "
            f"({error.strerror or error}); give a certificate with its chain and the key of it, in PEM and "
            "without a password"
        ) from error
    return Tls(certificate=str(certificate), key=str(key))
