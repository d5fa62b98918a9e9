"""Stands for a ``forefetch`` that `tests.nursery` begins: gives it its own streams, environment and folder,
passes signals on (SIGTSTP as SIGSTOP), and ends as it ends. ``python -I -S tests/launcher.py SOCKET
ARGUMENT…``; nothing of the engine is imported, so that it starts in hundredths of a second.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys


def main() -> None:
    with socket.socket(socket.AF_UNIX) as nursery:
        nursery.connect(sys.argv[1])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            signal.signal(number, lambda number, _: nursery.sendall(bytes([number])))
        # The launcher itself must go on, to pass on what thaws it
        signal.signal(signal.SIGTSTP, lambda *_: nursery.sendall(bytes([signal.SIGSTOP])))
        life = {"arguments": sys.argv[2:], "environment": dict(os.environ), "folder": os.getcwd()}
        socket.send_fds(nursery, [b"\n"], [0, 1, 2])
        nursery.sendall(json.dumps(life).encode() + b"\n")
        for stream in (0, 1, 2):
            os.close(stream)  # they end with the life
        status = int(nursery.recv(16) or 1)
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
