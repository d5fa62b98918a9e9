"""A process that has imported the engine and forks a child for each ``forefetch`` that a test starts: that
takes hundredths of a second instead of one. ``python -m tests.nursery DESCRIPTOR`` of a socket that listens,
on which `tests.launcher` asks for them; it ends with its standard input.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[1]
_IMPORTED = (
    *("engine.app", "engine.cli.operate", "engine.mcp.desk", "engine.mcp.http", "engine.mcp.serving"),
    *("engine.mcp.stdio", "engine.store.pulse", "rich.console"),
)
"""With what these import, it is all that the verbs do when they are called."""


@cache
def forked() -> tuple[str, ...]:
    """The command of a ``forefetch`` from the nursery, which begins when this is first asked for."""
    folder = tempfile.mkdtemp()
    path = f"{folder}/nursery"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        nursery = subprocess.Popen(
            [sys.executable, "-m", "tests.nursery", str(listening.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[listening.fileno()],
            cwd=_ROOT,
        )
    atexit.register(_end, nursery, folder)
    return (sys.executable, "-I", "-S", str(_ROOT / "tests" / "launcher.py"), path)


def _end(nursery: subprocess.Popen[bytes], folder: str) -> None:
    assert nursery.stdin is not None
    nursery.stdin.close()
    nursery.wait(30)
    shutil.rmtree(folder)


def _main() -> None:
    """Until standard input ends. Each life has a keeper, so that they do not wait for each other."""
    for name in _IMPORTED:
        import_module(name)
    assert threading.active_count() == 1, "a thread would be lost by the fork"
    gc.freeze()  # so that nothing of it is copied to be looked at
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how keepers end
    with socket.socket(fileno=int(sys.argv[1])) as listening:
        while listening.fileno() in select.select([0, listening.fileno()], [], [])[0]:
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    _keep(connection)
                    os._exit(0)


def _keep(connection: socket.socket) -> None:
    """See to a life from its birth to its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as lines:
        life = json.loads(lines.readline())
    end, held = os.pipe()  # the child holds the other end for as long as it lives
    child = os.fork()
    if child == 0:
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        for descriptor in (end, *streams):
            os.close(descriptor)
        _live(life)
    for descriptor in (held, *streams):
        os.close(descriptor)
    while end not in select.select([end, connection.fileno()], [], [])[0]:
        # Not reaped yet: the number is still the child's. No number: its launcher was killed
        told = connection.recv(1)
        os.kill(child, told[0] if told else signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with suppress(BrokenPipeError):  # its launcher was killed
        connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def _live(life: dict[str, Any]) -> None:
    """Be ``forefetch``. Raises SystemExit as it does."""
    from engine.cli import main

    os.environ.clear()
    os.environ.update(life["environment"])
    time.tzset()
    os.chdir(life["folder"])
    sys.argv = ["forefetch", *life["arguments"]]
    main()
    raise SystemExit


if __name__ == "__main__":
    _main()
