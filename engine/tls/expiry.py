"""When a certificate expires, which Python's ``ssl`` tells of the peer's certificates only.

Reads as much of the DER (X.690) of an X.509 certificate (RFC 5280 4.1) as leads to its notAfter.
"""

from __future__ import annotations

import datetime as dt
import re
import ssl
from collections.abc import Iterator

_PEM = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_VERSION = 0xA0
_UTC_TIME = 0x17


def expiry(pem: str) -> dt.datetime:
    """The earliest notAfter of the certificates in a PEM text. ValueError where there is none to read."""
    try:
        return min(_not_after(ssl.PEM_cert_to_DER_cert(match)) for match in _PEM.findall(pem))
    except (IndexError, ValueError) as exc:
        raise ValueError("no certificate in it that can be read") from exc


def _not_after(certificate: bytes) -> dt.datetime:
    (_, content), *_ = _elements(certificate)
    (_, to_be_signed), *_ = _elements(content)
    fields = [field for field in _elements(to_be_signed) if field[0] != _VERSION]
    _serial, _algorithm, _issuer, (_, validity), *_ = fields
    _, (kind, text) = _elements(validity)
    digits = text.decode("ascii")
    if kind == _UTC_TIME:  # RFC 5280 4.1.2.5.1: two digits of the year, from 1950
        digits = ("19" if digits[:2] >= "50" else "20") + digits
    return dt.datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.UTC)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element (X.690 8.1)."""
    at = 0
    while at < len(data):
        tag, size, at = data[at], data[at + 1], at + 2
        if size & 0x80:
            octets = size & 0x7F
            size, at = int.from_bytes(data[at : at + octets], "big"), at + octets
        yield tag, data[at : at + size]
        at += size
