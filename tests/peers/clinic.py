"""A clinic whose images somebody watches: nodes that can be slow or full, routes of the samples, users."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydicom.dataset import Dataset

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.sender import send
from engine.simulator import Fault, SimulatedArchive, SimulatedDestination, datasets, demo_studies
from engine.store import list_tasks
from engine.web.access.accounts import Account, write_accounts
from engine.web.access.passwords import Cost, hash_password
from engine.web.office import Role
from tests.peers.browser import PASSWORD
from tests.peers.forefetch import Forefetch, forefetch
from tests.peers.relay import Relay, relay

_TOP = Path(__file__).parents[2]
_PAGE = re.compile(r"the operator's page is at (http://127\.0\.0\.1:\d+)/")
_numbers = itertools.count(1)

OPERATOR, VIEWER = "anna", "ben"
CHEST_CT, OLD_KNEE, OLD_CT, KNEE, MAMMOGRAPHY = (
    f"2.25.{it}" for it in (1001002, 1001004, 1001005, 1002001, 1003001)
)
BOARD = {
    "name": "tumor-board",
    "messages": "ORM^O01",
    "when": [{"field": "ORC-1", "equals": "SC"}, {"field": "PV1-3.1", "equals": "BOARD"}],
    "studies": {"study": "ZDS-1.1"},
    "from": "main",
    "to": "reading-room",
    "hold": True,
    "acknowledge": "accepted",
}
"""A route whose studies somebody has to approve."""


@cache
def _content() -> tuple[Dataset, ...]:
    """The studies of the demo with more objects, and none old but the one that is too old."""
    made: list[Dataset] = []
    today = dt.datetime.now(dt.UTC).date()
    for ago, study in enumerate(demo_studies(), start=1):
        times = 40 if study.study_uid in (KNEE, MAMMOGRAPHY) else 20
        series = tuple(replace(it, instances=times * it.instances) for it in study.series)
        date = study.date if study.study_uid == OLD_CT else today - dt.timedelta(days=60 * ago)
        made += datasets(replace(study, series=series, date=date))
    return tuple(made)


def sample(number: int) -> bytes:
    """A message of ``samples``."""
    (path,) = (_TOP / "samples").glob(f"{number:02}-*.hl7")
    return path.read_bytes()


def order(study: str, control: str = "RE", room: str = "RAD") -> bytes:
    """ORM^O01 for a study. ``SC`` and ``BOARD`` are for the route above."""
    number = next(_numbers)
    segments = [
        f"MSH|^~\\&|FORESTRIS|FOREST|FOREFETCH|FOREST|20261124085512+0000||ORM^O01|RIS{number:06}|P|2.3.1",
        "PID|1||FF-1001^^^FOREST&2.999.4.1&ISO^PI||Aalto^Mira^Helmi||19610314|F",
        f"PV1|1|O|{room}",
        f"ORC|{control}|P{number}^FORESTHIS|F{number}^FORESTRIS||CM",
        f"OBR|1|P{number}^FORESTHIS|F{number}^FORESTRIS|CTTHX^CT Chest^FORESTRIS",
        f"ZDS|{study}^FORESTRIS^Application^DICOM",
    ]
    return "".join(f"{segment}\r" for segment in segments).encode()


@dataclass(frozen=True, slots=True)
class Clinic:
    """``way`` leads to ``reading``. ``site``: where the page is."""

    engine: Forefetch
    site: str
    archive: SimulatedArchive
    reading: SimulatedDestination
    way: Relay

    def send(self, *messages: bytes) -> None:
        """In this order, each when the one before has its answer."""
        with ThreadPoolExecutor(1) as pool:  # Playwright has an event loop in this thread
            pool.submit(lambda: asyncio.run(send("127.0.0.1", self.engine.port, messages))).result()

    def tasks(self) -> list[RetrieveTask]:
        """Oldest first."""
        return sorted(list_tasks(self.engine.folder / "forefetch.db"), key=lambda task: task.id)

    def statuses(self) -> list[TaskStatus]:
        return [task.status for task in self.tasks()]

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Fails where it does not come to be in half a minute."""
        self.engine.process.await_that(condition, what)

    def arrived(self) -> int:
        """How many objects the reading room has."""
        return self.reading.arrived()

    def trail(self, event: str) -> list[dict[str, Any]]:
        """The lines of this kind so far."""
        *lines, _ = (self.engine.folder / "audit.jsonl").read_text(encoding="utf-8").split("\n")
        return [line for line in map(json.loads, lines) if line["event"] == event]

    def audited(self, event: str, count: int) -> list[dict[str, Any]]:
        """So many, once they are there: they are written behind what happens."""
        self.until(lambda: len(self.trail(event)) >= count, f"{count} lines {event} in the trail")
        return self.trail(event)


def _routes(folder: Path, ports: dict[str, int]) -> Path:
    """routes.yaml as it comes, with these nodes, users, an audit trail and one more route."""
    document = yaml.safe_load((_TOP / "routes.yaml").read_text(encoding="utf-8"))
    document["engine"] |= {"listen": "127.0.0.1:0", "drain_timeout": "1s"}
    document["web"] = {"listen": "127.0.0.1:0", "users": "users.yaml"}
    document["audit"] = {"file": "audit.jsonl"}
    for name, node in (document["archives"] | document["destinations"]).items():
        node["port"] = ports[name]
    for route in document["routes"]:
        route["acknowledge"] = "accepted"
    document["routes"].append(BOARD)
    path = folder / "routes.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


def _users(folder: Path) -> None:
    roles = {OPERATOR: Role.OPERATOR, VIEWER: Role.VIEWER}
    password = hash_password(PASSWORD, Cost(2, 1, 1))
    write_accounts(str(folder / "users.yaml"), {name: Account(it, password) for name, it in roles.items()})


@contextmanager
def clinic(folder: Path, program: Sequence[str] = ()) -> Iterator[Clinic]:
    """``forefetch serve`` in a clinic whose archive does not know its emergency department, and whose
    mammography has no space left."""
    full = [Fault.parse("mammography: status=0xA700, times=always")]
    with (
        SimulatedDestination("READING") as reading,
        SimulatedDestination("EMERGENCY") as emergency,
        SimulatedDestination("MAMMO", faults=full) as mammography,
        relay(reading.address[1]) as way,
    ):
        known = {"READING": ("127.0.0.1", way.port), "MAMMO": mammography.address}
        with SimulatedArchive("ARCHIVE", _content(), known) as archive:
            nodes = {"main": archive, "emergency": emergency, "mammography": mammography}
            ports = {name: node.address[1] for name, node in nodes.items()} | {"reading-room": way.port}
            _users(folder)
            routes = _routes(folder, ports)
            with forefetch(routes, program=program) as engine:
                yield Clinic(engine, _site(engine), archive, reading, way)
                way.reset()  # what is held up ends


def _site(engine: Forefetch) -> str:
    engine.process.await_that(lambda: bool(_PAGE.search(engine.process.log())), "at its page")
    match = _PAGE.search(engine.process.log())
    assert match is not None
    return match[1]
