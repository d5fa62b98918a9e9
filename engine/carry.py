"""One attempt at a task, and what may truthfully be said of it: asked before, moved, verified, diagnosed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.move import Client, Progress, move
from engine.resolve import Finder
from engine.retrieve.outcome import Outcome
from engine.retrieve.selector import Study
from engine.retrieve.task import Priority, Verify


@dataclass(frozen=True, slots=True)
class Errand:
    """One attempt at a task.

    ``missing``: only these series of the study, which an earlier attempt is known to have left out.
    ``skip_present``: do not move what the destination has already. ``dry_run``: ask, and move nothing.
    ``series_level``: the archive retrieves single series. ``verify_within``: seconds that a destination may
    take to index what has arrived, counted from the last object that it has been seen to index.
    """

    study: Study
    destination_ae_title: str
    priority: Priority = Priority.MEDIUM
    missing: tuple[str, ...] = ()
    verify: Verify = Verify.OFF
    skip_present: bool = False
    dry_run: bool = False
    series_level: bool = True
    verify_within: float = 10.0


@dataclass(frozen=True, slots=True)
class Carried:
    """What came of an errand. ``missing``: the series to ask for in the next attempt, empty for the whole
    study. ``instances``: how many objects the archive counts, where it was asked."""

    outcome: Outcome
    missing: tuple[str, ...] = ()
    instances: int | None = None


def carry(
    client: Client,
    destination: Finder | None,
    errand: Errand,
    *,
    progress: Progress | None = None,
    canceled: threading.Event | None = None,
    echo: Callable[[], None] | None = None,
) -> Carried:
    """Carry out an errand; blocking, for worker threads. The gate has opened before.

    ``destination`` is the destination as it can be queried, None where it cannot. ``echo`` is a C-ECHO to
    it, which raises NodeError, where its address is known; it is only asked after a failure that does not say
    whether the destination is at fault. Whatever a node does becomes an outcome; no ForefetchError is raised.
    """
    outcome = move(
        client,
        errand.study,
        errand.destination_ae_title,
        priority=errand.priority,
        progress=progress,
        canceled=canceled,
    )
    return Carried(outcome)
