"""Whether it runs, and whether it is of use: for those who watch it, and send to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from engine.events import Committed, Events, Started, Stopping
from engine.place import is_shared

_DOUBTED = 60.0  # seconds after a commit that failed: who sends only to what is ready must try again
_DOUBTED_WHERE_SHARED = 5.0  # all engines lose such a journal at once, and it is asked after all the time


class Health:
    """Listens from construction on. Tells nobody's name and no address: anybody may ask."""

    def __init__(
        self, events: Events, journal: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        """``journal``: where it is; from `start` on a database is asked whether it answers."""
        self._clock = clock
        self._journal = journal
        self._doubts = _DOUBTED_WHERE_SHARED if is_shared(journal) else _DOUBTED
        self._unwatch: Callable[[], None] | None = None
        self._away = ""
        self._listening = False
        self._stopping = False
        self._doubted_until = clock()
        events.listen(Started, self._started)
        events.listen(Stopping, self._stops)
        events.listen(Committed, self._committed)

    def troubles(self) -> list[str]:
        """Why it is not ready; none: it is."""
        known = {
            "no HL7 messages are listened for yet": not self._listening and not self._stopping,
            "it is stopping": self._stopping,
            "the journal cannot be written: the last commit has failed": self._clock() < self._doubted_until,
        }
        known[self._away] = bool(self._away)
        return [text for text, it_is_so in known.items() if it_is_so]

    def start(self) -> None:
        """Ask the database, where the journal is in one."""
        if is_shared(self._journal):
            from engine.store.reach import watch

            self._unwatch = watch(self._journal, self._told)

    async def stop(self) -> None:
        """Ask no more."""
        unwatch, self._unwatch = self._unwatch, None
        if unwatch is not None:
            await asyncio.to_thread(unwatch)

    def _told(self, away: str) -> None:
        """In a thread."""
        self._away = away

    def routes(self) -> list[Route]:
        """Of /health."""
        return [Route("/health/live", _live), Route("/health/ready", self._ready)]

    async def _ready(self, request: Request) -> JSONResponse:
        troubles = self.troubles()
        return JSONResponse({"ready": not troubles, "troubles": troubles}, 503 if troubles else 200)

    def _started(self, event: Started) -> None:
        self._listening = True

    def _stops(self, event: Stopping) -> None:
        self._listening, self._stopping = False, True

    def _committed(self, event: Committed) -> None:
        self._doubted_until = self._clock() + (self._doubts if event.failed else 0.0)


async def _live(request: Request) -> JSONResponse:
    """Who answers runs."""
    return JSONResponse({"live": True})
