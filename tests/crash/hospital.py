"""What survives every crash: archive, workstation, and the sender's receiver of letters."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.hl7.mllp import frame
from engine.simulator import Fault, SimulatedArchive, SimulatedDestination
from engine.simulator.studies import GeneratedSeries, GeneratedStudy
from tests.hospital import field

TROUBLES = {
    "flaky": ("status=0xC001, times=2",),
    "dead": ("status=0xA702, times=always",),
    "dropped": ("drop, object=1",),
    "partial": ("status=0xB000, after_objects=1",),
    "slow": ("delay=300ms, times=always",),
    "sinking": ("delay=200ms, times=always", "status=0xC001, after_objects=1, times=always"),
}
"""What goes wrong with the C-MOVEs of a study."""
RETRIES = 3
"""Of the routes that have a schedule."""
_END_BLOCK = b"\x1c\r"

_ROUTES = """
engine: {{listen: "127.0.0.1:0", store: {folder}/forefetch.db, drain_timeout: 1s}}
archives:
  main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {archive}, concurrency: 4, calling_ae_title: {calling}}}
destinations:
  reading:
    ae_title: READING
    query: {{host: 127.0.0.1, port: {reading}}}
    breaker: off
  failing:
    ae_title: FAILING
    breaker: {{failures: 1, pause: 0.1s, longest: 0.2s}}
gate: {{verify_within: 0.2s}}
replies:
  - {{application: LETTERS, to: "127.0.0.1:{letters}", retry: {{first: 0.2s, longest: 0.5s}}}}
