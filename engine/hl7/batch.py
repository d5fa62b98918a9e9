"""Batches (HL7 v2 ch. 2.10.3): the messages between FHS, BHS and BTS, FTS."""

from __future__ import annotations

import re

_LINE = re.compile(rb"[^\r\n]+[\r\n]*")
_ENVELOPE = (b"FHS", b"BHS", b"BTS", b"FTS")


def is_batch(block: bytes) -> bool:
    """Whether a block begins with a file or batch header."""
    return block.lstrip(b"\xef\xbb\xbf \t\r\n")[:3] in {b"FHS", b"BHS"}


def messages_of_batch(block: bytes) -> list[bytes]:
    """The messages of a batch in order, each as it stands in it. What stands before the first MSH and is no
    part of the envelope becomes an item of its own, so that it is refused and not lost."""
    messages: list[list[bytes]] = []
    for line in _LINE.findall(block.lstrip(b"\xef\xbb\xbf \t\r\n")):
        if line.startswith(_ENVELOPE):
            continue
        if line.startswith(b"MSH") or not messages:
            messages.append([])
        messages[-1].append(line)
    return [b"".join(lines) for lines in messages]
