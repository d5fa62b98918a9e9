"""Text that a terminal and an XML document can hold, whatever a message has in it."""

from __future__ import annotations

import re

# What XML 1.0 does not let into a document, not even as a reference (section 2.2), and DEL and C1, which
# a terminal may obey
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def printable(text: str) -> str:
    """The text, with ``\\x1b`` and the like for characters that cannot be shown."""
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
