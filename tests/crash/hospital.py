"""What survives every crash: archive, workstation, and the sender's receiver of letters."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.hl7.mllp import frame
from engine.simulator import SimulatedArchive, SimulatedDestination
from engine.simulator.studies import GeneratedSeries, GeneratedStudy
from tests.hospital import field

OBJECTS = 2
"""In each study, one in each series."""
_END_BLOCK = b"\x1c\r"

_ROUTES = """
engine: {{listen: "127.0.0.1:0", store: {folder}/forefetch.db, drain_timeout: 1s}}
archives:
  main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {archive}, concurrency: 3, calling_ae_title: {calling}}}
destinations:
  reading: {{ae_title: READING}}
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
"""


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

    def routes(self, life: int) -> Path:
        """A routes file for one life, whose C-MOVEs can be told by their calling AE title."""
        path = self.folder / "routes.yaml"
        ports = {"archive": self.archive.address[1], "letters": self.letters}
        path.write_text(_ROUTES.format(folder=self.folder, calling=calling(life), **ports))
        return path

    def holds(self, study_uid: str) -> bool:
        """Whether every object of a study has arrived at the workstation."""
        return self.reading.arrived(study_uid) == OBJECTS


def calling(life: int) -> str:
    """The AE title of the engine in one of its lives."""
    return f"LIFE{life}"


def patient(number: int) -> str:
    """The ID of a patient, who has two studies."""
    return f"CR-{number}"


def studies(number: int) -> tuple[str, str]:
    """The UIDs of a patient's studies."""
    return f"2.25.9{number:07}1", f"2.25.9{number:07}2"


def accession(study_uid: str) -> str:
    """The accession number of a study."""
    return f"A{study_uid[-9:]}"


def _generated(number: int) -> list[GeneratedStudy]:
    return [
        GeneratedStudy(
            study_uid=uid,
            patient_id=patient(number),
            patient_name="Crash^Test",
            birth_date=dt.date(1970, 1, 1),
            sex="O",
            accession=accession(uid),
            date=dt.date(2025, 1, 1),
            time=dt.time(9),
            description="CT",
            series=tuple(
                GeneratedSeries("CT", "series", 1, f"{uid}.{series}") for series in range(1, OBJECTS + 1)
            ),
        )
        for uid in studies(number)
    ]


@asynccontextmanager
async def hospital(folder: Path, patients: int, received: Callable[[bytes], None]) -> AsyncIterator[Hospital]:
    """With so many patients, numbered from 0. ``received`` gets each letter, which is then accepted."""
    server = await asyncio.start_server(lambda *streams: _take_letters(received, *streams), "127.0.0.1", 0)
    content = [study for number in range(patients) for study in _generated(number)]
    with (
        SimulatedDestination("READING") as reading,
        SimulatedArchive("ARCHIVE", content, {"READING": reading.address}) as archive,
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
