"""pacs_echo, pacs_query and pacs_study_summary of ``forefetch mcp`` against Orthanc and dcmqrscp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.simulator import GeneratedStudy, demo_studies
from tests.mcp.assistant import ALLOW_ALL, assistant, content, text
from tests.mcp.questions import PATIENT as SEEN_OF_PATIENT
from tests.mcp.questions import ask, query
from tests.peers.forefetch import routes_file
from tests.peers.nodes import ArchiveNode, Ports, StorageNode
from tests.peers.studies import LARGE, MIXED, OBJECTS, ORDERED, PATIENT, PRIOR_CR, PRIOR_CT, UNKNOWN

pytestmark = pytest.mark.peers

GRUEN = ["2.25.1002001", "2.25.1002002"]


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def archive(request: pytest.FixtureRequest) -> ArchiveNode:
    """A test that asks for it runs once with each archive."""
    node: ArchiveNode = request.getfixturevalue(f"{request.param}_archive")
    return node


@pytest.fixture
def routes(archive: ArchiveNode, ports: Ports, reading: StorageNode, tmp_path: Path) -> Path:
    return routes_file(tmp_path, (archive.ae_title, archive.port), {"READING": ports["READING"]})


def uids(found: dict[str, Any]) -> list[str]:
    return [study["study_instance_uid"] for study in found["studies"]]


async def test_archive_and_destination_answer_an_echo(routes: Path, archive: ArchiveNode) -> None:
    async with assistant(routes, {}) as client:
        told = await ask(client, "pacs_echo")
    assert not told.is_error, text(told)
    assert [(it["ae_title"], it["answered"]) for it in content(told)["nodes"]] == [
        (archive.ae_title, True),
        ("READING", True),
    ]


async def test_what_does_not_answer_an_echo_is_an_error_and_the_others_are_told(
    orthanc_archive: ArchiveNode, ports: Ports, tmp_path: Path
) -> None:
    destinations = {title: ports[title] for title in ("READING", "SWITCHEDOFF")}
    path = routes_file(tmp_path, ("ORTHANC", orthanc_archive.port), destinations, calling="FOREFETCH")
    async with assistant(path, {}) as client:
        told = await ask(client, "pacs_echo")
    assert told.is_error
    assert [it["answered"] for it in content(told)["nodes"]] == [True, True, False]


ASKED: list[tuple[dict[str, str], list[str]]] = [
    ({"study_instance_uid": PRIOR_CT}, [PRIOR_CT]),
    ({"accession_number": "A1001-3"}, [PRIOR_CR]),
    ({"patient_id": PATIENT, "study_date": "2024-01-17"}, [PRIOR_CR]),
    ({"patient_id": PATIENT, "study_date": "20260101-"}, [ORDERED]),
    ({"patient_name": "Gr*^J*"}, GRUEN),
    ({"patient_name": "Okafor^Ada", "study_date": "20261122"}, ["2.25.1003001"]),
    ({"patient_name": "Moss*", "accession_number": MIXED.accession}, [MIXED.study_uid]),
    ({"patient_id": "FF-404"}, []),
]


async def test_each_key_finds_what_it_means(routes: Path) -> None:
    async with assistant(routes, {}) as client:
        for keys, studies in ASKED:
            told = await query(client, **keys)
            assert not told.is_error, text(told)
            assert uids(content(told)) == studies, (keys, text(told))
            assert content(told)["left_out"] == 0


async def test_a_modality_is_matched_or_said_to_be_not(routes: Path, archive: ArchiveNode) -> None:
    """dcmqrscp does not know Modalities in Study, and finds every study."""
    async with assistant(routes, {}) as client:
        found = content(await query(client, patient_name="Moss*", modality="MR"))
    if archive.ae_title == "ORTHANC":
        assert uids(found) == [MIXED.study_uid]
        assert found["studies"][0]["unconfirmed"] == []
    else:
        assert set(uids(found)) == {LARGE.study_uid, MIXED.study_uid}
        assert [study["unconfirmed"] for study in found["studies"]] == [["modality"]] * 2


async def test_a_name_beyond_ascii_is_asked_and_told(routes: Path) -> None:
    async with assistant(routes, ALLOW_ALL) as client:
        told = await query(client, patient_name="Grün*")
    found = content(told)
    assert uids(found) == GRUEN, text(told)
    assert {study["patient"]["name"] for study in found["studies"]} == {"Grün^Jürgen"}


async def test_a_study_is_told_with_its_counts(
    orthanc_archive: ArchiveNode, ports: Ports, tmp_path: Path
) -> None:
    routes = routes_file(tmp_path, ("ORTHANC", orthanc_archive.port), ports)
    async with assistant(routes, ALLOW_ALL) as client:
        (study,) = content(await query(client, study_instance_uid=PRIOR_CT))["studies"]
    assert study == {
        "study_instance_uid": PRIOR_CT,
        "study_date": "2025-06-02",
        "study_time": "09:30:00",
        "modalities": ["CT"],
        "description": "CT Chest with contrast",
        "accession_number": "A1001-2",
        "series_count": 2,
        "instance_count": OBJECTS[PRIOR_CT],
        "patient": {"id": PATIENT, "name": "Aalto^Mira", "birth_date": "1961-03-14", "sex": "F"},
        "unconfirmed": [],
    }


async def test_patients_are_masked(routes: Path, tmp_path: Path) -> None:
    async with assistant(routes, {}) as client:
        told = await query(client, patient_id=PATIENT)
        summary = await ask(client, "pacs_study_summary", study_instance_uid=PRIOR_CT)
    seen = f"{text(told)}{content(told)}{text(summary)}{content(summary)}"
    seen += (tmp_path / "mcp.log").read_text()
    assert content(told)["count"] >= 5
    assert [value for value in SEEN_OF_PATIENT if value in seen] == []


async def test_beyond_the_limit_there_is_more_and_the_next_query_works(routes: Path) -> None:
    async with assistant(routes, {}) as client:
        for _ in range(3):
            told = await query(client, study_date="19000101-", limit=2)
            assert not told.is_error, text(told)
            assert (content(told)["count"], content(told)["truncated"]) == (2, True)
        assert not (await query(client, study_instance_uid=PRIOR_CT)).is_error


async def test_series_are_told(routes: Path) -> None:
    async with assistant(routes, {}) as client:
        told = await query(client, level="series", study_instance_uid=MIXED.study_uid)
        mr = await query(client, level="series", study_instance_uid=MIXED.study_uid, modality="MR")
    assert [(it["number"], it["modality"]) for it in content(told)["series"]] == [(1, "CT"), (2, "MR")]
    assert [it["series_instance_uid"] for it in content(mr)["series"]] == [f"{MIXED.study_uid}.2"]


@pytest.mark.parametrize(
    ("study", "counts"),
    [(MIXED, {"CT": 3, "MR": 2}), (LARGE, {"CT": 50}), (demo_studies()[1], {"CT": 5})],
    ids=["mixed", "large", "plain"],
)
async def test_a_study_is_summed_up(
    routes: Path, archive: ArchiveNode, study: GeneratedStudy, counts: dict[str, int]
) -> None:
    """dcmqrscp does not count."""
    counted = archive.ae_title == "ORTHANC"
    async with assistant(routes, {}) as client:
        told = await ask(client, "pacs_study_summary", study_instance_uid=study.study_uid)
    assert not told.is_error, text(told)
    summary = content(told)
    assert summary["series_count"] == len(study.series)
    assert summary["instance_count"] == (sum(counts.values()) if counted else None)
    assert summary["instances_by_modality"] == (counts if counted else dict.fromkeys(counts))
    assert summary["remarks"] == []


async def test_an_unknown_study_has_no_summary(routes: Path) -> None:
    async with assistant(routes, {}) as client:
        told = await ask(client, "pacs_study_summary", study_instance_uid=UNKNOWN)
    assert told.is_error
    assert text(told) == f"archive has no study {UNKNOWN}; check the UID, or find the study by pacs_query"


async def test_orthanc_lets_a_stranger_not_query_and_the_cure_is_told(
    orthanc_archive: ArchiveNode, ports: Ports, tmp_path: Path
) -> None:
    path = routes_file(tmp_path, ("ORTHANC", orthanc_archive.port), ports, calling="STRANGER")
    async with assistant(path, {}) as client:
        told = await query(client, patient_id=PATIENT)
    assert told.is_error
    assert "enter this calling AE title in the archive" in text(told)
