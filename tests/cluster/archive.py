"""A simulated archive that writes down what is under way, and when."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pynetdicom.dimse_primitives import C_MOVE, DimseServiceType
from pynetdicom.events import Event

from engine.simulator import SimulatedArchive
from engine.simulator.exchange import Exchange
from engine.simulator.wire import Wire


@dataclass(slots=True)
class Carried:
    """A C-MOVE as the archive has seen it, in seconds since the epoch. ``calling`` says which life of which
    engine has asked. It ends just before its last response is sent, or when its connection is found dead."""

    calling: str
    study_uid: str
    began: float
    ended: float | None = None

    def end(self) -> None:
        if self.ended is None:
            self.ended = time.time()


class CountingArchive(SimulatedArchive):
    """What a frozen engine has asked for ends here within its seconds, whether it reads that or not: so no
    limit has to allow for it, where moves are shorter than a lease."""

    def __init__(self, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._carried: list[Carried] = []
        self._on: dict[Wire, Carried] = {}
        self.callers: list[str] = []
        """Of each association, when it is accepted."""

    @property
    def carried(self) -> list[Carried]:
        """So far, in the order in which they began."""
        with self._lock:
            return list(self._carried)

    def _count(self, event: Event) -> None:
        super()._count(event)
        self.callers.append(event.assoc.requestor.ae_title)

    def _subject(self, exchange: Exchange) -> dict[str, object]:
        subject = super()._subject(exchange)
        if isinstance(exchange.request, C_MOVE):
            with self._lock:
                asked = self._moves[-1]
                carried = Carried(asked.calling_ae_title, asked.study_uid, time.time())
                self._carried.append(carried)
            self._on[exchange.wire] = carried
            final = exchange._final

            def end_first(status: int) -> DimseServiceType:
                carried.end()
                return final(status)

            exchange._final = end_first  # type: ignore[method-assign]
        return subject

    def _serve(
        self,
        wire: Wire,
        serve: Callable[[DimseServiceType, int], None],
        request: DimseServiceType,
        context_id: int,
    ) -> None:
        try:
            super()._serve(wire, serve, request, context_id)
        finally:
            if (carried := self._on.pop(wire, None)) is not None:
                carried.end()


def most_at_once(moves: Iterable[Carried]) -> int:
    """How many were under way at the same time, at most."""
    steps = [(it.began, 1) for it in moves] + [(it.ended, -1) for it in moves if it.ended is not None]
    most = now = 0
    for _, step in sorted(steps):  # what ends in the same instant ends first
        now += step
        most = max(most, now)
    return most


def most_within(moves: Sequence[Carried], seconds: float) -> int:
    """How many began in any time of this length, at most."""
    began = sorted(it.began for it in moves)
    return max((sum(1 for it in began if start <= it < start + seconds) for start in began), default=0)


def shortest_pause(moves: Sequence[Carried]) -> float:
    """Between the end of one and the beginning of the next."""
    return min((two.began - (one.ended or one.began) for one, two in pairwise(moves)), default=0.0)


def by_study(moves: Iterable[Carried]) -> Counter[str]:
    """How often each study was asked for."""
    return Counter(it.study_uid for it in moves)
