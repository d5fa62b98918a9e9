"""What the field tests share: routes with gates, orders for many studies, an operator beside the engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.simulator import GeneratedSeries, GeneratedStudy
from engine.store import list_tasks
from tests.peers.forefetch import Forefetch, environment, forefetch
from tests.peers.orders import Acknowledgment
from tests.peers.processes import run, script
from tests.peers.studies import LARGE

_numbers = itertools.count(1)


def _small(number: int) -> GeneratedStudy:
    uid = f"2.25.20000{number:02}"
    series = (GeneratedSeries("CT", "Chest", 1, f"{uid}.1"),)
    return replace(LARGE, study_uid=uid, accession=f"A2000-{number}", series=series)


SMALL = tuple(_small(number) for number in range(8))
"""Studies of one object, of one patient."""
UIDS = tuple(study.study_uid for study in SMALL)

Rules = Mapping[str, Any]


def node(ae_title: str, port: int, **rules: Any) -> dict[str, Any]:
    """An archive or destination of a routes file."""
    return {"ae_title": ae_title, "host": "127.0.0.1", "port": port, **rules}


def routes_with(
    folder: Path,
    archives: Mapping[str, Rules],
    destinations: Mapping[str, Rules],
    *,
    gate: Rules | None = None,
    **terms: Any,
) -> Path:
    """A routes file: an order has studies moved to the destination in PV1-3.1 from the archive in PV1-3.2, on
    these terms. ``gate`` is that section."""
    common = {
        "messages": ["OMI^O23"],
        "studies": {"study": "IPC-3.1"},
        "to": {"field": "PV1-3.1", "map": {name: name for name in destinations}},
        "deadline": "20s",
        **terms,
    }
    routes = [
        {"name": name, "when": {"field": "PV1-3.2", "equals": name}, "from": name, **common}
        for name in archives
    ]
    engine = {
        "listen": "127.0.0.1:0",
        "store": str(folder / "forefetch.db"),
        "drain_timeout": "1s",
        "time_zone": "UTC",
    }
    document = {
        "engine": engine,
        "gate": gate or {},
        "archives": archives,
        "destinations": destinations,
        "routes": routes,
    }
    path = folder / "routes.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def order(*studies: str, room: str = "READING", archive: str = "archive", priority: str = "") -> bytes:
    """OMI^O23 of HL7 2.5.1 for these studies, each in IPC-3. ``priority`` is TQ1-9."""
    number = next(_numbers)
    segments = [
        f"MSH|^~\\&|RIS|FOREST|FOREFETCH|FOREST|20261124085512+0000||OMI^O23^OMI_O23|FIELD{number:06}|P|2.5.1",
        "PID|1||FF-1009^^^FOREST&2.999.4.1&ISO^PI||Moss^Ivo||19610314|M",
        f"PV1|1|O|{room}^{archive}",
        f"ORC|RE|P{number}^HIS|F{number}^RIS||SC",
        f"TQ1|1||||||||{priority}",
        f"OBR|1|P{number}^HIS|F{number}^RIS|CTTHX^CT Chest^RIS",
        *(f"IPC||RP1|{study}|SPS1|CT" for study in studies),
    ]
    return "".join(f"{segment}\r" for segment in segments).encode("ascii")


@dataclass(frozen=True, slots=True)
class Desk:
    """A running engine, and what an operator beside it can see and do."""

    engine: Forefetch
    routes: Path

    def send(self, message: bytes) -> Acknowledgment:
        return self.engine.send(message)

    def tasks(self) -> list[RetrieveTask]:
        """As the journal has them, oldest first."""
        return sorted(list_tasks(self.engine.folder / "forefetch.db"), key=lambda task: task.id)

    def statuses(self) -> list[TaskStatus]:
        return [task.status for task in self.tasks()]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Fails where it does not come to be in half a minute."""
        self.engine.process.await_that(condition, what)

    def until_all(self, status: TaskStatus) -> None:
        self.until(lambda: set(self.statuses()) == {status}, f"every task {status}")

    def command(self, *arguments: str | int) -> str:
        """A command of ``forefetch`` beside the engine: its output, in lines that are not folded."""
        words: Sequence[str] = [str(argument) for argument in arguments]
        wide = {**environment(), "COLUMNS": "400"}
        result = run([script("forefetch"), *words, "--config", self.routes], wide)
        output = result.stdout.decode()
        assert result.returncode == 0, output
        return output


@contextmanager
def desk(routes: Path, switch: str | None = "true") -> Iterator[Desk]:
    """``forefetch serve`` with these routes."""
    with forefetch(routes, switch) as engine:
        yield Desk(engine, routes)
