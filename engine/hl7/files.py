"""Files of HL7 v2 messages, as people keep and exchange them.

HL7 has no form for several messages in a file but the batch (HL7 v2 ch. 2.10.3); in practice they stand one
after another, or are framed as they were on the wire.
"""

from __future__ import annotations

import re

_MESSAGE_START = re.compile(rb"(?<=[\r\n])(?=MSH)")
# A block ends as in MLLP; one whose end block is lost ends where the next begins.
_BLOCK = re.compile(rb"\x0b(.*?)(?:\x1c[\r\n]|\x1c?\Z|(?=\x0bMSH))", re.DOTALL)
_BLANK = b" \t\r\n"  # what bytes.strip() takes by itself has VT in it


def messages_of(data: bytes) -> list[bytes]:
    """The messages of a file, each byte for byte as it stands there; none in a blank file.

    A message begins at a line that starts with MSH. In a file that starts with VT (MLLP framing: VT, payload,
    FS, CR) each block is one message, whatever it has inside. What stands before the first MSH, such as a
    batch header, is an item of its own: whoever reads it says what is wrong with it.
    """
    if data.lstrip(_BLANK).startswith(b"\x0b"):
        return _BLOCK.findall(data)
    return [message for message in _MESSAGE_START.split(data) if message.strip(_BLANK)]
