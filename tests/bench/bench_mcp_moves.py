"""How soon ``forefetch mcp`` answers ping while it moves: ``python -m tests.bench.bench_mcp_moves``.

Over stdio, on a simulated archive that takes 400 ms for each object. Without a move, and with two.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from mcp import Client

from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE
from tests.mcp.assistant import assistant
from tests.mcp.clinic import clinic, retrieve

PINGS = 100


async def pinged(client: Client) -> list[float]:
    """In milliseconds."""
    spent = []
    for _ in range(PINGS):
        begin = time.perf_counter()
        await client.session.send_ping()
        spent.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.005)
    return spent


def tell(what: str, spent: list[float]) -> None:
    print(f"{what}: median {statistics.median(spent):5.1f} ms, longest {max(spent):5.1f} ms of {PINGS} pings")


async def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        clinic(Path(folder), "main: delay=400ms, times=always") as nodes,
    ):
        async with assistant(nodes.routes, ALLOWED) as client:
            tell("no move   ", await pinged(client))
            calls = [asyncio.create_task(retrieve(client, study)) for study in (CHEST_CT, OLD_KNEE)]
            await asyncio.sleep(0.5)
            tell("two moves ", await pinged(client))
            assert not any(call.done() for call in calls), "they ended before the pings did"
            results = await asyncio.gather(*calls)
            print("both arrived" if not any(result.is_error for result in results) else "a move failed")


if __name__ == "__main__":
    asyncio.run(main())
