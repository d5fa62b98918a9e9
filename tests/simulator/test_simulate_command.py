"""`forefetch simulate` with faults, as a process of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.cli.simulate import simulated
from engine.config import parse
from engine.dicom.node import Archive
from engine.errors import ForefetchError
from engine.scu import ArchiveClient
from engine.simulator import Fault

COMMAND = [sys.executable, "-u", "-c", "from engine.cli import main; main()", "simulate", "--config"]
STUDY = "2.25.1001001"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [it.getsockname()[1] for it in sockets]
    for it in sockets:
        it.close()
    return ports


def routes(archive: int, viewer: int) -> str:
    return f"""
engine: {{store: unused.db}}
archives:
  main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {archive}}}
destinations:
  reading-room: {{ae_title: VIEWER, host: 127.0.0.1, port: {viewer}}}
  elsewhere: {{ae_title: ELSEWHERE}}
routes:
  - {{name: study, messages: ORM^O01, studies: {{study: ZDS-1.1}}, from: main, to: reading-room}}
"""


@contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    command = [*COMMAND, *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def lines_to(process: subprocess.Popen[str], end: str) -> list[str]:
    """The lines up to the one that begins so, which has to come."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line.rstrip("\n"))
        if line.startswith(end):
            return seen
    raise AssertionError("\n".join(seen))


def test_it_tells_its_faults_and_each_one_that_strikes(tmp_path: Path) -> None:
    archive, viewer = free_ports(2)
    config = tmp_path / "routes.yaml"
    config.write_text(routes(archive, viewer))
    script = tmp_path / "faults.yaml"
    script.write_text("- {at: reading-room, fault: drop, object: 2}\n")
    with running(config, "--fault", "main: status=0xA702, on=move", "--faults", script) as process:
        told = lines_to(process, "Ctrl-C stops")
        assert told[-3:-1] == ["fault: main: status=0xA702, on=move", "fault: reading-room: drop, object=2"]
        asking = ArchiveClient(Archive("main", "ARCHIVE", "127.0.0.1", archive))
        assert asking.move(STUDY, "VIEWER").status == 0xA702
        assert lines_to(process, "fault strikes: main")[-1] == "fault strikes: main: status=0xA702, on=move"
        assert asking.move(STUDY, "VIEWER").counters.completed == 4
        asking.close()
        struck = lines_to(process, "destination reading-room: 3 objects so far")
        assert "fault strikes: reading-room: drop, object=2" in struck
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ("attic: abort", "no such node; there are main, reading-room"),
        ("elsewhere: abort", "no such node; there are main, reading-room"),
        ("reading-room: empty", "cannot befall store at VIEWER; `on` can be: find"),
    ],
)
def test_a_fault_of_a_node_that_cannot_have_it_stops_the_start(fault: str, complaint: str) -> None:
    settings = parse(routes(104, 105))
    with (
        pytest.raises(ForefetchError, match=f"fault '{fault}'.*{complaint}"),
        simulated(settings, any_port=True, faults=[Fault.parse(fault)]),
    ):
        pass


def test_a_mistake_on_the_command_line_is_told(tmp_path: Path) -> None:
    config = tmp_path / "routes.yaml"
    config.write_text(routes(104, 105))
    with running(config, "--fault", "main: status") as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert output == "forefetch: fault 'main: status': status: status needs it\n"
