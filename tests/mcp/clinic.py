"""One archive, one destination and a routes file that an assistant is given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.types import CallToolResult

from engine.retrieve.task import RetrieveTask
from engine.simulator import Fault, SimulatedArchive, SimulatedDestination, demo_studies
from engine.store import list_tasks
from tests.hospital import CHEST_CT

KNEE_SERIES = "2.25.1001004.1"
CT_SERIES = "2.25.1001002.1"
SLOW = "main: delay=200ms, on=move, times=always"
SLOWER = SLOW.replace("200ms", "1s")
"""For what is to be stopped meanwhile: no machine is busy for five seconds."""


@dataclass(frozen=True, slots=True)
class Clinic:
    """``archive`` knows READING, and a NOBODY that does not answer; not STRANGER."""

    archive: SimulatedArchive
    reading: SimulatedDestination
    routes: Path
    journal: Path

    @property
    def tasks(self) -> list[RetrieveTask]:
        """Newest first."""
        return list_tasks(self.journal)

    @property
    def open_associations(self) -> int:
        """At the archive, now."""
        return len(self.archive._open_associations())


@contextmanager
def clinic(
    folder: Path, *faults: str, archive: str = "", gate: str = "", dimse: str = "10s", total: str = "30s"
) -> Iterator[Clinic]:
    """``faults`` of the archive; ``archive`` and ``gate`` are more of its section, and of ``gate``;
    ``dimse`` and ``total`` are the time-outs of one response and of one whole operation."""
    struck = [Fault.parse(fault) for fault in faults]
    with SimulatedDestination("READING") as reading:
        known = {"READING": reading.address, "NOBODY": ("127.0.0.1", 1)}
        with SimulatedArchive("ARCHIVE", demo_studies(), known, faults=struck) as node:
            journal, routes = folder / "forefetch.db", folder / "routes.yaml"
            routes.write_text(f"""
engine: {{listen: "127.0.0.1:0", store: {journal}, drain_timeout: 10s}}
archives:
  main:
    {{ae_title: ARCHIVE, host: 127.0.0.1, port: {node.address[1]}, idle: 1s,
      timeouts: {{dimse: {dimse}, total: {total}, acse: 2s}}{archive}}}
destinations:
  reading: {{ae_title: READING, host: 127.0.0.1, port: {reading.address[1]}}}
  stranger: {{ae_title: STRANGER}}
  nobody: {{ae_title: NOBODY}}
{gate}
routes:
  - {{name: study, messages: ORM^O01, studies: {{study: ZDS-1.1}}, from: main, to: reading}}
""")
            yield Clinic(node, reading, routes, journal)


async def retrieve(
    client: Client, study: str = CHEST_CT, to: str = "READING", series: str = "", **more: Any
) -> CallToolResult:
    """A call of the tool, by the names of its contract."""
    asked = {"study_instance_uid": study, "destination_ae_title": to, "series_instance_uid": series}
    options = {name: more.pop(name) for name in ("progress_callback", "read_timeout_seconds") if name in more}
    return await client.call_tool("pacs_retrieve", {**asked, **more}, **options)
