"""The C-MOVE SCP (PS3.4 C.4.2.3). pynetdicom's own decides order, counters and status of the responses, which
here are for faults to decide."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from engine.simulator.catalogue import HeldObject
from engine.simulator.exchange import CANCEL, SUCCESS, Exchange, Tally
from engine.simulator.fault_fields import Kind
from engine.simulator.suboperations import SubOperations

_DESTINATION_UNKNOWN = 0xA801
_CANNOT_PERFORM = 0xA702
_FAILURES = 0xB000

Connect = Callable[[], SubOperations]


def retrieve(exchange: Exchange, objects: Sequence[HeldObject], connect: Connect) -> None:
    """Send the objects and the responses. A destination that does not accept the association is 0xA801."""
    exchange.tally = Tally(0)
    if not objects:
        exchange.final(SUCCESS)
        return
    suboperations = connect()
    try:
        if not suboperations.established:
            exchange.tally = None
            exchange.final(_DESTINATION_UNKNOWN)
            return
        exchange.tally = Tally(len(objects))
        status = _send(exchange, exchange.tally, objects, suboperations)
    finally:
        suboperations.close()
    exchange.pause()
    exchange.final(status)


def _send(
    exchange: Exchange, tally: Tally, objects: Sequence[HeldObject], suboperations: SubOperations
) -> int:
    """The status of the final response."""
    for held, dropped in _each(exchange, objects):
        exchange.pause()
        if exchange.canceled:
            return CANCEL
        tally.add(SUCCESS if dropped else suboperations.send(held), held.value("SOPInstanceUID"))
        exchange.object_done()
        exchange.pending()
    if not tally.failed and not tally.warning:
        return SUCCESS
    return _CANNOT_PERFORM if tally.failed == len(objects) else _FAILURES


def answer_first(
    exchange: Exchange, objects: Sequence[HeldObject], connect: Connect, stopping: threading.Event
) -> Callable[[], None]:
    """Say at once that all has arrived; what is returned sends it."""
    exchange.tally = Tally(0, completed=len(objects))
    exchange.final(SUCCESS)
    slow = exchange.struck.by(Kind.DELAY)
    pause = slow.delay or 0 if slow is not None else 0

    def send() -> None:
        suboperations = connect()
        try:
            for held, dropped in _each(exchange, objects):
                if stopping.wait(pause):
                    break
                if suboperations.established and not dropped:
                    suboperations.send(held)
        finally:
            suboperations.close()

    return send


def _each(exchange: Exchange, objects: Sequence[HeldObject]) -> Iterator[tuple[HeldObject, bool]]:
    """Every object, and whether it is to be counted but not sent."""
    drop = exchange.struck.by(Kind.DROP)
    for number, held in enumerate(objects, start=1):
        yield held, drop is not None and drop.object in (None, number)
