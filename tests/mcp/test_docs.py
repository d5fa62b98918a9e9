"""docs/mcp.md: what it shows can be pasted, and what it says of the tools is so."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import signal
import sys
import tomllib
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from engine.cli import app
from engine.mcp.switches import PATIENT_DATA, SEND, TASKS
from engine.mcp.token import VARIABLE
from engine.retrieve.gate import SWITCH
from tests.mcp.assistant import assistant
from tests.mcp.clinic import clinic
from tests.mcp.over_http import TOKEN, serving, url_of

TEXT = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
COMMAND = "/opt/forefetch/bin/forefetch"
ROUTES = "/etc/forefetch/routes.yaml"
VARIABLES = {SWITCH, TASKS, SEND, PATIENT_DATA, VARIABLE}


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def configurations() -> list[dict[str, Any]]:
    """Every snippet that a client reads."""
    return [*map(json.loads, fenced("json")), *map(tomllib.loads, fenced("toml"))]


def servers() -> Iterator[dict[str, Any]]:
    """Every server in them."""
    for configuration in configurations():
        (listed,) = [value for key, value in configuration.items() if key != "inputs"]
        yield from listed.values()


def command_lines() -> Iterator[list[str]]:
    """Every `forefetch mcp …` in the document, without `forefetch`."""
    for server in servers():
        if "command" in server:
            assert server["command"] == COMMAND
            yield server["args"]
    for line in re.findall(r"^(?:    |      |claude ).*forefetch mcp .*$", TEXT, re.MULTILINE):
        words = shlex.split(line)
        yield words[max(number for number, word in enumerate(words) if Path(word).name == "forefetch") + 1 :]


def test_every_command_line_is_one_of_ours() -> None:
    mcp = typer.main.get_group(app).commands["mcp"]
    lines = list(command_lines())
    assert len(lines) >= 12
    for line in lines:
        verb, *words = line
        assert verb == "mcp"
        assert ROUTES in words
        with mcp.make_context("mcp", words) as context:  # raises for what it does not know
            assert context.params["config"] == Path(ROUTES)


def test_every_server_is_reached_in_one_of_two_ways() -> None:
    kinds = []
    for server in servers():
        url = server.get("url") or server.get("serverUrl")
        kinds.append("http" if url else "stdio")
        if url:
            assert url == "http://127.0.0.1:8765/mcp"
            token = server.get("headers", {}).get("Authorization", "").removeprefix("Bearer ")
            assert token or server["bearer_token_env_var"] == VARIABLE
        else:
            assert server["env"] == {SWITCH: "true"}
    assert (kinds.count("stdio"), kinds.count("http")) == (7, 6)


def test_every_variable_is_a_real_one() -> None:
    assert set(re.findall(r"\b(?:DICOM_HL7_PACS|FOREFETCH)_[A-Z_]+", TEXT)) == VARIABLES
    abbreviated = {f"DICOM_HL7_PACS{name}" for name in re.findall(r"…(_ALLOW_[A-Z_]+)", TEXT)}
    assert abbreviated == VARIABLES - {PATIENT_DATA, VARIABLE}


async def test_every_tool_is_in_the_table_with_its_hints(tmp_path: Path) -> None:
    rows = {
        cells[0].strip("`"): [cell == "yes" for cell in cells[-4:]]
        for line in re.findall(r"^\| `\w+` \|.*\|$", TEXT, re.MULTILINE)
        if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 7
    }
    assert len(rows) == 11
    with clinic(tmp_path) as site:
        async with assistant(site.routes) as client:
            for tool in (await client.list_tools()).tools:
                hints = tool.annotations
                assert hints is not None
                told = [
                    hints.read_only_hint,
                    hints.destructive_hint,
                    hints.idempotent_hint,
                    hints.open_world_hint,
                ]
                assert rows[tool.name] == told, tool.name


async def test_the_python_that_is_shown_runs(tmp_path: Path) -> None:
    over_stdio, over_http = fenced("python")
    with clinic(tmp_path) as site:
        launcher = tmp_path / "forefetch"
        launcher.write_text(f"#!{sys.executable}\nfrom engine.cli import main\nmain()\n")
        launcher.chmod(0o755)
        path = repr(os.pathsep.join(it for it in sys.path if it))
        here = over_stdio.replace(COMMAND, str(launcher)).replace(ROUTES, str(site.routes))
        here = here.replace('env={"', f'env={{"PYTHONPATH": {path}, "')
        assert (await _output(here)).startswith("done: {'status': 'SUCCESS'")
        with serving(site.routes) as server:
            there = over_http.replace("http://127.0.0.1:8765/mcp", url_of(server))
            assert "pacs_retrieve " in await _output(there)
            assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0


async def _output(code: str) -> str:
    environment = {
        **os.environ,
        VARIABLE: TOKEN,
        "PYTHONPATH": os.pathsep.join(it for it in sys.path if it),
        "NO_PROXY": "127.0.0.1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=PIPE, stderr=PIPE, env=environment
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()
