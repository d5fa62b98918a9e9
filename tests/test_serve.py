"""`forefetch serve` as a process of its own: signals, kill -9, and what is there after a new start."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.retrieve.outcome import TaskStatus
from engine.sender import send
from engine.simulator import SimulatedArchive, SimulatedDestination, demo_studies
from engine.store import list_tasks
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE, field, hospital, order
from tests.running import FOREFETCH, Running, running


@contextmanager
def serving(config: Path, environment: dict[str, str] = ALLOWED) -> Iterator[Running]:
    with running("serve", "--config", str(config), environment=environment) as process:
        yield process


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    with hospital(tmp_path) as site:
        path = tmp_path / "routes.yaml"
        path.write_text(site.text)
        yield path


async def test_sigterm_answers_what_was_received_and_ends_with_status_0(config: Path) -> None:
    with serving(config) as engine:
        answer = asyncio.create_task(send(*engine.address, [order()]))
        await asyncio.to_thread(engine.wait_for, "message 1 .* kept")
        status = await asyncio.to_thread(engine.end, signal.SIGTERM)
        (ack,) = await answer
    assert status == 0
    assert field(ack, "MSA-1") == "AA"


async def test_nothing_of_the_patient_is_logged(config: Path) -> None:
    with serving(config) as engine:
        await send(
            *engine.address, [order(), order("RE", study=CHEST_CT, control_id="M2"), order(control_id="")]
        )
        await asyncio.to_thread(engine.end, signal.SIGTERM)
    log = "".join(engine.lines)
    assert "message 2" in log
    for secret in ("FF-1001", "Aalto", "Mira", "19610314"):
        assert secret not in log


async def test_every_line_is_a_json_object_where_that_is_asked_for(config: Path) -> None:
    with serving(config, {**ALLOWED, "FOREFETCH_LOG_FORMAT": "json"}) as engine:
        await send(*engine.address, [order()])
        await asyncio.to_thread(engine.end, signal.SIGTERM)
    lines = [json.loads(line) for line in engine.lines]
    steps = [line["step"] for line in lines if line.get("message") == 1]
    assert steps[0] == "kept"
    assert {"began", "moved", "finished", "answered"} <= set(steps)
    assert lines[-1]["event"] == "stopped"


async def test_a_closed_gate_is_announced_at_the_start(config: Path) -> None:
    with serving(config, {"DICOM_HL7_PACS_ALLOW_RETRIEVE": "yes"}) as engine:
        await asyncio.to_thread(engine.wait_for, "DICOM_HL7_PACS_ALLOW_RETRIEVE to exactly 'true'")


async def test_a_second_engine_on_the_same_journal_says_why_it_does_not_start(config: Path) -> None:
    with serving(config) as first:
        assert first.address
        second = await asyncio.to_thread(
            lambda: subprocess.run(
                [*FOREFETCH, "serve", "--config", str(config)], capture_output=True, text=True, timeout=60
            )
        )
    assert second.returncode == 2
    assert "another forefetch is running on it" in second.stderr


async def test_after_kill_9_unfinished_tasks_go_on_and_the_resent_message_gets_their_outcome(
    tmp_path: Path,
) -> None:
    """The archive accepts the connection and is silent; the engine is killed in the middle of that."""
    with SimulatedDestination("READING") as reading, socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        path = tmp_path / "routes.yaml"
        path.write_text(
            f"""
engine: {{listen: "127.0.0.1:0", store: {tmp_path / "forefetch.db"}}}
archives: {{main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {silent.getsockname()[1]}}}}}
destinations: {{reading: {{ae_title: READING}}}}
routes:
  - {{name: all, messages: "*", studies: {{study: ZDS-1.1}}, from: main, to: reading}}
"""
        )
        messages = [order(study=CHEST_CT), order(study=OLD_KNEE, control_id="M2")]
        with serving(path) as engine:
            lost = [asyncio.create_task(send(*engine.address, [message])) for message in messages]
            await asyncio.to_thread(engine.wait_for, "message 2 .* kept")
            connection, _ = await asyncio.to_thread(silent.accept)
            await asyncio.to_thread(engine.end, signal.SIGKILL)
            connection.close()
            assert all(
                isinstance(it, Exception) for it in await asyncio.gather(*lost, return_exceptions=True)
            )
        before = {task.status for task in list_tasks(tmp_path / "forefetch.db")}
        assert before <= {TaskStatus.IN_PROGRESS, TaskStatus.SCHEDULED}
        port = silent.getsockname()[1]
        silent.close()
        known = {"READING": reading.address}
        with (
            SimulatedArchive("ARCHIVE", demo_studies(), known, port=port) as archive,
            serving(path) as engine,
        ):
            acks = [(await send(*engine.address, [message]))[0] for message in messages]
            again = [(await send(*engine.address, [message]))[0] for message in messages]
            assert await asyncio.to_thread(engine.end, signal.SIGTERM) == 0
        assert [field(ack, "MSA-1") for ack in acks] == ["AA", "AA"]
        assert again == acks
        assert sorted(move.study_uid for move in archive.moves) == [CHEST_CT, OLD_KNEE]
        assert (reading.arrived(CHEST_CT), reading.arrived(OLD_KNEE)) == (5, 4)
