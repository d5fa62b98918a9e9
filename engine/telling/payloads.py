"""Messages as people and programs give them: text in which one or several stand, as in a file."""

from __future__ import annotations

import re
from contextlib import suppress

from engine.errors import MessageError
from engine.hl7.batch import is_batch, messages_of_batch
from engine.hl7.charset import codec_of, declared_sets
from engine.hl7.files import messages_of

_MOST = 50  # messages of one call
_FRAME_END = re.compile(r"\x1c[\r\n]*\Z")  # of a message whose frame begins in no text
_WRITTEN_OUT = re.compile(r"\\[rn][A-Z][A-Z0-9]{2}\|")


def payloads_of(text: str, default_charset: str) -> list[bytes]:
    """The messages in it, each in the character set that it declares, in UTF-8 where that lacks a character.
    MessageError where there is none, or too many."""
    if not re.search(r"[\r\n]", text.strip()) and _WRITTEN_OUT.search(text):
        raise MessageError(
            "the segments are separated by a backslash and a letter; end each with a carriage return (U+000D)"
        )
    data = _FRAME_END.sub("", text).encode()
    return [_as_declared(payload, default_charset) for payload in blocks_of(data)]


def blocks_of(data: bytes) -> list[bytes]:
    """The messages in what a file holds, as they are. MessageError where there is none, or too many."""
    blocks = [data] if is_batch(data) else messages_of(data)
    payloads = [it for block in blocks for it in (messages_of_batch(block) if is_batch(block) else [block])]
    if not payloads:
        raise MessageError("there is no message; give one that begins with MSH")
    if len(payloads) > _MOST:
        raise MessageError(f"{len(payloads)} messages; give at most {_MOST} at a time")
    return payloads


def _as_declared(payload: bytes, default: str) -> bytes:
    declared = declared_sets(payload)
    names = [name or "ASCII" for name in declared] if any(declared) else [default]
    for codec in filter(None, map(codec_of, names)):
        with suppress(UnicodeEncodeError):
            return payload.decode().encode(codec)
    return payload
