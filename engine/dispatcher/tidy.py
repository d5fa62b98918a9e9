"""Release associations that nobody uses any more, beside everything else."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import Future, ThreadPoolExecutor

from engine.move import Client

_log = logging.getLogger(__name__)
_PAUSE = 0.4  # seconds, at least


class Tidy:
    """One client's, in a thread of its own: a release may take as long as the ACSE timeout."""

    def __init__(self, name: str, client: Client) -> None:
        self._name = name
        self._client = client
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"tidy-{name}")
        self._going: Future[None] | None = None
        self._next = 0.0

    def __call__(self) -> None:
        """Begin, unless it is still being done, or was just now."""
        now = time.monotonic()
        if now >= self._next and (self._going is None or self._going.done()):
            self._next = now + _PAUSE
            self._going = self._thread.submit(self._close_idle)

    async def stop(self) -> None:
        """Wait for what is being released."""
        await asyncio.to_thread(self._thread.shutdown)

    def _close_idle(self) -> None:
        try:
            self._client.close_idle()
        except Exception:  # noqa: BLE001  it is tried again; nobody waits for it
            _log.exception("%s: unused associations could not be released", self._name)
