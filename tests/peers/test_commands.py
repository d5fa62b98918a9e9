"""The commands that speak DICOM themselves, against Orthanc."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.peers.forefetch import command, routes_file
from tests.peers.nodes import ArchiveNode, Ports, StorageNode
from tests.peers.orders import NEW, omi
from tests.peers.studies import OBJECTS, ORDERED, PRIOR_CT, PRIOR_MR, UNKNOWN

pytestmark = pytest.mark.peers


@pytest.fixture
def routes(orthanc_archive: ArchiveNode, ports: Ports, tmp_path: Path) -> Path:
    """Orthanc and READING, both of which are up."""
    archive = (orthanc_archive.ae_title, orthanc_archive.port)
    return routes_file(tmp_path, archive, {"READING": ports["READING"]})


def test_echo_succeeds_where_all_answer(routes: Path, reading: StorageNode) -> None:
    status, output = command("echo", "--config", routes)
    assert status == 0, output
    assert [line[:1] for line in output.splitlines()] == ["✓", "✓"]


def test_echo_fails_where_one_does_not_answer_and_names_it(
    orthanc_archive: ArchiveNode, reading: StorageNode, ports: Ports, tmp_path: Path
) -> None:
    archive = (orthanc_archive.ae_title, orthanc_archive.port)
    destinations = {title: ports[title] for title in ("READING", "SWITCHEDOFF")}
    status, output = command("echo", "--config", routes_file(tmp_path, archive, destinations))
    assert status == 1, output
    assert [line.split(" (")[0] for line in output.splitlines()] == [
        "✓ archive",
        "✓ READING",
        "✗ SWITCHEDOFF",
    ]


def test_retrieve_brings_a_study(routes: Path, reading: StorageNode) -> None:
    status, output = command("retrieve", PRIOR_CT, "READING", "--config", routes)
    assert status == 0, output
    assert {"Status: SUCCESS", "Completed: 5", "Failed: 0"} <= set(output.splitlines())
    assert reading.studies() == {PRIOR_CT: OBJECTS[PRIOR_CT]}


def test_retrieve_brings_a_series(routes: Path, reading: StorageNode) -> None:
    status, output = command("retrieve", PRIOR_CT, "READING", "--series", f"{PRIOR_CT}.2", "--config", routes)
    assert status == 0, output
    assert {"Status: SUCCESS", "Completed: 3"} <= set(output.splitlines())
    assert reading.series() == {f"{PRIOR_CT}.2": 3}


@pytest.mark.parametrize("arguments", [[UNKNOWN], [PRIOR_CT, "--series", f"{PRIOR_MR}.1"]])
def test_retrieve_of_what_is_not_there_fails(
    routes: Path, reading: StorageNode, arguments: list[str]
) -> None:
    study, *options = arguments
    status, output = command("retrieve", study, "READING", *options, "--config", routes)
    assert status == 1, output
    assert "Status: FAILED" in output
    assert reading.studies() == {}


def test_explain_asks_the_archive_and_moves_nothing(
    routes: Path, orthanc_archive: ArchiveNode, reading: StorageNode, tmp_path: Path
) -> None:
    message = tmp_path / "order.hl7"
    message.write_bytes(omi(NEW))
    status, output = command("explain", message, "--find", "--json", "--config", routes)
    assert status == 0, output
    (told,) = json.loads(output)
    (found,) = told["found"]
    assert [move["study"] for move in found["moves"]] == [PRIOR_CT, PRIOR_MR]
    left = [choice["study"] for choice in found["choices"] if not choice["taken"]]
    assert ORDERED in left
    assert (orthanc_archive.associations(), orthanc_archive.moves()) == (1, 0)
    assert reading.stores() == 0
