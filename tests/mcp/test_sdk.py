"""The SDK under test: the same in the client and in the server, and the one that was meant."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from importlib.metadata import version
from pathlib import Path

import mcp
from packaging.version import Version

from tests.mcp.assistant import assistant
from tests.mcp.clinic import clinic
from tests.mcp.over_http import TOKEN, url_of
from tests.mcp.sdk import lowest, supported
from tests.running import running

LOWEST = "FOREFETCH_MCP_LOWEST"  # set by `make lowest`
_TELL = (
    "import atexit, sys; "
    "atexit.register(lambda: print('sdk:', sys.modules['mcp'].__file__, file=sys.stderr)); "
    "from engine.cli import main; main()"
)


def test_the_version_is_one_that_we_support() -> None:
    assert version("mcp") in supported()
    if os.environ.get(LOWEST):
        assert Version(version("mcp")) == lowest()


def test_the_code_is_of_that_version() -> None:
    """A folder that is put first on the path may have other code than what pip says is installed."""
    site = Path(mcp.__file__).parents[1]
    assert (site / f"mcp-{version('mcp')}.dist-info").is_dir()


async def test_the_server_runs_the_same_code(tmp_path: Path) -> None:
    with (
        clinic(tmp_path) as site,
        running(
            *("mcp", "--config", str(site.routes), "--http", "127.0.0.1:0"),
            environment={"FOREFETCH_MCP_TOKEN": TOKEN},
            program=(sys.executable, "-c", _TELL),
        ) as server,
    ):
        assert url_of(server)
        assert await asyncio.to_thread(server.end, signal.SIGTERM) == 0
        assert server.wait_for(r"engine\.mcp: MCP SDK (\S+);")[1] == version("mcp")
        assert server.wait_for(r"^sdk: (.+)$")[1] == mcp.__file__


async def test_the_server_that_the_client_starts_runs_it_too(tmp_path: Path) -> None:
    with clinic(tmp_path) as site:
        async with assistant(site.routes) as client:
            await client.list_tools()
        assert f"engine.mcp: MCP SDK {version('mcp')};" in (tmp_path / "mcp.log").read_text()
