"""What a message is answered with."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NamedTuple


class Answer(NamedTuple):
    """``now``: blocks to send at once, in the order of the messages; none where none is asked for, and none
    for an acknowledgment. ``later``: application acknowledgments of enhanced mode, each sent on the same
    connection when it is ready; None where it takes another way."""

    now: tuple[bytes, ...] = ()
    later: tuple[Awaitable[bytes | None], ...] = ()
