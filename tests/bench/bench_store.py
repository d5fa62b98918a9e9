"""How many messages a second the journal keeps: ``python -m tests.bench.bench_store [directory]``.

Each has one task and 800 bytes, and is on the disk (fsync) before its caller goes on. The directory should
be on the disk that is meant; without one it is the system's for temporary files.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from engine.store import Store
from tests.store import message, request

SECONDS = 3.0


async def measure(path: Path, callers: int) -> float:
    """Messages a second with so many callers at a time, each of which waits for its last message."""
    store = Store.open(path)
    end = time.perf_counter() + SECONDS

    async def caller(name: int) -> int:
        count = 0
        while time.perf_counter() < end:
            await store.journal(message((name, count), request(f"1.2.{name}.{count}"), raw=bytes(800)))
            count += 1
        return count

    begin = time.perf_counter()
    total = sum(await asyncio.gather(*(caller(name) for name in range(callers))))
    spent = time.perf_counter() - begin
    await store.close()
    return total / spent


def main() -> None:
    directory = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=directory) as folder:
        for callers in (1, 8, 64):
            rate = asyncio.run(measure(Path(folder) / f"journal-{callers}", callers))
            print(f"{callers:3} callers: {rate:8.0f} messages/s")


if __name__ == "__main__":
    main()
