"""Archives and destinations that go down with work before them, and come back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from engine.retrieve.outcome import TaskStatus
from tests.peers.conftest import Folders
from tests.peers.dcmtk import dcmqrscp, store, storescp
from tests.peers.field import SMALL, UIDS, desk, node, order, routes_with
from tests.peers.nodes import ArchiveNode, StorageNode
from tests.peers.orthanc import orthanc
from tests.peers.processes import free_port

pytestmark = pytest.mark.peers

BREAKER = {"failures": 2, "pause": "1s", "longest": "1s"}
EACH_ONCE = dict.fromkeys(UIDS[:4], 1)


def test_an_archive_that_is_down_is_left_alone_and_all_arrives_once_when_it_is_back(
    reading: StorageNode, tmp_path: Path
) -> None:
    port = free_port()
    with orthanc("BACKAGAIN", {"READING": reading.port}, tmp_path, port=port) as archive:
        store(SMALL[:4], archive.ae_title, port, tmp_path / "studies")
    routes = routes_with(
        tmp_path,
        # Orthanc does not stop as long as an association is open
        {"archive": node("BACKAGAIN", port, concurrency=1, breaker=BREAKER, idle="0.5s")},
        {"READING": node("READING", reading.port)},
        retry="20x1s",
        acknowledge="accepted",
    )
    with desk(routes) as engine:
        assert engine.send(order(*UIDS[:4])).code == "AA"
        engine.until(lambda: "failed 2 times in a row" in engine.engine.process.log(), "the breaker open")
        gate = "breaker: archive archive failed"
        engine.until(lambda: f"4 wait: {gate}" in engine.command("tasks"), "the gate of every task told")
        assert reading.stores() == 0
        with orthanc("BACKAGAIN", {"READING": reading.port}, tmp_path, port=port) as archive:
            engine.until_all(TaskStatus.COMPLETED)
            assert archive.moves() == 4
        assert "archive archive works again" in engine.engine.process.log()
        assert "breaker:" not in engine.command("tasks")
    assert (reading.studies(), reading.stores()) == (EACH_ONCE, 4)


@pytest.mark.parametrize("peer", [orthanc, dcmqrscp])
def test_a_destination_that_is_down_holds_only_its_own_tasks_and_gets_them_when_it_is_back(
    peer: Callable[..., AbstractContextManager[ArchiveNode]],
    reading: StorageNode,
    folders: Folders,
    tmp_path: Path,
) -> None:
    port, folder = free_port(), folders("emergency")
    with peer("SENDER", {"READING": reading.port, "EMERGENCY": port}, tmp_path) as archive:
        store(SMALL, archive.ae_title, archive.port, tmp_path / "studies")
        routes = routes_with(
            tmp_path,
            {"archive": node(archive.ae_title, archive.port, concurrency=1, idle="0.5s")},
            {
                "READING": node("READING", reading.port),
                "EMERGENCY": node("EMERGENCY", port, breaker=BREAKER),
            },
            retry="20x1s",
            acknowledge="accepted",
        )
        with desk(routes) as engine:
            assert engine.send(order(*UIDS[:4], room="EMERGENCY")).code == "AA"
            log = engine.engine.process.log
            engine.until(lambda: "destination EMERGENCY failed 2 times in a row" in log(), "the breaker open")
            assert engine.send(order(*UIDS[4:])).code == "AA"
            engine.until(lambda: engine.statuses()[4:] == [TaskStatus.COMPLETED] * 4, "the others moved")
            assert set(engine.statuses()[:4]) == {TaskStatus.SCHEDULED}
            assert reading.studies() == dict.fromkeys(UIDS[4:], 1)
            moves = archive.moves()
            with storescp("EMERGENCY", folder, port=port) as emergency:
                engine.until_all(TaskStatus.COMPLETED)
                assert (emergency.studies(), emergency.stores()) == (EACH_ONCE, 4)
            # While the breaker is open nothing goes to the archive in vain: two attempts, and one a study.
            assert (moves, archive.moves()) == (6, 10)
