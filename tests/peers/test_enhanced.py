"""Enhanced acknowledgment mode as Medplum's HL7 client and server see it, with Orthanc as the archive.

The destination is slow on purpose, so that what came first is known from the order of events, not by clocks.
"""

from __future__ import annotations

import datetime as dt
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pynetdicom.events import Event

from engine.simulator import SimulatedDestination
from tests.peers.conftest import Folders, Site
from tests.peers.dcmtk import store
from tests.peers.forefetch import Forefetch, forefetch
from tests.peers.medplum import Medplum, receiver, sender
from tests.peers.nodes import ArchiveNode
from tests.peers.orders import Order, Problem, control_id, omi
from tests.peers.orthanc import orthanc
from tests.peers.studies import LARGE, OBJECTS, PRIOR_CT, STUDIES, UNKNOWN

pytestmark = pytest.mark.peers

CANCEL = "CA"
_PATIENCE = 30.0  # seconds
_SLOWLY = 0.2  # seconds an object, when a move is to take long: 10 s for the large study
_numbers = itertools.count(1)


class SlowDestination(SimulatedDestination):
    """A workstation that can be made to answer a C-STORE late."""

    def __init__(self, ae_title: str) -> None:
        super().__init__(ae_title)
        self._pace = 0.0
        self._quick = threading.Event()
        self._asked = threading.Event()

    def hold(self, pace: float = _PATIENCE) -> None:
        """From now on every object takes ``pace`` seconds, or until ``release``."""
        self._pace = pace
        self._asked.clear()
        self._quick.clear()

    def release(self) -> None:
        self._quick.set()

    def wait_until_asked(self) -> None:
        """Until an object has come that is held."""
        assert self._asked.wait(_PATIENCE)

    def _store(self, event: Event) -> int:
        self._asked.set()
        self._quick.wait(self._pace)
        return super()._store(event)


@pytest.fixture(scope="module")
def _destination() -> Iterator[SlowDestination]:
    with SlowDestination("SLOW") as node:
        yield node


@pytest.fixture
def slow(_destination: SlowDestination) -> Iterator[SlowDestination]:
    """It holds what comes until it is told to release it."""
    _destination.hold()
    yield _destination
    _destination.release()
