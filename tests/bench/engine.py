"""``forefetch serve`` in a process of its own, as the benches start it: logs go to a file, as they would."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.running import FOREFETCH

CONFIG = """
engine: {{listen: "127.0.0.1:0", store: journal.db, ae_title: FOREFETCH{retention}}}
archives:
  main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {port}}}
destinations:
  reading: {{ae_title: READING, host: 127.0.0.1, port: 9}}
routes:
"""


@dataclass(frozen=True, slots=True)
class Serving:
    """``started``: seconds from the start of the process until it listened."""

    address: tuple[str, int]
    process: int
    started: float

    def memory(self) -> float:
        """Resident, the most that it ever was, in MB."""
        status = Path(f"/proc/{self.process}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1000


@contextmanager
def serving(
    folder: Path, routes: str, *, port: int = 9, allow: bool = False, retention: str = ""
) -> Iterator[Serving]:
    """An engine with one archive, at ``port`` of this machine, and these routes; its journal is in the
    folder. ``retention``: as in `routes.yaml`."""
    keep = f", retention: {retention}" if retention else ""
    (folder / "routes.yaml").write_text(CONFIG.format(port=port, retention=keep) + routes)
    with serving_file(folder / "routes.yaml", allow=allow) as engine:
        yield engine


@contextmanager
def serving_file(config: Path, *, allow: bool = False) -> Iterator[Serving]:
    """The same with a configuration as it is."""
    log = config.with_suffix(".log")
    environment = {**os.environ, "DICOM_HL7_PACS_ALLOW_RETRIEVE": str(allow).lower()}
    with log.open("w") as stream:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*FOREFETCH, "serve", "--config", str(config)],
            stdin=subprocess.DEVNULL,
            stderr=stream,
            env=environment,
        )
        try:
            address = _listening(process, log)
            yield Serving(address, process.pid, time.perf_counter() - begin)
        finally:
            process.terminate()
            process.wait(60)


def _listening(process: subprocess.Popen[bytes], log: Path) -> tuple[str, int]:
    while process.poll() is None:
        if found := re.search(r"listening on ([\d.]+):(\d+)", log.read_text()):
            return found[1], int(found[2])
        time.sleep(0.002)
    raise RuntimeError(f"it has ended: {log.read_text()}")


def processor_time(process: int) -> float:
    """Seconds that all its threads have worked so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
