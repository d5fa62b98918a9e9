"""Whether it runs, and whether it is of use: for those who watch it, and send to it."""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from engine.events import Committed, Events, Started, Stopping

_DOUBTED = 60.0  # seconds after a commit that failed: who sends only to what is ready must try again


class Health:
    """Listens from construction on. Tells nobody's name and no address: anybody may ask."""

    def __init__(self, events: Events, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
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
        return [text for text, it_is_so in known.items() if it_is_so]

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
        self._doubted_until = self._clock() + (_DOUBTED if event.failed else 0.0)


async def _live(request: Request) -> JSONResponse:
    """Who answers runs."""
    return JSONResponse({"live": True})
