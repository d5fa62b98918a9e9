"""pacs_retrieve through the SDK's client over stdio, against simulated nodes: its contract, and every way in
which a retrieve can fail."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import jsonschema
import pytest
from mcp import Client

from engine.mcp.switches import PATIENT_DATA
from engine.retrieve.gate import SWITCH
from engine.retrieve.outcome import Cause, TaskStatus
from engine.store import story_of
from tests.dicom_peers import eventually
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE
from tests.mcp.assistant import assistant, content, text
from tests.mcp.clinic import CT_SERIES, KNEE_SERIES, SLOW, SLOWER, Clinic, clinic, retrieve

REPORT = f"""PACS Retrieve (C-MOVE)
{"=" * 50}
Status: SUCCESS
Study UID: {CHEST_CT}
Destination: READING
Message: 5 objects arrived
Completed: 5
Failed: 0
Warnings: 0
DICOM status: 0x0000
Task: 1"""


async def test_a_study_arrives_and_the_report_is_the_contract(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            result = await retrieve(client)
        assert (text(result), result.is_error) == (REPORT, False)
        told = content(result)
        assert (told["status"], told["completed"], told["failed"], told["warnings"]) == ("SUCCESS", 5, 0, 0)
        assert (told["dicom_status"], told["comment"], told["task"]) == ("0x0000", None, 1)
        assert nodes.reading.arrived(CHEST_CT) == 5


async def test_the_series_stands_in_the_report_and_is_all_that_is_moved(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            result = await retrieve(client, series=CT_SERIES)
        lines = text(result).splitlines()
        assert lines[2:6] == [
            "Status: SUCCESS",
            f"Study UID: {CHEST_CT}",
            f"Series UID: {CT_SERIES}",
            "Destination: READING",
        ]
        assert content(result)["series_instance_uid"] == CT_SERIES
        assert [move.series_uid for move in nodes.archive.moves] == [CT_SERIES]


async def test_a_series_of_another_study_is_not_moved(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            result = await retrieve(client, series=KNEE_SERIES)
        told = content(result)
        assert result.is_error
        assert (told["status"], told["cause"], told["completed"]) == ("FAILED", "not-found", None)
        assert (nodes.archive.moves, nodes.reading.arrived()) == ((), 0)


# Those that end an association come first: what strikes a used one before any response is tried once more
FAILURES = [
    ("abort", "association-aborted", None),
    ("abort, after_objects=2", "association-aborted", None),
    ("close, after_objects=2", "association-aborted", None),
    ("silence", "timed-out", None),
    ("stall, after_objects=1", "timed-out", None),
    ("endless, delay=50ms", "timed-out", None),
    ("status=0xA801", "destination-unknown", "0xA801"),
    ("status=0xA702", "out-of-resources-suboperations", "0xA702"),
    ("status=0xC000, comment=out of order", "unable-to-process", "0xC000"),
    ("status=0xB000, completed=3, failed=2, warning=0", "some-failed", "0xB000"),
    ("status=0xB000, leave_out=all", "some-failed", "0xB000"),
    ("status=0xFE00, after_objects=2", "canceled", "0xFE00"),
    ("empty", "nothing-moved", "0x0000"),
    ("counters, leave_out=all", "uncounted", "0x0000"),
    ("counters, completed=4, failed=1, warning=0", "some-failed", "0x0000"),
]


async def _is_failure(client: Client, cause: str, status: str | None) -> None:
    """An error in text, structure and flag."""
    result = await retrieve(client)
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    told = content(result)
    jsonschema.validate(told, tools["pacs_retrieve"].output_schema or {})
    assert result.is_error, cause
    assert text(result).splitlines()[:3] == ["PACS Retrieve (C-MOVE)", "=" * 50, "Status: FAILED"]
    assert (told["status"], told["cause"], told["dicom_status"]) == ("FAILED", cause, status)
    assert "SUCCESS" not in text(result)
    assert (status is None) == ("DICOM status" not in text(result))


async def test_whatever_is_no_arrival_is_an_error_and_leaks_nothing(tmp_path: Path) -> None:
    faults = [f"main: {fault}, after={number}" for number, (fault, _, _) in enumerate(FAILURES)]
    with clinic(tmp_path, *faults, archive=", breaker: off", dimse="2s", total="4s") as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            for _, cause, status in FAILURES:
                await _is_failure(client, cause, status)
            assert not (await retrieve(client)).is_error
            assert await asyncio.to_thread(eventually, lambda: nodes.open_associations == 0)
        assert len(nodes.archive.faults.fired) == len(FAILURES)


async def test_an_archive_that_rejects_us_is_an_error(tmp_path: Path) -> None:
    with clinic(tmp_path, "main: reject=called-ae-title, times=always") as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            await _is_failure(client, "association-rejected", None)


@pytest.mark.parametrize("shown", [False, True])
async def test_the_archives_own_words_are_passed_on_without_the_patient(tmp_path: Path, shown: bool) -> None:
    switches = {**ALLOWED, PATIENT_DATA: str(shown).lower()}
    words = "index of FF-1001, AALTO^Mira, 19610314 is being rebuilt"
    with clinic(tmp_path, f'main: status=0xC001, comment="{words}", failed=2') as nodes:
        async with assistant(nodes.routes, switches) as client:
            result = await retrieve(client)
        comment = content(result)["comment"]
        assert f"Comment: {comment}" in text(result)
        if shown:
            assert comment == words
        else:
            assert re.fullmatch("index of masked-.{6}, masked-.{6}, masked-.{6} is being rebuilt", comment)


async def test_a_destination_that_the_archive_cannot_reach_is_a_failure_without_a_leak(
    tmp_path: Path,
) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            for to in ("STRANGER", "NOBODY", "STRANGER"):
                result = await retrieve(client, to=to)
                assert (result.is_error, content(result)["dicom_status"]) == (True, "0xA801")
                assert await asyncio.to_thread(eventually, lambda: nodes.open_associations == 0)


BAD_INPUT = [
    ({"study": ""}, "study_instance_uid is empty"),
    ({"study": "1.2\\1.3"}, "is a list of UIDs"),
    ({"study": "1.2.03"}, "is not a UID"),
    ({"study": "1.2.*"}, "is not a UID"),
    ({"study": "1." + "2" * 63}, "64 are allowed"),
    ({"series": "abc"}, "series_instance_uid 'abc' is not a UID"),
    ({"series": "1.2\\1.3"}, "is a list of UIDs"),
    ({"to": ""}, "destination_ae_title is empty"),
    ({"to": "A" * 17}, "16 are allowed"),
    ({"to": "READING\\OTHER"}, "backslash"),
    ({"to": "ELSEWHERE"}, "is not listed under destinations in"),
    ({"archive": "other"}, "there is no archive 'other'; name one of: main"),
]


async def test_bad_input_is_named_with_its_cure_and_asks_nobody(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            for given, complaint in BAD_INPUT:
                result = await retrieve(client, **given)
                assert result.is_error, given
                assert complaint in text(result), given
                assert content(result)["status"] == "FAILED"
                assert content(result)["task"] is None
        assert (nodes.archive.associations, nodes.journal.exists()) == (0, False)


@pytest.mark.parametrize("value", [None, "TRUE", " true"])
async def test_a_closed_gate_says_what_it_is_why_and_how_it_is_opened(
    tmp_path: Path, value: str | None
) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {} if value is None else {SWITCH: value}) as client:
            result = await retrieve(client)
        told = content(result)
        assert result.is_error
        assert told["cause"] == "gate-closed"
        assert "retrieval is switched off; set the environment variable" in told["message"]
        assert f"{SWITCH} to exactly 'true'" in told["message"]
        assert (nodes.archive.associations, nodes.reading.arrived()) == (0, 0)


async def test_a_dry_run_moves_nothing_and_tells_what_keeps_the_real_one(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, {}) as client:
            result = await retrieve(client, dry_run=True)
            unknown = await retrieve(client, study="1.2.3", dry_run=True)
        told = content(result)
        assert (result.is_error, told["status"], told["dry_run"]) == (False, "SUCCESS", True)
        assert told["message"] == "dry run: would have moved 5 objects to READING; nothing was moved"
        assert any("retrieval is switched off" in sentence for sentence in told["gate"])
        assert (unknown.is_error, content(unknown)["cause"]) == (True, "not-found")
        assert (nodes.archive.moves, nodes.reading.arrived()) == ((), 0)


async def test_a_gate_that_opens_late_is_told_at_once_and_nothing_waits_on(tmp_path: Path) -> None:
    with clinic(tmp_path, archive=", windows: [Mon 00:00-00:01]") as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            result = await retrieve(client)
        told = content(result)
        assert (result.is_error, told["cause"]) == (True, "gate-closed")
        assert (told["task"], told["task_status"]) == (1, "CANCELED")
        assert told["message"].startswith("nothing was moved: window: ")
        assert [task.status for task in nodes.tasks] == [TaskStatus.CANCELED]
        assert nodes.archive.moves == ()


async def test_budgets_hold_for_calls_by_the_patient_and_the_size_that_the_archive_tells(
    tmp_path: Path,
) -> None:
    with clinic(tmp_path, gate="gate: {budgets: {patient: {studies: 1}, order: {instances: 4}}}") as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            large = await retrieve(client)
            small = await retrieve(client, OLD_KNEE)
            again = await retrieve(client, OLD_KNEE)
        for refused, reason in ((large, "it would make 5 instances"), (again, "it would make 2 studies")):
            assert (refused.is_error, content(refused)["cause"]) == (True, "gate-closed")
            assert reason in content(refused)["message"]
        assert not small.is_error
        assert [move.study_uid for move in nodes.archive.moves] == [OLD_KNEE]


async def test_where_budgets_cannot_be_kept_nothing_moves(tmp_path: Path) -> None:
    gate = "gate: {budgets: {patient: {studies: 1}}}"
    with clinic(tmp_path, "main: status=0xA700, on=find", gate=gate) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            result = await retrieve(client)
        assert (result.is_error, content(result)["cause"]) == (True, "query-failed")
        assert nodes.archive.moves == ()


async def test_progress_counts_what_has_arrived(tmp_path: Path) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    with clinic(tmp_path, SLOW.replace("200ms", "700ms")) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            result = await retrieve(client, progress_callback=note)
    assert not result.is_error
    values = [progress for progress, _, _ in told]
    assert values == sorted(set(values))
    counted = [(progress, total) for progress, total, _ in told if progress >= 1]
    assert len(counted) >= 2
    assert all(total == 5 for _, total in counted)
    assert any(message and "completed" in message and "remaining" in message for _, _, message in told)


async def _when_some_have_arrived(nodes: Clinic, study: str = CHEST_CT) -> None:
    assert await asyncio.to_thread(eventually, lambda: nodes.reading.arrived(study) >= 1)


async def test_a_cancelled_call_cancels_the_move_on_the_wire(tmp_path: Path) -> None:
    with clinic(tmp_path, SLOWER) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            call = asyncio.create_task(retrieve(client))
            await _when_some_have_arrived(nodes)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await asyncio.to_thread(eventually, lambda: nodes.tasks[0].status.final)
            assert not (await retrieve(client, OLD_KNEE, series=KNEE_SERIES, dry_run=True)).is_error
        (task,) = [task for task in nodes.tasks if task.outcome and task.outcome.cause is not Cause.DRY_RUN]
        assert task.outcome is not None
        assert (task.status, task.outcome.dicom_status) == (TaskStatus.CANCELED, 0xFE00)
        assert nodes.reading.arrived() < 5


async def test_a_client_that_leaves_takes_its_move_with_it(tmp_path: Path) -> None:
    with clinic(tmp_path, SLOWER) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            call = asyncio.create_task(retrieve(client))
            await _when_some_have_arrived(nodes)
        await asyncio.gather(call, return_exceptions=True)
        (task,) = nodes.tasks
        assert task.status is TaskStatus.CANCELED
        assert nodes.reading.arrived() < 5


async def test_two_moves_run_side_by_side_and_the_server_answers_meanwhile(tmp_path: Path) -> None:
    with clinic(tmp_path, SLOW.replace("200ms", "700ms")) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            calls = [asyncio.create_task(retrieve(client, study)) for study in (CHEST_CT, OLD_KNEE)]
            await _when_some_have_arrived(nodes)
            await _when_some_have_arrived(nodes, OLD_KNEE)
            for _ in range(20):
                await client.session.send_ping()
            assert [call.done() for call in calls] == [False, False]
            assert nodes.reading.arrived() < 9
            results = await asyncio.gather(*calls)
        assert [result.is_error for result in results] == [False, False]
        assert nodes.reading.arrived() == 9


async def test_a_call_waits_for_its_turn_and_says_so(tmp_path: Path) -> None:
    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    with clinic(tmp_path, SLOW, archive=", concurrency: 1") as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            first = asyncio.create_task(retrieve(client))
            await _when_some_have_arrived(nodes)
            second = await retrieve(client, OLD_KNEE, progress_callback=note)
            assert not second.is_error
            assert not (await first).is_error
    assert any(message and "at its limit of 1 at a time" in message for message in told)


async def test_the_journal_tells_who_asked_and_what_was_answered(tmp_path: Path) -> None:
    with clinic(tmp_path) as nodes:
        async with assistant(nodes.routes, ALLOWED) as client:
            await retrieve(client, study="1.2.3")
        story = story_of(nodes.journal, 1)
        assert story is not None
        (asked,) = story.messages
        assert (asked.message_type, asked.ack_code) == ("pacs_retrieve", "FAILED")
        assert story.task.request.routes == ("pacs_retrieve",)
