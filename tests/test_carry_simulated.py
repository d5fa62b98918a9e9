"""One attempt at a task over real associations: an archive, a destination, and what it says it has.

The destination that is asked is a second archive, whose content does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from engine.carry import Errand, carry
from engine.dicom.node import Archive
from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.selector import Study
from engine.retrieve.task import Verify
from engine.scu import ArchiveClient
from engine.simulator import (
    GeneratedSeries,
    GeneratedStudy,
    SimulatedArchive,
    SimulatedDestination,
    demo_studies,
)

UID = "2.25.4711"
SERIES = tuple(GeneratedSeries("CT", f"part {one}", one, f"{UID}.{one}") for one in (1, 2, 3))
STUDY = replace(demo_studies()[0], study_uid=UID, series=SERIES)
ERRAND = Errand(Study(UID), "READING", verify_within=0.0)

Client = Callable[..., ArchiveClient]


@pytest.fixture
def reading() -> Iterator[SimulatedDestination]:
    with SimulatedDestination("READING") as node:
        yield node


@pytest.fixture
def client(reading: SimulatedDestination) -> Iterator[Client]:
    """Makes the client of an archive that holds these studies and knows READING."""
    with ExitStack() as stack:

        def make(*studies: GeneratedStudy) -> ArchiveClient:
            node = stack.enter_context(SimulatedArchive("PACS", studies, {"READING": reading.address}))
            made = ArchiveClient(Archive("pacs", "PACS", *node.address))
            stack.callback(made.close)
            return made

        yield make


def test_what_is_there_is_not_moved(client: Client, reading: SimulatedDestination) -> None:
    carried = carry(client(STUDY), client(STUDY), replace(ERRAND, skip_present=True))
    assert carried.outcome.text == "6 of 6 objects are there already; nothing was moved"
    assert (carried.outcome.arrived, carried.instances, reading.arrived()) == (True, 6, 0)


def test_a_dry_run_moves_nothing(client: Client, reading: SimulatedDestination) -> None:
    carried = carry(client(STUDY), client(), replace(ERRAND, dry_run=True))
    assert carried.outcome.text == "dry run: would have moved 6 objects to READING; nothing was moved"
    assert reading.arrived() == 0


@pytest.mark.parametrize("verify", [Verify.STUDY, Verify.SERIES])
def test_a_success_is_verified_and_what_is_missing_is_moved_alone(
    client: Client, reading: SimulatedDestination, verify: Verify
) -> None:
    archive = client(STUDY)
    errand = replace(ERRAND, verify=verify)
    short = carry(archive, client(replace(STUDY, series=(SERIES[0], SERIES[2]))), errand)
    assert short.outcome.text == "4 of 6 objects are at READING, 2 missing"
    assert (short.outcome.status, short.outcome.cause) == (TaskStatus.WARNING, Cause.MISSING)
    assert (short.missing, reading.arrived(UID)) == ((f"{UID}.2",), 6)
    again = carry(archive, client(STUDY), replace(errand, missing=short.missing))
    assert (again.outcome.status, again.outcome.arrived) == (TaskStatus.COMPLETED, True)
    assert (again.outcome.counters.completed, again.missing) == (2, ())
    assert [it.series_uid for it in reading.objects[6:]] == [f"{UID}.2"] * 2


def test_a_study_that_the_archive_does_not_have_is_not_found(client: Client) -> None:
    outcome = carry(client(), client(), ERRAND).outcome
    assert (outcome.cause, outcome.dicom_status) == (Cause.NOT_FOUND, 0x0000)
    assert outcome.text == "the archive has no such study"
