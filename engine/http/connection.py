"""A connection by HTTP that does not wait for ever.

Who connects and asks nothing, never comes to the end of it, or does not read what he is answered, holds one
of the connections that there are at most, and needs no token for that.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_PATIENCE = 10.0  # seconds
_FAREWELL = 0.2  # seconds


class PromptConnection(H11Protocol):
    """uvicorn's, which is closed where nothing is being answered, and nothing has been, for so long; or where
    nothing of the answer is taken for so long."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._unsent = 0  # bytes, as this was looked at before
        self._look_later(None)

    def shutdown(self) -> None:
        """Once all is answered, and read. A peer that does not answer the end of TLS is not waited for, as an
        idle one does not."""
        super().shutdown()
        self.loop.call_later(_FAREWELL, self._cut_off)

    def _cut_off(self) -> None:
        if not self.transport.is_closing() or self.transport.get_write_buffer_size():
            self.loop.call_later(_FAREWELL, self._cut_off)
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        """There is more to send than is taken. What was unsent before is of no more account."""
        super().pause_writing()
        self._unsent = 0

    def _look_later(self, last: Any) -> None:
        self.loop.call_later(_PATIENCE, self._look, last)

    def _look(self, last: Any) -> None:
        """``last``: the request that had been answered when this was looked at before."""
        unsent, before = self.transport.get_write_buffer_size(), self._unsent
        self._unsent, closing = unsent, self.transport.is_closing()
        if unsent and unsent == before and (closing or self.flow.write_paused):  # nothing is added to it
            self.transport.abort()
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if not closing and not answering and self.cycle is last:
            self.transport.close()
            closing = True
        if unsent or not closing:
            self._look_later(last if answering else self.cycle)
