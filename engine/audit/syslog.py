"""Syslog messages (RFC 5424) as PS3.15 A.6 and A.7 fill them in."""

from __future__ import annotations

import datetime as dt
import re

from engine.audit.xml import moment

_PRIORITY = 85  # facility 10, security and authorization, and severity 5
_MESSAGE_ID = "DICOM+RFC3881"
_BOM = b"\xef\xbb\xbf"
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>'
_NO_NAME = re.compile(r"[^\x21-\x7e]")


def syslog_message(xml: bytes, at: dt.datetime, host: str, application: str, process: str) -> bytes:
    """One SYSLOG-MSG, without framing and without STRUCTURED-DATA. ``process``: PROCID."""
    names = f"{_name(host, 255)} {_name(application, 48)} {_name(process, 128)}"
    header = f"<{_PRIORITY}>1 {moment(at)} {names} {_MESSAGE_ID} - "
    return header.encode("ascii") + _BOM + _DECLARATION + xml


def framed(message: bytes) -> bytes:
    """With its length before it (RFC 5425 4.3)."""
    return b"%d %b" % (len(message), message)


def _name(text: str, longest: int) -> str:
    return _NO_NAME.sub("_", text)[:longest] or "-"
