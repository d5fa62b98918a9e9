"""Settings of TLS, contexts made of them, and errors in words that name the cure.

As the BCP 195 TLS profiles of PS3.15 B (RFC 9325) have it: TLS 1.2 at least, 1.3 where both sides have it,
and cipher suites with forward secrecy and authenticated encryption.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"  # of TLS 1.2, RFC 9325 4.2; those of 1.3 are all good


@dataclass(frozen=True, slots=True)
class Tls:
    """How one connection is encrypted. Files are PEM, and empty where there is none.

    ``ca``: certificates that the peer's must come from; those of the system where empty. ``certificate``
    (with its chain) and ``key``: ours. ``verify`` false takes any certificate: whoever sits in between reads
    all. ``hostname``: the name in the peer's certificate, where it is not the host that is connected to.
    ``minimum``: "1.2" or "1.3". ``peer``: the peer's own certificate, where it is known beforehand: that one
    and no other is taken, whoever has issued it and for whatever name.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True
    hostname: str = ""
    minimum: str = "1.2"
    peer: str = ""

    def name_of(self, host: str) -> str:
        """What the certificate of a peer that is connected to as ``host`` has to be for."""
        return self.hostname or host


def client_context(tls: Tls, host: str) -> ssl.SSLContext:
    """For a side that connects to ``host``. Raises OSError (ssl.SSLError among them) for a file that cannot
    be used, and for a name that no certificate can have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.peer:
        _take_only(context, tls.peer)
    elif tls.ca:
        context.load_verify_locations(tls.ca)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    name = tls.name_of(host)
    try:
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name)
    except ValueError as exc:
        raise ssl.SSLError(f"{name!r} is no name that a certificate can have") from exc
    return _with_ours(context, tls)


def _take_only(context: ssl.SSLContext, path: str) -> None:
    """The first certificate of a file is the peer's own, those after it are its chain (RFC 8446 4.4.2), which
    is not trusted: it may be an authority of many."""
    match = _CERTIFICATE.search(Path(path).read_text(encoding="ascii", errors="replace"))
    if match is None:
        raise ssl.SSLError(f"{path} has no certificate in PEM")
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=match[0])


def server_context(tls: Tls) -> ssl.SSLContext:
    """For a side that listens; with ``ca``, clients need a certificate from there. Raises as the other."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if tls.ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(tls.ca)
    return _with_ours(context, tls)


def _with_ours(context: ssl.SSLContext, tls: Tls) -> ssl.SSLContext:
    context.minimum_version = _MINIMUM[tls.minimum]
    context.set_ciphers(_CIPHERS)
    if tls.certificate:
        # A password: never asked for at a terminal, where nobody would answer
        context.load_cert_chain(tls.certificate, tls.key or None, password=lambda: "")
    return context


def check_certificates(path: str) -> None:
    """Raises OSError unless the file has certificates in PEM."""
    ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)


def check_key(certificate: str, key: str) -> None:
    """Raises OSError unless the key is one without a password that belongs to the certificate."""
    _with_ours(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Tls(certificate=certificate, key=key))


class NoTls(ssl.SSLError):
    """The first bytes of the peer are no TLS."""


def looks_like_tls(beginning: bytes) -> bool:
    """Whether bytes begin a TLS record: an alert (RFC 8446 5.1, type 21) or a handshake (type 22)."""
    return len(beginning) >= 2 and beginning[0] in (0x15, 0x16) and beginning[1] == 0x03


_EXPIRED, _NOT_YET, _SELF_SIGNED, _HOST, _ADDRESS = 10, 9, 18, 62, 64  # X509_V_ERR_…
_UNTRUSTED = "its certificate does not come from our authorities; enter the one that issued it as tls.ca"
_UNVERIFIED = {
    _EXPIRED: "its certificate has expired; have it renewed",
    _NOT_YET: "its certificate is not valid yet; compare the clocks of both machines",
    _SELF_SIGNED: "its certificate is signed by itself and not one of ours; enter that certificate as tls.ca",
    _HOST: "its certificate is for another name; enter the name in it as tls.hostname",
    _ADDRESS: "its certificate is not for this address; enter the name in it as tls.hostname",
}
_SPEAKS_NONE = "it does not speak TLS there; check the port, or take the tls section away"
_NO_TLS = re.compile(r"WRONG_VERSION_NUMBER|HTTP_REQUEST|RECORD_LAYER_FAILURE|UNKNOWN_PROTOCOL|PACKET_LENGTH")
_REFUSES_OURS = re.compile(r"ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)")
_NO_COMMON = re.compile(r"UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|NO_SHARED_CIPHER|VERSION_TOO_LOW")


def reason(error: OSError) -> str:
    """Why a TLS connection did not come about, with the cure, for a person; "its" are the peer's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _UNVERIFIED.get(error.verify_code, _UNTRUSTED)
    if isinstance(error, TimeoutError):
        return "the TLS handshake is not answered; check that the port is its TLS port"
    if isinstance(error, NoTls):
        return _SPEAKS_NONE
    name = (getattr(error, "reason", "") or "").upper().replace(" ", "_")
    if _NO_TLS.search(name):
        return _SPEAKS_NONE
    if "PEER_DID_NOT_RETURN_A_CERTIFICATE" in name:
        return "it has no certificate, which tls.ca asks for; have one entered there, or take tls.ca away"
    if _REFUSES_OURS.search(name):
        return f"it refuses our certificate or wants one ({name}); check tls.certificate and what it trusts"
    if _NO_COMMON.search(name):
        return f"no TLS version or cipher in common ({name}); compare tls.minimum with what it offers"
    if "HANDSHAKE_FAILURE" in name:
        return f"it refuses the handshake ({name}); it may want a certificate of ours (tls.certificate)"
    if not name or "EOF" in name:
        return "it closed the connection during the TLS handshake; check that the port is its TLS port"
    return f"TLS failed ({name}); look in its log"
