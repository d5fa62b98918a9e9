"""A process that has imported the engine and forks a child for each life of it: a start then takes hundredths
of a second. ``python -m tests.crash.nursery``, driven by `tests.crash.lives`.

Commands are lines on standard input: a JSON object begins a life, KILL and TERM are signals to the one that
is on. Standard error carries the log of each life, and ``@ended STATUS`` behind its last line.
"""

from __future__ import annotations

import gc
import io
import json
import os
import select
import signal
import threading
from typing import Any

import engine.app
import engine.cli.operate  # noqa: F401  the verb imports the rest: here it is done once
from tests.crash.serve import forefetch

ENDED = "@ended"
_SIGNALS = {b"KILL": signal.SIGKILL, b"TERM": signal.SIGTERM}


def main() -> None:
    """Until standard input ends."""
    gc.freeze()  # so that no life copies it to look at it
    # Not buffered: a line that was read ahead would not wake select
    with open(0, "rb", buffering=0, closefd=False) as commands:
        while line := commands.readline():
            if line.strip() not in _SIGNALS:  # those come late: the life has ended already
                _bear(json.loads(line), commands)


def _bear(life: dict[str, Any], commands: io.FileIO) -> None:
    """A life from its birth to its end."""
    assert threading.active_count() == 1, "a thread would be lost by the fork"
    end, held = os.pipe()  # the child holds the other end for as long as it lives
    child = os.fork()
    if child == 0:
        os.close(end)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        forefetch(life["arguments"], life["crash"])
        raise SystemExit
    os.close(held)
    while end not in select.select([end, commands.fileno()], [], [])[0]:
        # Not reaped yet: the number is still the child's. No line: nobody is there to kill it any more
        os.kill(child, _SIGNALS.get(commands.readline().strip(), signal.SIGKILL))
    os.close(end)
    _, status = os.waitpid(child, 0)
    os.write(2, f"{ENDED} {os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
