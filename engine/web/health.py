"""Whether it runs, and whether it is of use: for those who watch it, and send to it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from engine.events import Committed, Events, Started, Stopping


class Health:
    """Listens from construction on. Tells nobody's name and no address: anybody may ask."""

    def __init__(self, events: Events) -> None:
        self._listening = False
        self._stopping = False
        self._writable = True
        events.listen(Started, self._started)
        events.listen(Stopping, self._stops)
        events.listen(Committed, self._committed)

    def troubles(self) -> list[str]:
        """Why it is not ready; none: it is."""
        known = {
            "no HL7 messages are listened for yet": not self._listening and not self._stopping,
            "it is stopping": self._stopping,
            "the journal cannot be written: the last commit has failed": not self._writable,
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
        self._writable = not event.failed


async def _live(request: Request) -> JSONResponse:
    """Who answers runs."""
    return JSONResponse({"live": True})
