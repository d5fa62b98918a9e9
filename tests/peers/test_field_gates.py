"""The gates before a real archive: what waits, what is held and what goes first is not moved by Orthanc."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.retrieve.outcome import TaskStatus
from tests.peers.conftest import Folders
from tests.peers.dcmtk import dcmqrscp, store, storescp
from tests.peers.field import SMALL, UIDS, Rules, desk, node, order, routes_with
from tests.peers.nodes import ArchiveNode, StorageNode
from tests.peers.orthanc import orthanc
from tests.peers.relay import Relay, relay

pytestmark = pytest.mark.peers

S = TaskStatus
STUDIES = dict.fromkeys(UIDS, 1)


class Field(NamedTuple):
    """Archives with the same studies, an Orthanc first; relays before it and before the destination."""

    archive: ArchiveNode
    second: ArchiveNode
    third: ArchiveNode
    before_archive: Relay
    before_reading: Relay
    reading: StorageNode

    def routes(
        self, folder: Path, *, archive: Rules | None = None, reading: Rules | None = None, **terms: Any
    ) -> Path:
        rules = {"concurrency": 2, "idle": "0.5s", **(archive or {})}
        archives = {
            "archive": node(self.archive.ae_title, self.before_archive.port, **rules),
            "second": node(self.second.ae_title, self.second.port),
            "third": node(self.third.ae_title, self.third.port),
        }
        destinations = {"READING": node("READING", self.before_reading.port, **(reading or {}))}
        return routes_with(folder, archives, destinations, **terms)


@pytest.fixture(scope="module")
def _field(folders: Folders) -> Iterator[Field]:
    with (
        storescp("READING", folders("forking"), options=["--fork"]) as reading,
        relay(reading.port) as before_reading,
        orthanc("FIELD", {"READING": before_reading.port}, folders("field")) as archive,
        dcmqrscp("SECOND", {"READING": before_reading.port}, folders("second")) as second,
        dcmqrscp("THIRD", {"READING": before_reading.port}, folders("third")) as third,
        relay(archive.port) as before_archive,
    ):
        for each in (archive, second, third):
            store(SMALL, each.ae_title, each.port, folders("studies") / each.ae_title)
        yield Field(archive, second, third, before_archive, before_reading, reading)


@pytest.fixture
def field(_field: Field) -> Field:
    """Nothing has arrived yet."""
    _field.before_archive.reset()
    _field.before_reading.reset()
    _field.reading.empty()
    return _field


def test_an_archive_never_sees_more_associations_than_its_concurrency(field: Field, tmp_path: Path) -> None:
    field.before_reading.flowing.clear()
    with desk(field.routes(tmp_path, acknowledge="accepted")) as engine:
        engine.send(order(*UIDS))
        engine.until(lambda: engine.statuses().count(S.IN_PROGRESS) == 2, "two moves under way")
        field.before_reading.flowing.set()
        engine.until_all(S.COMPLETED)
    assert field.before_archive.peak == 2
    assert field.reading.studies() == STUDIES


def test_a_destination_never_gets_more_moves_than_its_concurrency_from_all_archives(
    field: Field, tmp_path: Path
) -> None:
    """Of two dcmqrscp. Orthanc releases its association to the destination only after the final response of
    the C-MOVE, when the next move, from another archive, may have begun."""
    field.before_reading.pause = 0.02
    routes = field.routes(tmp_path, reading={"concurrency": 1}, acknowledge="accepted")
    with desk(routes) as engine:
        engine.send(order(*UIDS[:4], archive="second"))
        engine.send(order(*UIDS[4:], archive="third"))
        engine.until_all(S.COMPLETED)
    assert field.before_reading.peak == 1
    assert field.reading.studies() == STUDIES


def test_a_rate_of_three_a_minute_moves_three_and_one_more_that_is_expedited(
    field: Field, tmp_path: Path
) -> None:
    routes = field.routes(tmp_path, archive={"rate": {"studies": 3}}, acknowledge="accepted")
    with desk(routes) as engine:
        engine.send(order(*UIDS[:6]))
        gate = "rate: archive archive is at its rate of 3 studies"
        engine.until(lambda: f"3 wait: {gate}" in engine.command("tasks"), "the gate of the other three told")
        assert engine.statuses() == [S.COMPLETED] * 3 + [S.SCHEDULED] * 3
        assert field.reading.studies() == dict.fromkeys(UIDS[:3], 1)
        last = engine.tasks()[-1].id
        assert f"task {last}: goes before all others" in engine.command("expedite", last)
        engine.until(lambda: engine.statuses()[-1] is S.COMPLETED, "the one expedited moved")
        assert engine.statuses() == [S.COMPLETED] * 3 + [S.SCHEDULED] * 2 + [S.COMPLETED]
    assert field.archive.moves() == 4


def test_a_stat_order_arrives_next_before_the_routine_ones_that_wait(field: Field, tmp_path: Path) -> None:
    field.before_reading.flowing.clear()
    routes = field.routes(tmp_path, archive={"concurrency": 1}, acknowledge="accepted")
    with desk(routes) as engine:
        engine.send(order(*UIDS[:5]))
        engine.until(lambda: engine.statuses()[0] is S.IN_PROGRESS, "the first one under way")
        engine.send(order(UIDS[7], priority="S"))
        field.before_reading.flowing.set()
        engine.until_all(S.COMPLETED)
    assert field.before_archive.in_order(*UIDS) == [UIDS[0], UIDS[7], *UIDS[1:5]]


def test_more_priors_than_allowed_are_held_until_a_person_approves_them(field: Field, tmp_path: Path) -> None:
    priors = {"priors": {"patient": "PID-3.1", "newest": 2}}
    routes = field.routes(tmp_path, studies=priors, hold={"over": 1}, deadline="10m")
    with desk(routes) as engine:
        acknowledgment = engine.send(order(UIDS[0]))
        assert acknowledgment.code == "AA"
        assert acknowledgment.text.startswith("accepted, held")
        assert engine.statuses() == [S.COMPLETED, S.HELD, S.HELD]
        assert "approval: a person must approve it: it is one of 2 studies, more than 1" in engine.command(
            "tasks"
        )
        assert (field.archive.moves(), field.reading.stores()) == (0, 0)
        assert engine.command("approve", "--message", 1, "--yes").count("is approved") == 2
        engine.until_all(S.COMPLETED)
    assert (len(field.reading.studies()), field.archive.moves()) == (2, 2)


def test_what_an_order_moves_beyond_its_budget_waits_for_an_approval(field: Field, tmp_path: Path) -> None:
    routes = field.routes(tmp_path, gate={"budgets": {"order": {"studies": 2}}}, deadline="10m")
    with desk(routes) as engine:
        acknowledgment = engine.send(order(*UIDS[:4]))
        assert (acknowledgment.code, acknowledgment.text[:14]) == ("AA", "accepted, held")
        assert engine.statuses() == [S.COMPLETED, S.COMPLETED, S.HELD, S.HELD]
        assert "2 held: budget: budget of its order" in engine.command("tasks")
        engine.command("approve", engine.tasks()[3].id)
        engine.until(lambda: engine.statuses()[3] is S.COMPLETED, "the approved one moved")
        assert engine.statuses()[2] is S.HELD
    assert field.reading.studies() == dict.fromkeys((UIDS[0], UIDS[1], UIDS[3]), 1)


def test_what_a_patient_has_beyond_the_budget_of_a_day_waits_for_the_next(
    field: Field, tmp_path: Path
) -> None:
    routes = field.routes(tmp_path, gate={"budgets": {"patient": {"studies": 2}}}, deadline="10m")
    with desk(routes) as engine:
        assert engine.send(order(*UIDS[:3])).code == "AA"
        assert engine.statuses() == [S.COMPLETED, S.COMPLETED, S.SCHEDULED]
        assert "budget: budget of its patient for today" in engine.command("tasks")
        due = engine.tasks()[2].not_before
        assert due is not None
        local = due.astimezone()
        assert (local.hour, local.minute) == (0, 0)
    assert field.archive.moves() == 2


def test_a_dry_run_says_what_it_would_move_and_orthanc_is_never_asked_to(
    field: Field, tmp_path: Path
) -> None:
    """It needs no switch."""
    with desk(field.routes(tmp_path, gate={"mode": "dry-run"}), switch=None) as engine:
        acknowledgment = engine.send(order(*UIDS[:3]))
        assert acknowledgment.code == "AA"
        assert acknowledgment.text == "dry run: 3 studies would have been moved, nothing was"
        assert [problem.text for problem in acknowledgment.problems()] == [
            f"study {study} to READING: dry run: would have moved 1 objects to READING; nothing was moved"
            for study in UIDS[:3]
        ]
        assert engine.statuses() == [S.CANCELED] * 3
    assert (field.archive.moves(), field.reading.stores()) == (0, 0)


def spans(hours: int) -> str:
    """A window of two hours around the time that is so many hours from now, UTC."""
    middle = dt.datetime.now(dt.UTC) + dt.timedelta(hours=hours)
    first, last = (middle + dt.timedelta(hours=step) for step in (-1, 1))
    return f"daily {first:%H:%M}-{last:%H:%M}"


@pytest.mark.parametrize("owner", ["archive", "route"])
def test_outside_its_window_an_order_waits_and_inside_it_moves(
    field: Field, tmp_path: Path, owner: str
) -> None:
    def routes(windows: str) -> Path:
        rule = {"windows": windows}
        settings = rule if owner == "route" else {owner: rule}
        return field.routes(tmp_path, deadline="10m", **settings)

    closed = spans(12)
    with desk(routes(closed)) as engine:
        acknowledgment = engine.send(order(UIDS[0]))  # answered at once: the deadline is far
        assert acknowledgment.code == "AA"
        opening = closed.split()[1].split("-")[0]
        told = rf"moves only {closed}, until \d{{4}}-\d\d-\d\dT{opening}\+00:00\r"
        assert re.search(told, acknowledgment.raw.decode())
        assert "window: " in engine.command("tasks")
        assert field.archive.moves() == 0
    with desk(routes(spans(0))) as engine:
        engine.until_all(S.COMPLETED)
    assert field.reading.studies() == {UIDS[0]: 1}
