"""TLS for DICOM (PS3.15 annex B) and for MLLP: the settings, the contexts made of them, and what went wrong.

``context`` has the settings and the one place that makes an ``ssl.SSLContext``; ``stream`` is TLS over an
asyncio connection.
"""

from __future__ import annotations

from engine.tls.context import (
    NoTls,
    Tls,
    check_certificates,
    check_key,
    client_context,
    looks_like_tls,
    reason,
    server_context,
)

__all__ = [
    "NoTls",
    "Tls",
    "check_certificates",
    "check_key",
    "client_context",
    "looks_like_tls",
    "reason",
    "server_context",
]
