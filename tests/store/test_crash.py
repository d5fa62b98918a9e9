from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from engine.store import Store

ROOT = Path(__file__).parents[2]

# Says "kept N" and "ended N" only after the store has said so.
PROGRAM = """
import asyncio, os, pathlib, sys, uuid
from engine.store import Store
from tests.store import ARRIVED, message, request

async def caller(store):
    while True:
        uid = f"2.25.{uuid.uuid4().int}"
        kept = await store.journal(message(uid, request(uid), request(uid + ".1")))
        os.write(1, b"kept %d\\n" % kept.message_id)
        await store.claim(kept.task_ids[0])
        assert await store.finish(kept.task_ids[0], ARRIVED) == ()
        os.write(1, b"ended %d\\n" % kept.task_ids[0])

async def main():
    store = Store.open(sys.argv[1])
    await asyncio.gather(*(caller(store) for _ in range(8)))

asyncio.run(main())
"""


def killed(path: Path, lines: int) -> Iterator[tuple[str, int]]:
    """What a process said that is killed after so many lines."""
    program = [sys.executable, "-c", PROGRAM, str(path)]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    for line in said:
        if line.endswith("\n"):
            word, number = line.split()
            yield word, int(number)


async def test_whatever_was_said_to_be_kept_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    said: set[tuple[str, int]] = set()
    for lines in (1, 40, 333, 800):
        said |= set(killed(path, lines))
        await Store.open(path).close()
        with closing(sqlite3.connect(path)) as database:
            messages = {("kept", number) for (number,) in database.execute("SELECT id FROM messages")}
            ended = {
                ("ended", number)
                for (number,) in database.execute("SELECT id FROM tasks WHERE status = 'COMPLETED'")
            }
            halves = database.execute(
                "SELECT message_id FROM tasks GROUP BY message_id HAVING count(*) <> 2"
            ).fetchall()
            unlinked = database.execute(
                "SELECT message_id, id FROM tasks EXCEPT SELECT message_id, task_id FROM message_tasks"
            ).fetchall()
            (tasks,) = database.execute("SELECT count(*) FROM tasks").fetchone()
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert said <= messages | ended
        assert halves == []
        assert unlinked == []
        assert tasks == 2 * len(messages)
    assert len(said) >= 1174