routes:
  - name: study
    messages: ORM^O01
    when: {{field: ORC-1, equals: RE}}
    studies: [{{study: ZDS-1.1}}, {{accession: OBR-18}}]
    from: main
    to: reading
    deadline: 5m
  - name: priors
    messages: ORM^O01
    when: {{field: ORC-1, equals: NW}}
    studies: {{priors: {{patient: PID-3.1, modality: CT}}}}
    from: main
    to: reading
    deadline: 5m
  - name: accepted
    messages: ORM^O01
    when: {{field: ORC-1, equals: SC}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    acknowledge: accepted
  - name: scheduled
    messages: ORM^O01
    when: {{field: ORC-1, equals: PA}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    schedule: {{field: ZDS-2, before: 1s}}
  - name: retried
    messages: ORM^O01
    when: {{field: ORC-1, equals: RETRIED}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    deadline: 5m
    retry: {retries}x0.2s
  - name: failing
    messages: ORM^O01
    when: {{field: ORC-1, equals: FAILING}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: failing
    deadline: 5m
    retry: {retries}x0.2s
  - name: verified
    messages: ORM^O01
    when: {{field: ORC-1, equals: VERIFIED}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    deadline: 5m
    retry: {retries}x0.2s
    verify: series
  - name: skipped
    messages: ORM^O01
    when: {{field: ORC-1, equals: SKIPPED}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    deadline: 5m
    retry: {retries}x0.2s
    verify: study
    already_there: skip
  - name: held
    messages: ORM^O01
    when: {{field: ORC-1, equals: HELD}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    hold: {{expires: 1h}}
  - name: expiring
    messages: ORM^O01
    when: {{field: ORC-1, equals: EXPIRING}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    hold: {{expires: 0.5s}}
  - name: closed
    messages: ORM^O01
    when: {{field: ORC-1, equals: CLOSED}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    acknowledge: accepted
    windows: {windows}
"""
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Hospital:
    """``letters`` is the port of the receiver that replies go to."""

    folder: Path
    archive: SimulatedArchive
    reading: SimulatedDestination
    letters: int

    @property
    def journal(self) -> Path:
        return self.folder / "forefetch.db"

    def routes(self, life: int, *, opened: bool) -> Path:
        """A routes file for one life, whose C-MOVEs can be told by their calling AE title. Unless ``opened``,
        the window of the route `closed` opens days later."""
        path = self.folder / "routes.yaml"
        ports = {
            "archive": self.archive.address[1],
            "reading": self.reading.address[1],
            "letters": self.letters,
        }
        far = _DAYS[(dt.datetime.now(dt.UTC).weekday() + 3) % 7]
        windows = "daily" if opened else far
        values = {"folder": self.folder, "calling": calling(life), "retries": RETRIES, "windows": windows}
        path.write_text(_ROUTES.format(**values, **ports))
        return path

    def holds(self, study_uid: str) -> bool:
        """Whether every object of a study has arrived at the workstation."""
        return self.reading.arrived(study_uid) == _objects(study_uid)

    def moves(self) -> dict[str, Counter[str]]:
        """How often each study was asked for in each life, by calling AE title: where series were, as often
        as the one that was asked for most."""
        asked = Counter((it.calling_ae_title, it.study_uid, it.series_uid) for it in self.archive.moves)
        whole: dict[tuple[str, str], int] = {}
        series: dict[tuple[str, str], int] = {}
        for (title, uid, series_uid), number in asked.items():
            kind = series if series_uid else whole
            kind[title, uid] = max(kind.get((title, uid), 0), number)
        found: dict[str, Counter[str]] = {}
        for title, uid in {*whole, *series}:
            number = whole.get((title, uid), 0) + series.get((title, uid), 0)
            found.setdefault(title, Counter())[uid] = number
        return found


def calling(life: int) -> str:
    """The AE title of the engine in one of its lives."""
    return f"LIFE{life}"


def patient(number: int) -> str:
    """The ID of a patient, who has two studies."""
    return f"CR-{number}"


def studies(number: int) -> tuple[str, str]:
    """The UIDs of a patient's studies."""
    return f"2.25.9{number:07}1", f"2.25.9{number:07}2"


def troubled(kind: str, number: int) -> str:
    """The UID of a study with one of the `TROUBLES`, the only one of its patient; numbered from 0 each."""
    return f"2.25.7{number:07}{list(TROUBLES).index(kind) + 1}"


def _objects(study_uid: str) -> int:
    """One in each series. Of three, two can be missing."""
    return 3 if study_uid.startswith("2.25.7") else 2


def accession(study_uid: str) -> str:
    """The accession number of a study."""
    return f"A{study_uid[-9:]}"


def _generated(uid: str, patient_id: str) -> GeneratedStudy:
    return GeneratedStudy(
        study_uid=uid,
        patient_id=patient_id,
        patient_name="Crash^Test",
        birth_date=dt.date(1970, 1, 1),
        sex="O",
        accession=accession(uid),
        date=dt.date(2025, 1, 1),
        time=dt.time(9),
        description="CT",
        series=tuple(
            GeneratedSeries("CT", "series", 1, f"{uid}.{series}") for series in range(1, _objects(uid) + 1)
        ),
    )


@asynccontextmanager
async def hospital(
    folder: Path, patients: int, troubles: int, received: Callable[[bytes], None]
) -> AsyncIterator[Hospital]:
    """With so many patients, numbered from 0, and so many studies with each of the `TROUBLES`. ``received``
    gets each letter, which is then accepted."""
    server = await asyncio.start_server(lambda *streams: _take_letters(received, *streams), "127.0.0.1", 0)
    content = [_generated(uid, patient(number)) for number in range(patients) for uid in studies(number)]
    ill = [(kind, troubled(kind, number)) for kind in TROUBLES for number in range(troubles)]
    content += [_generated(uid, f"CR-{uid}") for _, uid in ill]
    faults = [Fault.parse(f"main: {fault}, study={uid}") for kind, uid in ill for fault in TROUBLES[kind]]
    with (
        SimulatedDestination("READING") as reading,
        SimulatedArchive("ARCHIVE", content, {"READING": reading.address}, faults=faults) as archive,
    ):
        async with server:
            yield Hospital(folder, archive, reading, server.sockets[0].getsockname()[1])


async def _take_letters(
    received: Callable[[bytes], None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    with suppress(OSError, EOFError):
        while True:
            letter = (await reader.readuntil(_END_BLOCK))[1 : -len(_END_BLOCK)]
            received(letter)
            control_id = field(letter, "MSH-10")
            accepted = (
                f"MSH|^~\\&|LETTERS||FOREFETCH||20261124||ACK|C{control_id}|P|2.5.1\rMSA|CA|{control_id}\r"
            )
            writer.write(frame(accepted.encode()))
            await writer.drain()
    writer.close()
