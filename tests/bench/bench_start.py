"""How long ``forefetch`` needs to start: ``python -m tests.bench.bench_start [processes]``.

Each kind of start in a process of its own, side by side: one of each in turn, as often as ``processes`` says.
Until it has ended, listens or answers; CPU is that of its whole life, which other load on the machine changes
less. Then what its imports cost.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from engine.sender import send
from tests.bench.bench_intake import routes
from tests.bench.engine import serving, serving_file
from tests.hospital import order
from tests.running import FOREFETCH

PROCESSES = 10
TASKS = 50
LARGEST = 12
ACCEPTED = """
  - name: accepted
    messages: ORM^O01
    studies: {study: ZDS-1.1}
    from: main
    to: reading
    acknowledge: accepted
"""
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


def ran(*command: str) -> float:
    """Seconds until it has ended."""
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def imported(statement: str) -> float:
    """The same for a process that imports, and does not tidy up."""
    return ran(sys.executable, "-c", f"{statement}; import os; os._exit(0)")


def listening(config: Path) -> float:
    """Seconds until ``forefetch serve`` listens."""
    with serving_file(config) as engine:
        return engine.started


def initialized(config: Path) -> float:
    """Seconds until ``forefetch mcp`` has answered ``initialize``, over stdio."""
    begin = time.perf_counter()
    with subprocess.Popen(
        [*FOREFETCH, "mcp", "--config", str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        server.stdin.flush()
        assert b"serverInfo" in server.stdout.readline()
        spent = time.perf_counter() - begin
        server.kill()
    return spent


def with_tasks(folder: Path) -> Path:
    """A configuration whose journal has `TASKS` tasks."""
    with serving(folder, ACCEPTED) as engine:
        orders = [order(study=f"2.25.{number}", control_id=f"M{number}") for number in range(1, TASKS + 1)]
        asyncio.run(send(*engine.address, orders))
    return folder / "routes.yaml"


def with_routes(folder: Path, count: int) -> Path:
    """A configuration with so many routes, that has been served once."""
    folder.mkdir()
    with serving(folder, routes(count)):
        return folder / "routes.yaml"


def kinds(folder: Path) -> dict[str, tuple[Callable[[], float], float | None]]:
    """How each is started, and the target in seconds."""
    few, many = with_routes(folder / "few", 20), with_routes(folder / "many", 2000)
    tasks = with_tasks(folder)
    return {
        "python -c pass": (partial(imported, "pass"), None),
        "import engine.cli": (partial(imported, "import engine.cli"), 0.4),
        "forefetch --help": (partial(ran, *FOREFETCH, "--help"), 0.4),
        "forefetch check, 20 routes": (partial(ran, *FOREFETCH, "check", "-c", str(few)), None),
        f"forefetch tasks, {TASKS} tasks": (partial(ran, *FOREFETCH, "tasks", "-c", str(tasks)), None),
        "serve listens, 20 routes": (partial(listening, few), 1.5),
        "serve listens, 2000 routes": (partial(listening, many), 1.5),
        "mcp answers initialize": (partial(initialized, few), None),
        "import the MCP SDK": (partial(imported, "import mcp.server.mcpserver"), None),
    }


def tell_starts(processes: int) -> None:
    """The table of medians."""
    with tempfile.TemporaryDirectory() as folder:
        starts = kinds(Path(folder))
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in starts}
        for _ in range(processes):
            for name, (start, _target) in starts.items():
                before = computed()
                spent[name].append((start() * 1000, (computed() - before) * 1000))
    print(f"{'of each start, in ms':28} median  least  target  CPU   ({processes} processes)")
    for name, (_start, target) in starts.items():
        passed, cpu = zip(*spent[name], strict=True)
        wanted = f"{target * 1000:.0f}" if target else "-"
        print(
            f"{name:28} {statistics.median(passed):6.0f} {min(passed):6.0f} {wanted:>7} "
            f"{statistics.median(cpu):5.0f}"
        )


def computed() -> float:
    """Seconds of CPU that processes of ours have taken and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tell_imports(name: str, statement: str) -> None:
    """The packages whose modules take longest, without what they import of others."""
    command = [sys.executable, "-X", "importtime", "-c", statement]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    packages: Counter[str] = Counter()
    for own, module in re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", said, re.MULTILINE):
        depth = 2 if module.startswith("engine.") else 1
        packages[".".join(module.split(".")[:depth])] += int(own)
    print(f"\n{name}: {packages.total() / 1000:.0f} ms of imports (traced, which slows them)")
    for package, own in packages.most_common(LARGEST):
        print(f"  {package:28} {own / 1000:7.0f}")


def main() -> None:
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed Forefetch is compiled
    tell_starts(int(sys.argv[1]) if len(sys.argv) > 1 else PROCESSES)
    tell_imports("forefetch --help", "import engine.cli")
    tell_imports("forefetch serve", "import engine.cli, engine.app, engine.config")
    tell_imports("forefetch mcp", "import engine.cli, engine.config, engine.mcp.serving, engine.mcp.stdio")


if __name__ == "__main__":
    main()
