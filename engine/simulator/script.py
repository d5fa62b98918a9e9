"""Which fault strikes which operation, and which have struck."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from engine.simulator.fault_fields import Kind, Operation
from engine.simulator.faults import Fault

_log = logging.getLogger(__name__)

# Only one of these can strike an operation; the others change how it goes on.
_ENDINGS = frozenset(
    {Kind.REJECT, Kind.ABORT, Kind.CLOSE, Kind.SILENCE, Kind.STALL, Kind.STATUS, Kind.EMPTY, Kind.ENDLESS}
)


@dataclass(frozen=True, slots=True)
class Struck:
    """The faults that strike one operation: at most one that ends it, and any that change it."""

    faults: tuple[Fault, ...] = ()

    def by(self, kind: Kind) -> Fault | None:
        return next((fault for fault in self.faults if fault.fault is kind), None)

    @property
    def ending(self) -> Fault | None:
        return next((fault for fault in self.faults if fault.fault in _ENDINGS), None)


class FaultScript:
    """The faults of a node, in order. Any thread may ask.

    ``after`` counts every operation that matches; ``times`` only those that the fault has struck. Of several
    faults that would end an operation the first strikes, and the others keep their ``times``.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        self._struck = threading.Condition()
        self._matched = [0] * len(self.faults)
        self._count = [0] * len(self.faults)
        self._fired: list[Fault] = []

    @property
    def fired(self) -> tuple[Fault, ...]:
        """Every strike so far, in order; one that struck twice is there twice."""
        with self._struck:
            return tuple(self._fired)

    def wait_for(self, count: int, timeout: float) -> bool:
        """Wait until there are ``count`` strikes; False after ``timeout`` seconds."""
        with self._struck:
            return self._struck.wait_for(lambda: len(self._fired) >= count, timeout)

    def strike(
        self,
        operation: Operation,
        principal: Operation,
        *,
        studies: Collection[str] = (),
        destination: str = "",
        duplicate: bool = False,
    ) -> Struck:
        """What strikes an operation that begins now at a node that is there for ``principal``.

        ``studies`` are the studies that it is about, ``destination`` the AE title of a C-MOVE; ``duplicate``:
        a C-STORE of what has arrived before.
        """
        struck: list[Fault] = []
        with self._struck:
            for number, fault in enumerate(self.faults):
                if (
                    fault.operation(principal) is not operation
                    or (fault.study and fault.study not in studies)
                    or (fault.destination and fault.destination != destination)
                    or (fault.fault is Kind.DUPLICATE and not duplicate)
                ):
                    continue
                self._matched[number] += 1
                if self._due(number, fault, operation) and not _ended_by_another(fault, struck):
                    self._count[number] += 1
                    struck.append(fault)
            self._fired += struck
            self._struck.notify_all()
        for fault in struck:
            _log.info("fault strikes: %s", fault)
        return Struck(tuple(struck))

    def _due(self, number: int, fault: Fault, operation: Operation) -> bool:
        passes = fault.after
        if operation is Operation.STORE and fault.object is not None:
            passes += fault.object - 1  # a destination counts the objects itself: each is an operation
        spent = fault.times is not None and self._count[number] >= fault.times
        return self._matched[number] > passes and not spent


def _ended_by_another(fault: Fault, struck: list[Fault]) -> bool:
    return fault.fault in _ENDINGS and any(other.fault in _ENDINGS for other in struck)
