"""What goes on at an archive and a destination, and what a message has used up, when the gate is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.retrieve.breaker import Breaker
from engine.retrieve.budget import Spent
from engine.retrieve.rate import Passed


@dataclass(frozen=True, slots=True)
class Traffic:
    """At one archive or destination: operations under way, moves let through in the last minute, breaker."""

    running: int = 0
    passed: tuple[Passed, ...] = ()
    breaker: Breaker = field(default_factory=Breaker)


@dataclass(frozen=True, slots=True)
class Usage:
    """``siblings``: studies that the same message moves, this one included. ``order`` and ``patient``: what
    its message, and its patient since local midnight, have moved or have under way, without this one."""

    siblings: int = 1
    order: Spent = field(default_factory=Spent)
    patient: Spent = field(default_factory=Spent)


@dataclass(frozen=True, slots=True)
class Load:
    """All that the gates need to know of the moment."""

    archive: Traffic = field(default_factory=Traffic)
    destination: Traffic = field(default_factory=Traffic)
    usage: Usage = field(default_factory=Usage)
