"""pacs_study_summary through the SDK's client over stdio."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from engine.simulator import GeneratedSeries, GeneratedStudy, SimulatedArchive, demo_studies
from tests.dicom_peers import SUCCESS, Reply, Request, Script, eventually, result, scripted_scp
from tests.hospital import hospital
from tests.mcp.assistant import ALLOW_ALL, assistant, at_desk, content, text
from tests.mcp.clinic import clinic
from tests.mcp.questions import PATIENT, ask, routes_of

CHEST_CT = "2.25.1001002"


def mixed() -> GeneratedStudy:
    """Three series of two modalities."""
    first = demo_studies()[0]
    series = [("CT", "Thin", 3), ("MR", "Fused", 2), ("CT", "Thick", 1)]
    return GeneratedStudy(
        "2.25.5",
        first.patient_id,
        first.patient_name,
        first.birth_date,
        first.sex,
        "A5",
        first.date,
        first.time,
        "Fusion",
        tuple(GeneratedSeries(*it, f"2.25.5.{number}") for number, it in enumerate(series, 1)),
    )


def archive_of(study: dict[str, Any], *series: dict[str, Any]) -> Script:
    """An archive that has one study and tells these of its series."""

    def script(request: Request) -> Iterable[Reply]:
        assert request.identifier is not None
        if request.identifier.QueryRetrieveLevel == "STUDY":
            return [result(**{"StudyInstanceUID": "1.2", **study}), SUCCESS]
        told = [
            result(**{"StudyInstanceUID": "1.2", "SeriesInstanceUID": f"1.2.{number}", **one})
            for number, one in enumerate(series, 1)
        ]
        return [*told, SUCCESS]

    return script


async def summed_up(tmp_path: Path, script: Script) -> tuple[dict[str, Any], str]:
    with scripted_scp(script) as scp:
        async with assistant(routes_of(tmp_path, scp.port), {}) as client:
            told = await ask(client, "pacs_study_summary", study_instance_uid="1.2")
            assert not told.is_error
        assert await asyncio.to_thread(eventually, lambda: scp.released == scp.associations == 1)
    return content(told), text(told)


async def test_a_study_is_summed_up_with_its_series_and_counts_by_modality(tmp_path: Path) -> None:
    with SimulatedArchive("ARCHIVE", [mixed()], {}) as archive:
        async with assistant(routes_of(tmp_path, archive.address[1]), ALLOW_ALL) as client:
            told = await ask(client, "pacs_study_summary", study_instance_uid="2.25.5")
        assert archive.associations == 1
    summary = content(told)
    assert not told.is_error
    assert summary["study"]["modalities"] == ["CT", "MR"]
    assert summary["study"]["patient"]["name"] == "Aalto^Mira"
    assert [(it["number"], it["modality"], it["instances"]) for it in summary["series"]] == [
        (1, "CT", 3),
        (2, "MR", 2),
        (3, "CT", 1),
    ]
    assert (summary["series_count"], summary["instance_count"]) == (3, 6)
    assert (summary["instances_by_modality"], summary["remarks"]) == ({"CT": 4, "MR": 2}, [])
    assert text(told).splitlines() == [
        "main: 2026-11-20 09:30:00; CT/MR 'Fusion'; accession A5; series 3; instances 6; "
        "patient FF-1001, Aalto^Mira; born 1961-03-14; sex F; study 2.25.5",
        "1. number 1; CT 'Thin'; instances 3; series 2.25.5.1",
        "2. number 2; MR 'Fused'; instances 2; series 2.25.5.2",
        "3. number 3; CT 'Thick'; instances 1; series 2.25.5.3",
        "series in all: 3",
        "instances in all: 6 (CT 4, MR 2)",
    ]


async def test_the_patient_is_masked(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            told = await ask(client, "pacs_study_summary", study_instance_uid=CHEST_CT)
    seen = text(told) + json.dumps(content(told)) + (tmp_path / "mcp.log").read_text()
    assert [value for value in PATIENT if value in seen] == []
    assert content(told)["study"]["patient"]["id"].startswith("masked-")


async def test_a_study_that_is_not_there_is_an_error_with_the_cure(tmp_path: Path) -> None:
    with hospital(tmp_path) as nodes:
        routes = tmp_path / "routes.yaml"
        routes.write_text(nodes.text)
        async with assistant(routes, {}) as client:
            told = await ask(client, "pacs_study_summary", study_instance_uid="2.25.404", archive="main")
            unnamed = await ask(client, "pacs_study_summary", study_instance_uid=CHEST_CT)
            bad = await ask(client, "pacs_study_summary", study_instance_uid="2.25.1\\2.25.2", archive="main")
            down = await ask(client, "pacs_study_summary", study_instance_uid="2.25.1", archive="dark")
        assert [it.level for it in nodes.archive.queries] == ["STUDY"]
    assert [it.is_error for it in (told, unnamed, bad, down)] == [True] * 4
    assert text(told) == (
        "main has no study 2.25.404; check the UID, or find the study by pacs_query; "
        "it may be in another archive: dark"
    )
    assert "name one of: main, dark" in text(unnamed)
    assert "is a list of UIDs" in text(bad)
    assert "no TCP connection" in text(down)


async def test_a_uid_that_is_none_is_said_to_be_none(tmp_path: Path) -> None:
    async with at_desk(routes_of(tmp_path, 1), {}) as client:
        told = await ask(client, "pacs_study_summary", study_instance_uid="")
    assert told.is_error
    assert text(told).startswith("study instance UID")


async def test_another_study_than_was_asked_is_not_taken_for_it(tmp_path: Path) -> None:
    with scripted_scp(archive_of({"StudyInstanceUID": "1.3"})) as scp:
        async with assistant(routes_of(tmp_path, scp.port), {}) as client:
            told = await ask(client, "pacs_study_summary", study_instance_uid="1.2")
    assert told.is_error
    assert "main has no study 1.2" in text(told)


async def test_a_failure_at_series_level_is_an_error_not_half_a_summary(tmp_path: Path) -> None:
    with clinic(tmp_path, "main: status=0xC001, on=find, after=1") as nodes:
        async with assistant(nodes.routes, {}) as client:
            told = await ask(client, "pacs_study_summary", study_instance_uid=CHEST_CT)
        assert await asyncio.to_thread(eventually, lambda: nodes.open_associations == 0)
    assert told.is_error
    assert "C-FIND ended with status 0xC001 (look in the archive's log)" in text(told)


async def test_counts_that_the_archive_does_not_give_are_null_or_the_sum_of_what_it_gives(
    tmp_path: Path,
) -> None:
    series = [
        {"Modality": "CT", "NumberOfSeriesRelatedInstances": "3"},
        {"Modality": "MR"},
        {"NumberOfSeriesRelatedInstances": "0"},
    ]
    summary, shown = await summed_up(tmp_path, archive_of({"NumberOfStudyRelatedInstances": "0"}, *series))
    assert (summary["series_count"], summary["instance_count"]) == (3, None)
    assert summary["instances_by_modality"] == {"CT": 3, "MR": None, "unknown": None}
    assert "instances in all: not counted (CT 3, MR not counted, unknown not counted)" in shown
    summary, _ = await summed_up(tmp_path, archive_of({}, series[0], {**series[0], "Modality": "MR"}))
    assert (summary["study"]["instance_count"], summary["instance_count"]) == (None, 6)


async def test_an_archive_that_tells_no_series_is_not_taken_for_a_study_without(tmp_path: Path) -> None:
    summary, shown = await summed_up(tmp_path, archive_of({"NumberOfStudyRelatedInstances": "7"}))
    assert (summary["series"], summary["series_count"], summary["instance_count"]) == ([], None, 7)
    assert summary["remarks"] == ["the archive tells no series of the study"]
    assert "series in all: not counted" in shown


async def test_what_does_not_add_up_is_remarked(tmp_path: Path) -> None:
    study = {"NumberOfStudyRelatedInstances": "7", "NumberOfStudyRelatedSeries": "3"}
    series = [
        {"Modality": "CT", "NumberOfSeriesRelatedInstances": "3"},
        {"StudyInstanceUID": "1.3", "Modality": "CT", "NumberOfSeriesRelatedInstances": "4"},
    ]
    summary, shown = await summed_up(tmp_path, archive_of(study, *series))
    assert (summary["series_count"], summary["instance_count"]) == (1, 7)
    assert summary["remarks"] == [
        "the archive counts 3 series, but tells 1",
        "the archive counts 7 instances of the study, but 3 in its series",
        "1 series left out, which the archive gave though they are of another study",
    ]
    assert shown.splitlines()[-3:] == summary["remarks"]


async def test_a_study_that_is_filed_twice_is_remarked(tmp_path: Path) -> None:
    def script(request: Request) -> Iterable[Reply]:
        assert request.identifier is not None
        if request.identifier.QueryRetrieveLevel == "SERIES":
            return [SUCCESS]
        return [*(result(StudyInstanceUID="1.2", PatientID=patient) for patient in ("P1", "P2")), SUCCESS]

    summary, _ = await summed_up(tmp_path, script)
    assert summary["remarks"][0] == "the archive has the study 2 times, of different patients perhaps"
