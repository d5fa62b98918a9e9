"""pacs_retrieve as an assistant calls it, over stdio, on a real archive and a real destination."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from mcp import Client

from engine.retrieve.outcome import Cause, TaskStatus
from engine.store import list_tasks
from tests.dicom_peers import eventually
from tests.hospital import ALLOWED
from tests.mcp.assistant import assistant, content, text
from tests.mcp.clinic import retrieve
from tests.peers.conftest import Folders
from tests.peers.dcmtk import dcmqrscp, store, storescp
from tests.peers.field import node, routes_with
from tests.peers.nodes import ArchiveNode, StorageNode
from tests.peers.orthanc import orthanc
from tests.peers.processes import closed_port
from tests.peers.relay import C_CANCEL_RQ, Relay, relay
from tests.peers.studies import LARGE, OBJECTS, PRIOR_CR, PRIOR_CT, STUDIES, UNKNOWN

pytestmark = pytest.mark.peers


class Ward(NamedTuple):
    """An Orthanc and a dcmqrscp, a relay before the first and one before their destination."""

    orthanc: ArchiveNode
    dcmqrscp: ArchiveNode
    before: Relay
    before_reading: Relay
    reading: StorageNode

    def routes(self, folder: Path) -> Path:
        archives = {
            "orthanc": node("ORTHANC", self.before.port, idle="1s", breaker="off"),
            "dcmqrscp": node("DCMQRSCP", self.dcmqrscp.port, idle="1s", breaker="off"),
        }
        titles = ("READING", "SWITCHEDOFF", "STRANGER")
        return routes_with(
            folder, archives, {title: {"ae_title": title, "breaker": "off"} for title in titles}
        )

    def arrived(self, study: str) -> int:
        return len(list(self.reading.folder.glob(f"*.{study}.*")))


@pytest.fixture(scope="module")
def _ward(folders: Folders) -> Iterator[Ward]:
    with (
        storescp("READING", folders("reading"), options=["--fork"]) as reading,
        relay(reading.port) as before_reading,
        closed_port() as closed,
    ):
        known = {"READING": before_reading.port, "SWITCHEDOFF": closed}
        with (
            orthanc("ORTHANC", known, folders("orthanc"), settings={"DicomScuTimeout": 60}) as first,
            dcmqrscp("DCMQRSCP", known, folders("dcmqrscp")) as second,
            relay(first.port) as before,
        ):
            for archive in (first, second):
                store(STUDIES, archive.ae_title, archive.port, folders("studies") / "files")
            yield Ward(first, second, before, before_reading, reading)


@pytest.fixture
def ward(_ward: Ward) -> Ward:
    """Nothing has arrived yet."""
    _ward.before.reset()
    _ward.before_reading.reset()
    _ward.reading.empty()
    return _ward


async def _told(client: Client, study: str, to: str, archive: str) -> dict[str, Any]:
    """The structure of a failure, whose text says the same."""
    result = await retrieve(client, study, to, archive=archive)
    assert result.is_error
    assert "Status: FAILED" in text(result)
    assert "SUCCESS" not in text(result)
    return content(result)


@pytest.mark.parametrize("archive", ["orthanc", "dcmqrscp"])
async def test_a_study_and_a_series_arrive(ward: Ward, tmp_path: Path, archive: str) -> None:
    async with assistant(ward.routes(tmp_path), ALLOWED) as client:
        whole = await retrieve(client, PRIOR_CT, archive=archive)
        series = await retrieve(client, PRIOR_CR, series=f"{PRIOR_CR}.1", archive=archive)
    assert "Status: SUCCESS" in text(whole)
    assert (content(whole)["completed"], content(whole)["failed"]) == (OBJECTS[PRIOR_CT], 0)
    assert not series.is_error
    assert ward.arrived(PRIOR_CT) == OBJECTS[PRIOR_CT]
    assert ward.reading.series().keys() >= {f"{PRIOR_CR}.1"}


FAILURES = [
    ("orthanc", UNKNOWN, "READING", "0xC000"),
    ("orthanc", PRIOR_CT, "STRANGER", "0xC000"),
    ("orthanc", PRIOR_CT, "SWITCHEDOFF", "0xC000"),
    ("dcmqrscp", UNKNOWN, "READING", "0x0000"),
    ("dcmqrscp", PRIOR_CT, "STRANGER", "0xA801"),
    ("dcmqrscp", PRIOR_CT, "SWITCHEDOFF", "0xA702"),
]


async def test_whatever_the_archive_calls_it_nothing_that_failed_is_a_success(
    ward: Ward, tmp_path: Path
) -> None:
    async with assistant(ward.routes(tmp_path), ALLOWED) as client:
        for archive, study, to, status in FAILURES:
            told = await _told(client, study, to, archive)
            assert (told["status"], told["dicom_status"]) == ("FAILED", status), (archive, study, to)
            assert told["cure"]
        wrong = await retrieve(client, PRIOR_CT, series=f"{PRIOR_CR}.1", archive="orthanc")
        assert (wrong.is_error, content(wrong)["cause"]) == (True, "not-found")
        down = await _told(client, PRIOR_CT, "READING " + "X" * 16, "orthanc")
        assert down["cause"] == "invalid"
    assert ward.reading.studies() == {}


async def test_a_cancelled_call_sends_a_c_cancel(ward: Ward, tmp_path: Path) -> None:
    routes = ward.routes(tmp_path)
    ward.before_reading.pause = 0.05
    async with assistant(routes, ALLOWED) as client:
        call = asyncio.create_task(retrieve(client, LARGE.study_uid, archive="orthanc"))
        assert await asyncio.to_thread(eventually, lambda: ward.arrived(LARGE.study_uid) >= 3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        journal = tmp_path / "forefetch.db"
        assert await asyncio.to_thread(eventually, lambda: list_tasks(journal)[0].status.final)
    (task,) = list_tasks(journal)
    assert task.outcome is not None
    assert (task.status, task.outcome.cause) == (TaskStatus.CANCELED, Cause.CANCELED)
    assert task.outcome.dicom_status == 0xFE00
    assert ward.before.said(C_CANCEL_RQ) == 1
    assert ward.arrived(LARGE.study_uid) < 50


async def test_two_moves_run_side_by_side_while_ping_is_answered_and_progress_told(
    ward: Ward, tmp_path: Path
) -> None:
    told: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(progress)

    ward.before_reading.pause = 0.02
    async with assistant(ward.routes(tmp_path), ALLOWED) as client:
        calls = [
            asyncio.create_task(retrieve(client, LARGE.study_uid, archive=archive, progress_callback=note))
            for archive in ("orthanc", "dcmqrscp")
        ]
        assert await asyncio.to_thread(eventually, lambda: ward.arrived(LARGE.study_uid) >= 3)
        for _ in range(20):
            await client.session.send_ping()
        assert [call.done() for call in calls] == [False, False]
        results = await asyncio.gather(*calls)
    assert [result.is_error for result in results] == [False, False]
    assert [content(result)["completed"] for result in results] == [50, 50]
    assert any(progress >= 1 for progress in told)
