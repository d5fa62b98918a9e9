"""How many tasks wait, as the journal says at the time of a scrape."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from engine.errors import StoreError
from engine.place import is_shared
from engine.store.members import Member, MemberState, members_of
from engine.store.standing import queue_depths

_FRESH = 5.0  # seconds: however many ask, the journal is asked once in that time
_log = logging.getLogger(__name__)


class QueueDepth(Collector):
    """Blocks: for threads."""

    def __init__(self, journal: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._journal = journal
        self._clock = clock
        self._lock = threading.Lock()
        self._families: list[Metric] = []
        self._until = float("-inf")

    def describe(self) -> list[Metric]:
        """Nothing: whoever registers it does not ask the journal yet."""
        return []

    def collect(self) -> Iterator[Metric]:
        """By status and archive; where the journal cannot be read, that it cannot."""
        with self._lock:  # one scrape at a time
            if self._clock() >= self._until:
                self._families = list(self._ask())
                self._until = self._clock() + _FRESH
        yield from self._families

    def _ask(self) -> Iterator[Metric]:
        try:
            depths = queue_depths(self._journal)
            engines = members_of(self._journal)
        except StoreError as error:
            _log.warning("the depth of the queue is not known: %s", error)
            yield _readable(False)
            return
        yield _readable(True)
        family = GaugeMetricFamily(
            "forefetch_queue_depth", "Tasks that are not final", labels=("status", "archive")
        )
        for (status, archive), number in depths.items():
            family.add_metric((status.value, archive), number)
        yield family
        if is_shared(self._journal):
            yield _engines(engines)


def _engines(members: list[Member]) -> Metric:
    """Those that have ended are counted no more: they would be for a week."""
    family = GaugeMetricFamily("forefetch_engines", "Engines that share the journal", labels=("state",))
    for state in (MemberState.ALIVE, MemberState.SILENT):
        family.add_metric((state,), sum(it.state is state and not it.stand_in for it in members))
    return family


def _readable(state: bool) -> Metric:
    return GaugeMetricFamily("forefetch_journal_readable", "1: the journal could be read", value=int(state))
