"""A C-MOVE under way is canceled: what Orthanc and dcmqrscp make of the C-CANCEL, and what is told then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from engine.retrieve.outcome import Cause, TaskStatus
from tests.peers.conftest import Folders
from tests.peers.dcmtk import dcmqrscp, store, storescp
from tests.peers.field import SMALL, UIDS, Desk, desk, node, order, routes_with
from tests.peers.nodes import ArchiveNode, StorageNode
from tests.peers.orthanc import orthanc
from tests.peers.relay import C_CANCEL_RQ, Relay, relay
from tests.peers.studies import LARGE

pytestmark = pytest.mark.peers

S = TaskStatus
SERIES = LARGE.series[0]
LARGE_OF = {
    "orthanc": LARGE,
    "dcmqrscp": replace(
        LARGE, study_uid="2.25.1009011", series=(replace(SERIES, series_uid="2.25.1009011.1"),)
    ),
}
PEERS: dict[str, Callable[..., AbstractContextManager[ArchiveNode]]] = {
    "orthanc": partial(orthanc, settings={"DicomScuTimeout": 60}),
    "dcmqrscp": dcmqrscp,
}


class Field(NamedTuple):
    """An Orthanc and a dcmqrscp, relays before them and before their destination."""

    archives: dict[str, ArchiveNode]
    before: dict[str, Relay]
    before_reading: Relay
    reading: StorageNode

    def routes(self, folder: Path) -> Path:
        nodes = {
            peer: node(archive.ae_title, self.before[peer].port, idle="0.5s")
            for peer, archive in self.archives.items()
        }
        destinations = {"READING": node("READING", self.reading.port)}
        return routes_with(folder, nodes, destinations, retry="3x1s", acknowledge="accepted")

    def arrived(self, peer: str) -> int:
        """How many objects of the large study of this archive."""
        return len(list(self.reading.folder.glob(f"*.{LARGE_OF[peer].study_uid}.*")))


@pytest.fixture(scope="module")
def _field(folders: Folders) -> Iterator[Field]:
    with storescp("READING", folders("reading"), options=["--fork"]) as reading, ExitStack() as stack:
        before_reading = stack.enter_context(relay(reading.port))
        archives, before = {}, {}
        for name, start in PEERS.items():
            folder, known = folders(name), {"READING": before_reading.port}
            archives[name] = archive = stack.enter_context(start(name.upper(), known, folder))
            before[name] = stack.enter_context(relay(archive.port))
            store([LARGE_OF[name], SMALL[0]], archive.ae_title, archive.port, folder / "studies")
        yield Field(archives, before, before_reading, reading)


@pytest.fixture
def field(_field: Field) -> Field:
    """Nothing has arrived yet."""
    for each in (_field.before_reading, *_field.before.values()):
        each.reset()
    _field.reading.empty()
    return _field


def begin(engine: Desk, field: Field, peer: str) -> int:
    """The number of a task whose 50 objects are arriving one by one."""
    field.before_reading.pause = 0.05
    assert engine.send(order(LARGE_OF[peer].study_uid, archive=peer)).code == "AA"
    engine.until(lambda: field.arrived(peer) >= 3, "the move under way")
    return engine.tasks()[-1].id


@pytest.mark.parametrize("peer", PEERS)
def test_cancel_ends_a_move_between_two_objects_and_tells_how_many_had_arrived(
    field: Field, tmp_path: Path, peer: str
) -> None:
    with desk(field.routes(tmp_path)) as engine:
        number = begin(engine, field, peer)
        assert "is being stopped on the wire" in engine.command("cancel", number)
        engine.until_all(S.CANCELED)
        (task,) = engine.tasks()
    outcome = task.outcome
    assert outcome is not None
    assert (outcome.cause, outcome.dicom_status, task.attempts) == (Cause.CANCELED, 0xFE00, 1)
    assert field.before[peer].said(C_CANCEL_RQ) == 1
    arrived, left = outcome.counters.completed, outcome.counters.remaining
    assert arrived is not None
    assert left is not None
    assert (arrived + left, field.reading.stores()) == (50, arrived)
    assert left > 0


def test_archives_that_are_stuck_in_one_object_are_aborted_and_what_comes_late_undoes_nothing(
    field: Field, tmp_path: Path
) -> None:
    """They look for a C-CANCEL only between two objects."""
    with desk(field.routes(tmp_path)) as engine:
        numbers = [begin(engine, field, peer) for peer in PEERS]
        field.before_reading.flowing.clear()
        assert engine.command("cancel", *numbers).count("is being stopped on the wire") == 2
        engine.until_all(S.CANCELED)
        arrived = {peer: field.arrived(peer) for peer in PEERS}
        field.before_reading.reset()
        for peer in PEERS:
            assert engine.send(order(UIDS[0], archive=peer)).code == "AA"
        engine.until(
            lambda: all(field.arrived(peer) > arrived[peer] for peer in PEERS),
            "the stuck objects there after all",
        )
        engine.until(lambda: engine.statuses()[2:] == [S.COMPLETED] * 2, "the next ones moved")
        tasks = engine.tasks()[:2]
    for peer, task in zip(PEERS, tasks, strict=True):
        assert (task.status, task.attempts, field.before[peer].said(C_CANCEL_RQ)) == (S.CANCELED, 1, 1)
        outcome = task.outcome
        assert outcome is not None
        assert "the archive did not confirm it and may still be sending" in outcome.text
        assert (outcome.counters.completed, outcome.arrived) == (arrived[peer], False)
