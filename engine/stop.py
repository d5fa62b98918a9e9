"""What ends an operation that is under way in another thread, or keeps it from beginning."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Stop(threading.Event):
    """Set: it is ended, or does not begin. ``permits`` is asked last thing before a request is sent that
    cannot be taken back: what it forbids does not begin, and what is under way goes on."""

    def __init__(self, permits: Callable[[], bool] | None = None) -> None:
        super().__init__()
        self._permits = permits
        self.refused = False

    def may_begin(self) -> bool:
        """Whether it may be sent; where not, ``refused`` says so from then on."""
        if self._permits is not None and not self._permits():
            self.refused = True
        return not (self.refused or self.is_set())
