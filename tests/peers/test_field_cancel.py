"""A C-MOVE under way is canceled: what Orthanc and dcmqrscp do with the C-CANCEL, and what remains to be said."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from engine.retrieve.outcome import TaskStatus
from tests.peers.dcmtk import dcmqrscp, store
from tests.peers.field import desk, node, order, routes_with
from tests.peers.nodes import ArchiveNode, StorageNode
from tests.peers.orthanc import orthanc
from tests.peers.relay import C_CANCEL_RQ, C_MOVE_RQ, relay
from tests.peers.studies import LARGE

pytestmark = pytest.mark.peers

S = TaskStatus


@pytest.mark.parametrize("peer", [orthanc, dcmqrscp])
def test_cancel_sends_a_c_cancel_and_what_comes_late_does_not_undo_it(
    peer: Callable[..., AbstractContextManager[ArchiveNode]], reading: StorageNode, tmp_path: Path
) -> None:
    with (
        relay(reading.port) as before_reading,
        peer("LARGE", {"READING": before_reading.port}, tmp_path) as archive,
        relay(archive.port) as before_archive,
    ):
        store([LARGE], archive.ae_title, archive.port, tmp_path / "studies")
        routes = routes_with(
            tmp_path,
            node(archive.ae_title, before_archive.port),
            {"READING": node("READING", reading.port)},
            retry="3x1s",
            acknowledge="accepted",
        )
        before_reading.pause = 0.05
        with desk(routes) as engine:
            engine.send(order(LARGE.study_uid))
            engine.until(lambda: reading.stores() >= 3, "the move under way")
            (task,) = engine.tasks()
            assert "is being stopped on the wire" in engine.command("cancel", task.id)
            engine.until_all(S.CANCELED)
            before_reading.pause = 0.0
            (task,) = engine.tasks()
            print(task.outcome)
            print(archive.process.log()[-3000:])
            print(reading.stores())
            print(before_archive.said(C_CANCEL_RQ), before_archive.said(C_MOVE_RQ))
        print(engine.engine.process.log())
    print(reading.stores())
    assert 0
