"""Take messages from the spool to the collector, in order, for as long as it takes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from engine.audit.spool import Spool
from engine.audit.transport import Line

_log = logging.getLogger(__name__)
_MOST = 16  # messages at a time
_LONGEST_PAUSE = 60.0  # seconds


class Courier:
    """A thread of its own. What it has not delivered when it ends goes out after the next start."""

    def __init__(self, spool: Spool, open_line: Callable[[], Line], where: str, pause: float) -> None:
        """``where`` names the collector. ``pause``: seconds after the first failure; pauses double."""
        self._spool = spool
        self._open_line = open_line
        self._where = where
        self._first = self._pause = pause
        self._line: Line | None = None
        self._news = threading.Event()
        self._hurry = threading.Event()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit-courier", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Tell that something was spooled."""
        self._news.set()

    def stop(self, patience: float) -> None:
        """Deliver what waits as far as that goes at once and within so many seconds. Blocks."""
        self._hurry.set()
        self._news.set()
        if self._thread.ident is not None:
            self._thread.join(patience)
            self._enough.set()
            self._thread.join(patience)

    def _run(self) -> None:
        try:
            while not self._enough.is_set() and self._deliver():
                pass
        finally:
            self._hang_up()

    def _deliver(self) -> bool:
        """A batch, or the wait for one; whether to go on."""
        self._news.clear()
        try:
            messages = self._spool.next(_MOST)
            if not messages:
                return self._rest()
            if self._line is None:
                self._line = self._open_line()
            if self._enough.is_set():
                return False  # it took too long to get there, and the spool may be another process' by now
            self._line.send(messages)
            self._spool.delivered(messages)
        except OSError as error:
            return self._put_off(str(error))
        except Exception as error:  # noqa: BLE001  such as a host that is no name; it must not end this
            return self._put_off(f"{type(error).__name__}: {error}")
        if self._pause != self._first:
            _log.info("audit: the collector %s takes messages again", self._where)
        self._pause = self._first
        return True

    def _rest(self) -> bool:
        if self._hurry.is_set():
            return False
        self._news.wait()
        return True

    def _put_off(self, why: str) -> bool:
        self._hang_up()
        if self._hurry.is_set():
            _log.warning("audit: messages for %s stay in the spool until the next start", self._where)
            return False
        if self._pause == self._first:
            text = "audit: the collector %s cannot be reached (%s); its messages are kept in the spool"
            _log.warning(text, self._where, why)
        self._hurry.wait(self._pause)
        self._pause = min(self._pause * 2, _LONGEST_PAUSE)
        return True

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
