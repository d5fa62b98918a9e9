"""`forefetch mcp` over standard input and output, as bytes: what a client may do to it, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from engine.mcp.stdio import LONGEST
from engine.retrieve.outcome import TaskStatus
from tests.hospital import CHEST_CT
from tests.mcp.assistant import ALLOW_ALL
from tests.mcp.clinic import SLOWER, Clinic, clinic
from tests.mcp.conftest import Cancels
from tests.mcp.over_http import LINE
from tests.nursery import forked
from tests.running import FOREFETCH

INITIALIZE = {
    "protocolVersion": "2025-06-18",
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}
RETRIEVE = {
    "name": "pacs_retrieve",
    "arguments": {"study_instance_uid": CHEST_CT, "destination_ae_title": "READING"},
}
PARSE_ERROR = -32700


class Wire:
    """A server, and the lines to and from it."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()

    async def send(self, *lines: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(line + b"\n" for line in lines))
        await self.process.stdin.drain()

    async def request(self, number: int, method: str, **params: Any) -> None:
        asked = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        await self.send(json.dumps(asked).encode())

    async def receive(self) -> dict[str, Any]:
        """The next line, which has to be a JSON-RPC message."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            line = await self.process.stdout.readline()
        message: dict[str, Any] = json.loads(line)
        assert message["jsonrpc"] == "2.0"
        return message

    async def begin(self) -> None:
        """The handshake."""
        await self.request(1, "initialize", **INITIALIZE)
        answer = await self.receive()
        assert answer["result"]["serverInfo"]["name"] == "forefetch"
        await self.send(b'{"jsonrpc": "2.0", "method": "notifications/initialized"}')

    async def end(self, number: signal.Signals | None = None) -> int:
        """By a signal, or by the end of its standard input. The exit status."""
        assert self.process.stdin is not None
        if number is None:
            self.process.stdin.close()
        else:
            self.process.send_signal(number)
        async with asyncio.timeout(30):
            return await self.process.wait()

    async def rest(self) -> list[dict[str, Any]]:
        """What else it has sent, once it has ended."""
        assert self.process.stdout is not None
        return [json.loads(line) for line in (await self.process.stdout.read()).splitlines()]


@asynccontextmanager
async def wired(
    routes: Path, environment: Mapping[str, str] = ALLOW_ALL, program: Sequence[str] = ()
) -> AsyncIterator[Wire]:
    """A server that has not been spoken to. What it logs has the engine's format. ``program``: unless it is
    given, a ``forefetch`` from the nursery."""
    log = routes.parent / "mcp.log"
    with log.open("w") as errors:
        process = await asyncio.create_subprocess_exec(
            *(*(program or forked()), "mcp", "--config", str(routes)),
            stdin=PIPE,
            stdout=PIPE,
            stderr=errors,
            env={**os.environ, **environment},
            limit=2 * LONGEST,
        )
    try:
        yield Wire(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]
    assert all(LINE.match(line) for line in log.read_text().splitlines()), log.read_text()


async def test_every_line_is_a_json_rpc_message_and_the_log_goes_elsewhere(tmp_path: Path) -> None:
    with clinic(tmp_path) as site:
        async with wired(site.routes) as server:
            await server.begin()
            await server.request(2, "tools/list")
            await server.request(3, "tools/call", **RETRIEVE)
            await server.request(4, "no/such/method")
            answers = [await server.receive() for _ in range(3)]
            assert {answer["id"] for answer in answers} == {2, 3, 4}
            assert await server.end() == 0
            assert await server.rest() == []
            assert "engine.dispatcher: task 1 COMPLETED" in server.log


GARBAGE = [
    b"garbage",
    b"{",
    b"[]",
    b"null",
    b'{"jsonrpc": "2.0"}',
    b'{"jsonrpc": "1.0", "id": 7, "method": "ping"}',
    b"\xff\xfe\x00",
    b"x" * (LONGEST + 10),
    b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"_meta": {"x": "' + b"y" * LONGEST + b'"}}}',
]


async def test_lines_that_are_no_messages_are_answered_and_survived(tmp_path: Path) -> None:
    with clinic(tmp_path) as site:
        async with wired(site.routes) as server:
            for garbage in GARBAGE:
                await server.send(garbage, b"", b"  ")
                answer = await server.receive()
                assert (answer["id"], answer["error"]["code"]) == (None, PARSE_ERROR)
                assert f"one JSON-RPC message of at most {LONGEST} bytes" in answer["error"]["message"]
            await server.begin()
            await server.send(*GARBAGE)
            assert [(await server.receive())["error"]["code"] for _ in GARBAGE] == [PARSE_ERROR] * len(
                GARBAGE
            )
            await server.request(2, "ping")
            assert (await server.receive())["id"] == 2
            assert await server.end() == 0
            assert await server.rest() == []


async def test_a_fault_in_the_sdk_is_logged_without_its_text(tmp_path: Path) -> None:
    """It takes a prompt that there is not for a fault, and would log its name. Each line has the format."""
    with clinic(tmp_path) as site:
        async with wired(site.routes) as server:
            await server.begin()
            await server.request(2, "prompts/get", name="Aalto^Mira")
            assert (await server.receive())["id"] == 2
            assert await server.end() == 0
            assert ": a fault: ValueError at " in server.log
            assert "Aalto" not in server.log


async def test_a_message_may_come_in_pieces_and_with_cr_lf(tmp_path: Path) -> None:
    with clinic(tmp_path) as site:
        async with wired(site.routes) as server:
            assert server.process.stdin is not None
            whole = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE})
            for piece in (whole[:10], whole[10:50], whole[50:] + "\r\n"):
                server.process.stdin.write(piece.encode())
                await server.process.stdin.drain()
            assert (await server.receive())["id"] == 1
            assert await server.end() == 0


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGINT])
async def test_it_ends_by_the_end_of_its_input_or_a_signal(
    tmp_path: Path, number: signal.Signals | None, begun: bool
) -> None:
    with clinic(tmp_path) as site:
        async with wired(site.routes, program=FOREFETCH) as server:
            if begun:
                await server.begin()
            else:
                await _ready(server)
            assert await server.end(number) == 0
            assert await server.rest() == []
            assert server.log.rstrip().endswith("engine.mcp: stopped")


async def _ready(server: Wire) -> None:
    """A signal before it listens to signals would end it the hard way."""
    await server.send(b"anything")
    await server.receive()


async def _retrieving(server: Wire, site: Clinic) -> None:
    await server.begin()
    await server.request(2, "tools/call", **RETRIEVE)
    assert await asyncio.to_thread(site.archive.faults.wait_for, 1, 30)


@pytest.mark.parametrize("number", [None, signal.SIGTERM, signal.SIGINT])
async def test_a_retrieve_under_way_is_canceled_on_the_wire_and_its_call_is_answered(
    tmp_path: Path, cancels: Cancels, number: signal.Signals | None
) -> None:
    with clinic(tmp_path, SLOWER) as site:
        async with wired(site.routes) as server:
            await _retrieving(server, site)
            assert await server.end(number) == 0
            (answer,) = await server.rest()
            assert answer["id"] == 2
            if number is None:
                assert answer["error"]["message"] == "Connection closed"
            else:
                assert answer["result"]["isError"]
                assert "forefetch mcp is stopping" in answer["result"]["content"][0]["text"]
            assert "Traceback" not in server.log
        await asyncio.to_thread(cancels.wait)
        assert [task.status for task in site.tasks] == [TaskStatus.CANCELED]
        assert site.reading.arrived() < 5


async def test_a_client_that_reads_no_more_ends_it_and_its_retrieve(tmp_path: Path, cancels: Cancels) -> None:
    with clinic(tmp_path, SLOWER) as site:
        async with wired(site.routes) as server:
            await _retrieving(server, site)
            server.process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]
            await server.request(3, "ping")
            async with asyncio.timeout(30):
                assert await server.process.wait() == 0
            assert "nobody reads standard output any more" in server.log
            assert "Traceback" not in server.log
        await asyncio.to_thread(cancels.wait)
        assert [task.status for task in site.tasks] == [TaskStatus.CANCELED]


async def test_standard_input_may_be_a_file(tmp_path: Path) -> None:
    """No event loop can wait for a file; many a script has one."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
    (tmp_path / "asked").write_text(json.dumps(asked) + "\n")
    with clinic(tmp_path) as site, (tmp_path / "asked").open() as file:
        process = await asyncio.create_subprocess_exec(
            *FOREFETCH, "mcp", "--config", str(site.routes), stdin=file, stdout=PIPE, stderr=DEVNULL
        )
        answers, _ = await process.communicate()
    assert process.returncode == 0
    assert json.loads(answers)["result"]["serverInfo"]["name"] == "forefetch"
