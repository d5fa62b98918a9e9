"""What tests of the server look at, beside the client."""

from __future__ import annotations

import threading

import pytest

from engine.simulator.exchange import Exchange


class Cancels:
    """Whether a simulated archive of this process has got a C-CANCEL, and acts by it."""

    def __init__(self) -> None:
        self._got = threading.Event()

    def note(self, canceled: bool) -> bool:
        if canceled:
            self._got.set()
        return canceled

    def wait(self) -> None:
        """Fails unless it comes."""
        assert self._got.wait(30), "no C-CANCEL came"


@pytest.fixture
def cancels(monkeypatch: pytest.MonkeyPatch) -> Cancels:
    noted = Cancels()
    canceled: property = vars(Exchange)["canceled"]
    noting = property(lambda exchange: noted.note(canceled.__get__(exchange)))
    monkeypatch.setattr(Exchange, "canceled", noting)
    return noted
