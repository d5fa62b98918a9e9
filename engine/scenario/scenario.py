"""A scenario as it is run: every name resolved, every file read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.config.values import Config
from engine.scenario.models import ExpectedSection, StepSection
from engine.simulator.archive import Content
from engine.simulator.faults import Fault


@dataclass(frozen=True, slots=True)
class SimulatedNodeSetup:
    """How a simulated node is. ``content`` is an archive's; ``known``: the archives know a destination's AE
    title."""

    content: tuple[Content, ...] = ()
    down: bool = False
    known: bool = True
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Messages to send one after another, and the answers expected (``section``)."""

    label: str
    payloads: tuple[bytes, ...]
    section: StepSection


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is sent to whom, and what is expected of it. ``time_limit`` is in seconds."""

    name: str
    file: Path
    config: Config
    gate_open: bool
    time_limit: float
    archives: Mapping[str, SimulatedNodeSetup]
    destinations: Mapping[str, SimulatedNodeSetup]
    steps: tuple[Step, ...]
    expected: ExpectedSection
