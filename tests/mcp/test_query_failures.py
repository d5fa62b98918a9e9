"""pacs_query where more match than wanted, where the archive is not what it should be, and beside others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.types import CallToolResult

from engine.simulator import Fault, SimulatedArchive, demo_studies
from tests.dicom_peers import SUCCESS, Reply, answer, eventually, result, scripted_scp
from tests.mcp.assistant import ALLOW_ALL, assistant, content, text
from tests.mcp.clinic import clinic
from tests.mcp.questions import ask, query, routes_of
from tests.peers.processes import closed_port

NEWEST, CHEST_CT = "2.25.1001001", "2.25.1001002"


# the limit


async def test_more_than_the_limit_is_told_and_the_archive_is_stopped_by_cancel(tmp_path: Path) -> None:
    """It would go on with results for ever."""
    with clinic(tmp_path, "main: endless, on=find, delay=20ms, after_responses=3") as nodes:
        async with assistant(nodes.routes, {}) as client:
            told = await query(client, patient_id="FF-1001", limit=2)
        found = content(told)
        assert not told.is_error
        assert [it["study_instance_uid"] for it in found["studies"]] == [NEWEST, CHEST_CT]
        assert (found["count"], found["truncated"]) == (2, True)
        assert text(told).startswith("main has more than 2 studies with patient_id")
        assert "it was told to stop: narrow the query, or raise limit (at most 200)" in text(told)
        assert await asyncio.to_thread(eventually, lambda: len(nodes.archive.queries) == 1)
        assert nodes.archive.queries[0].canceled
        assert await asyncio.to_thread(eventually, lambda: nodes.open_associations == 0)


@pytest.mark.parametrize("limit", [5, 6])
async def test_as_many_as_the_limit_are_not_truncated(tmp_path: Path, limit: int) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            found = content(await query(client, patient_id="FF-1001", limit=limit))
        assert (found["count"], found["truncated"]) == (5, False)
        assert not nodes.archive.queries[0].canceled


async def test_series_have_the_limit_too(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            told = await query(client, level="series", study_instance_uid=CHEST_CT, limit=1)
        assert (content(told)["count"], content(told)["truncated"]) == (1, True)
        assert text(told).startswith("main has more than 1 series with")


# archives that are not what they should be


async def test_an_archive_that_ignores_keys_is_not_believed(tmp_path: Path) -> None:
    def study(number: int, **told: Any) -> Reply:
        good = {"StudyDate": "20250602", "PatientID": "P1", "PatientName": "Aalto^Mira"}
        return result(StudyInstanceUID=f"1.2.{number}", **{**good, **told})

    others = [study(2, PatientID="P2"), study(3, StudyDate="20240602"), study(4, PatientName="Okafor^Ada")]
    with scripted_scp(answer(study(1), *others, SUCCESS)) as scp:
        async with assistant(routes_of(tmp_path, scp.port), {}) as client:
            told = await query(
                client, patient_id="P1", study_date="20250602", patient_name="Aalto*", modality="CT"
            )
    found = content(told)
    assert [it["study_instance_uid"] for it in found["studies"]] == ["1.2.1"]
    assert (found["count"], found["left_out"]) == (1, 3)
    assert "3 results left out, for they do not match what was asked" in text(told)
    assert found["studies"][0]["unconfirmed"] == ["modality"]
    assert "may not match modality, which the archive does not tell" in text(told)


async def test_series_of_another_study_are_left_out(tmp_path: Path) -> None:
    own, other = (result(StudyInstanceUID=f"1.{it}", SeriesInstanceUID=f"1.{it}.1") for it in (2, 3))
    with scripted_scp(answer(own, other, SUCCESS)) as scp:
        async with assistant(routes_of(tmp_path, scp.port), {}) as client:
            found = content(await query(client, level="series", study_instance_uid="1.2", description="T1*"))
    assert [it["series_instance_uid"] for it in found["series"]] == ["1.2.1"]
    assert found["left_out"] == 1
    assert found["series"][0]["unconfirmed"] == ["description"]


@pytest.mark.parametrize("count", [None, "0"])
async def test_what_the_archive_does_not_tell_is_null_and_never_zero(
    tmp_path: Path, count: str | None
) -> None:
    bare = result(
        StudyInstanceUID="1.2.3", NumberOfStudyRelatedSeries=count, NumberOfStudyRelatedInstances=count
    )
    with scripted_scp(answer(bare, SUCCESS)) as scp:
        async with assistant(routes_of(tmp_path, scp.port), {}) as client:
            told = await query(client, study_instance_uid="1.2.3")
    (study,) = content(told)["studies"]
    patient = dict.fromkeys(("id", "name", "birth_date", "sex"))
    assert study == {
        **dict.fromkeys(study),
        "study_instance_uid": "1.2.3",
        "patient": patient,
        "unconfirmed": [],
    }
    assert "series not counted; instances not counted; patient unknown, no name" in text(told)


async def test_names_of_any_script_are_asked_and_told(tmp_path: Path) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    told = result(SpecificCharacterSet=["", "ISO 2022 IR 87"], StudyInstanceUID="1.2.3", PatientName=name)
    with scripted_scp(answer(told, SUCCESS)) as scp:
        async with assistant(routes_of(tmp_path, scp.port), ALLOW_ALL) as client:
            found = content(await query(client, patient_name="山田*"))
        identifier = scp.requests[0].identifier
    assert found["studies"][0]["patient"]["name"] == name
    assert identifier is not None
    assert (identifier.SpecificCharacterSet, str(identifier.PatientName)) == ("ISO_IR 192", "山田*")


FAILURES = [
    ("reject=calling-ae-title", "enter this calling AE title in the archive"),  # before any request
    ("status=0xA700, on=find", "C-FIND ended with status 0xA700 (look in the archive's log)"),
    ("status=0xC001, on=find, after_responses=2", "C-FIND ended with status 0xC001"),
    ("abort, on=find", "aborted the association (A-ABORT)"),
    ("close, on=find, after_responses=1", "closed the connection while a response was awaited"),
    ("silence, on=find", "no response to C-FIND for 2 s (raise the archive's timeouts in routes.yaml"),
    ("stall, on=find, after_responses=1", "no response to C-FIND for 2 s"),
    ("endless, on=find, delay=20ms", "C-FIND was not finished after 4 s in all"),
]


async def test_an_archive_that_fails_is_an_error_with_its_cure_and_keeps_no_association(
    tmp_path: Path,
) -> None:
    faults = [f"main: {fault}" for fault, _ in FAILURES]
    with clinic(tmp_path, *faults, dimse="2s", total="4s") as nodes:
        async with assistant(nodes.routes, {}) as client:
            seen = [await query(client, patient_id="FF-1001", limit=200) for _ in FAILURES]
            assert not (await query(client, patient_id="FF-1001")).is_error
        assert len(nodes.archive.faults.fired) == len(FAILURES)
        sentences = [text(it) for it in seen]
        assert all(it.is_error for it in seen)
        for (_, cure), sentence in zip(FAILURES, sentences, strict=True):
            assert cure in sentence
            assert sentence.startswith("main (ARCHIVE): ")
        assert await asyncio.to_thread(eventually, lambda: nodes.open_associations == 0)


async def test_the_archives_own_words_are_withheld_where_patients_are_masked(tmp_path: Path) -> None:
    """They may name anybody. Where patient data is shown, they are too."""
    fault = "main: status=0xC001, on=find, times=always, comment=no index for FF-1001 AALTO"
    with clinic(tmp_path, fault) as nodes:
        async with assistant(nodes.routes, {}) as client:
            masked = await query(client, patient_name="Aal*")
            summary = await ask(client, "pacs_study_summary", study_instance_uid=CHEST_CT)
        async with assistant(nodes.routes, ALLOW_ALL) as client:
            shown = await query(client, patient_name="Aal*")
    assert text(masked) == text(summary)
    assert text(masked) == (
        "main (ARCHIVE): C-FIND ended with status 0xC001 (its comment is withheld: it may name a patient) "
        "(look in the archive's log)"
    )
    assert "0xC001 (no index for FF-1001 AALTO) (look in the archive's log)" in text(shown)


async def test_an_archive_that_is_down_is_an_error_with_the_cure(tmp_path: Path) -> None:
    with closed_port() as closed:
        async with assistant(routes_of(tmp_path, closed), {}) as client:
            told = await query(client, patient_id="P1")
    assert told.is_error
    assert f"main (ARCHIVE): no TCP connection to 127.0.0.1:{closed}: Connection refused" in text(told)


# beside other calls


@contextmanager
def endless() -> Iterator[SimulatedArchive]:
    """An archive whose first query has no end."""
    fault = Fault.parse("main: endless, on=find, delay=50ms, after_responses=1")
    with SimulatedArchive("ARCHIVE", demo_studies(), {}, faults=[fault]) as archive:
        yield archive


async def begin(client: Client, archive: SimulatedArchive) -> asyncio.Task[CallToolResult]:
    waiting = asyncio.create_task(query(client, patient_id="FF-1001"))
    assert await asyncio.to_thread(archive.faults.wait_for, 1, 20)
    return waiting


async def was_canceled(archive: SimulatedArchive) -> bool:
    """By C-CANCEL, and nothing is left of it."""
    assert await asyncio.to_thread(eventually, lambda: len(archive.queries) == 1)
    assert await asyncio.to_thread(eventually, lambda: not archive._open_associations())
    return archive.queries[0].canceled


async def test_a_query_that_waits_keeps_nobody_waiting_and_is_canceled_at_the_archive(tmp_path: Path) -> None:
    with endless() as archive:
        async with assistant(routes_of(tmp_path, archive.address[1]), {}) as client:
            waiting = await begin(client, archive)
            assert not (await ask(client, "pacs_echo", node="main")).is_error
            assert not waiting.done()
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting
            assert await was_canceled(archive)


async def test_a_client_that_leaves_ends_its_query(tmp_path: Path) -> None:
    with endless() as archive:
        async with assistant(routes_of(tmp_path, archive.address[1]), {}) as client:
            waiting = await begin(client, archive)
        with pytest.raises(MCPError):
            await waiting
        assert await was_canceled(archive)
