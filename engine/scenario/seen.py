"""What was seen when a scenario ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from engine.retrieve.task import RetrieveTask
from engine.scenario.conversation import Sending
from engine.simulator import MoveAsked
from engine.simulator.faults import Fault


@dataclass(frozen=True, slots=True)
class Seen:
    """``faults``: each with how often it struck. ``moves`` are the C-MOVE requests by archive, ``arrived``
    different objects by destination and study. ``in_time``: everything had ended within the time limit.
    ``seconds`` are those that it took."""

    sendings: tuple[Sending, ...]
    strays: tuple[bytes, ...]
    tasks: tuple[RetrieveTask, ...]
    faults: tuple[tuple[Fault, int], ...]
    moves: Mapping[str, tuple[MoveAsked, ...]]
    arrived: Mapping[str, Counter[str]]
    in_time: bool
    seconds: float
