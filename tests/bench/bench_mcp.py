"""How long an assistant waits for ``forefetch mcp``: ``python -m tests.bench.bench_mcp [routes.yaml]``.

From the start of the process to the answer of ``initialize``, over stdio, and what of that are imports.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from tests.running import FOREFETCH

RUNS = 10
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "1"},
    },
}
IMPORTS = {
    "Python": "pass",
    "the command line": "import engine.cli",
    "the configuration": "import engine.cli, engine.config",
    "the MCP SDK": "import mcp.server.mcpserver",
    "everything": "import engine.cli, engine.config, engine.mcp.serving, engine.mcp.stdio",
}


def initialized(routes: str) -> None:
    """Start a server, have it answer, end it."""
    command = [*FOREFETCH, "mcp", "--config", routes]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        server.stdin.flush()
        assert b"serverInfo" in server.stdout.readline()
        server.kill()


def imported(statement: str) -> None:
    """In a process of its own, which does not tidy up."""
    subprocess.run([sys.executable, "-c", f"{statement}; import os; os._exit(0)"], check=True)


def median(act: Callable[[], None]) -> float:
    """In milliseconds; the first run, which may compile, does not count."""
    spent = []
    for _ in range(RUNS + 1):
        begin = time.perf_counter()
        act()
        spent.append((time.perf_counter() - begin) * 1000)
    return statistics.median(spent[1:])


def main() -> None:
    routes = sys.argv[1] if len(sys.argv) > 1 else "routes.yaml"
    print(f"start to the answer of initialize: {median(lambda: initialized(routes)):5.0f} ms")
    for name, statement in IMPORTS.items():
        print(f"  {name:17}: {median(lambda it=statement: imported(it)):5.0f} ms")  # type: ignore[misc]


if __name__ == "__main__":
    main()
