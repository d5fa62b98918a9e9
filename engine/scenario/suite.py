"""Run scenarios one after another, and say of each whether it was as expected."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.errors import ForefetchError
from engine.scenario.compare import compare
from engine.scenario.difference import Difference
from engine.scenario.report import seen_lines
from engine.scenario.run import run
from engine.scenario.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Result:
    """``seen`` are lines of text for a person; ``fault`` says why the scenario could not be run."""

    scenario: Scenario
    seconds: float
    differences: tuple[Difference, ...] = ()
    seen: tuple[str, ...] = ()
    fault: str = ""

    @property
    def good(self) -> bool:
        return not self.differences and not self.fault


def run_all(scenarios: Sequence[Scenario], keep: Path | None = None) -> Iterator[Result]:
    """Each result as it comes. ``keep``: a folder for the journals, which must not be in it already."""
    with TemporaryDirectory(prefix="forefetch-test-") as folder:
        below = keep if keep is not None else Path(folder)
        below.mkdir(parents=True, exist_ok=True)
        for number, scenario in enumerate(scenarios, 1):
            yield _result(scenario, below / f"{number:02}-{_plain(scenario.name)}.db")


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()[:60] or "scenario"


def _result(scenario: Scenario, journal: Path) -> Result:
    if journal.exists():
        return Result(
            scenario, 0.0, fault=f"{journal} is there already; remove it, or keep in another folder"
        )
    try:
        seen = asyncio.run(run(scenario, journal))
    except ForefetchError as error:
        return Result(scenario, 0.0, fault=str(error))
    return Result(
        scenario,
        seen.seconds,
        tuple(compare(scenario, seen)),
        tuple(seen_lines(scenario, seen)),
    )
