"""What stands around the engines: archives that count, a workstation, the sender's receiver of letters."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from engine.hl7.mllp import frame
from engine.simulator import Fault, SimulatedDestination
from engine.simulator.studies import GeneratedSeries, GeneratedStudy
from tests.cluster.archive import CountingArchive
from tests.hospital import field

CONCURRENCY = 3
"""Of each archive."""
RATE = 12
"""Studies a minute, of the archive that has one."""
PATIENT, ORDER = 4, 3
"""Studies of a patient in a day, and of a message, by the budgets."""
FAILURES, PAUSE = 2, 1.0
"""Of the breakers."""
OBJECTS = 2
"""Of each study."""
_END_BLOCK = b"\x1c\r"

_ROUTES = """
engine:
  listen: "127.0.0.1:0"
  store: {store}
  time_zone: {zone}
  drain_timeout: 10s
archives:
  main:
    {{ae_title: MAIN, host: 127.0.0.1, port: {main}, calling_ae_title: {calling}, concurrency: {CONCURRENCY}}}
  rated:
    {{ae_title: RATED, host: 127.0.0.1, port: {rated}, calling_ae_title: {calling},
      concurrency: {CONCURRENCY}, rate: {{studies: {RATE}}}}}
  broken:
    {{ae_title: BROKEN, host: 127.0.0.1, port: {broken}, calling_ae_title: {calling},
      concurrency: 1, breaker: {{failures: {FAILURES}, pause: {PAUSE}s, longest: {PAUSE}s}}}}
destinations:
  reading: {{ae_title: READING}}
gate:
  budgets: {{patient: {{studies: {PATIENT}}}, order: {{studies: {ORDER}}}}}
replies:
  - {{application: LETTERS, to: "127.0.0.1:{letters}", retry: {{first: 0.3s, longest: 1s}}}}
{web}
routes:
  - name: waits
    messages: ORM^O01
    when: {{field: ORC-1, equals: RE}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    deadline: {deadline}
  - name: accepted
    messages: ORM^O01
    when: {{field: ORC-1, equals: SC}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    acknowledge: accepted
  - name: priors
    messages: ORM^O01
    when: {{field: ORC-1, equals: NW}}
    studies: {{priors: {{patient: PID-3.1, modality: CT}}}}
    from: main
    to: reading
    acknowledge: accepted
  - name: planned
    messages: ORM^O01
    when: {{field: ORC-1, equals: PA}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    acknowledge: accepted
    schedule: {{field: ZDS-2, before: 1s}}
  - name: rated
    messages: ORM^O01
    when: {{field: ORC-1, equals: RATED}}
    studies: {{study: ZDS-1.1}}
    from: rated
    to: reading
    acknowledge: accepted
  - name: broken
    messages: ORM^O01
    when: {{field: ORC-1, equals: BROKEN}}
    studies: {{study: ZDS-1.1}}
    from: broken
    to: reading
    acknowledge: accepted
    retry: 30x0.3s
"""


@dataclass(frozen=True, slots=True)
class Site:
    """``letters`` is the port of the receiver that replies go to."""

    folder: Path
    main: CountingArchive
    rated: CountingArchive
    broken: CountingArchive
    reading: SimulatedDestination
    letters: int

    def routes(self, store: str, calling: str, *, deadline: str = "20s", web: str = "") -> Path:
        """The routes file of one life of an engine. All say the same, but for their calling AE title."""
        path = self.folder / f"{calling}.yaml"
        known = {
            name: globals()[name] for name in ("CONCURRENCY", "RATE", "PATIENT", "ORDER", "FAILURES", "PAUSE")
        }
        ports = {name: getattr(self, name).address[1] for name in ("main", "rated", "broken")}
        told = {
            "store": store,
            "calling": calling,
            "deadline": deadline,
            "web": web,
            "zone": _far_from_midnight(),
        }
        path.write_text(_ROUTES.format(**known, **ports, **told, letters=self.letters))
        return path

    def holds(self, study_uid: str) -> bool:
        """Whether every object of a study has arrived at the workstation."""
        return self.reading.arrived(study_uid) == OBJECTS


@dataclass(frozen=True, slots=True)
class Content:
    """So many studies for each purpose, each of a patient of its own; those with priors have five."""

    quick: int = 20
    slow: int = 10
    rated: int = 20
    broken: int = 10
    priors: int = 5
    wide: int = 12


_PRIORS = 5


def patient(kind: str, number: int) -> str:
    """The ID of a patient."""
    return f"{kind}-{number}"


def study(kind: str, number: int, part: int = 1) -> str:
    """The UID of a study."""
    return f"2.25.9{list(Content.__slots__).index(kind) + 1}{number:07}{part}"


@asynccontextmanager
async def site(
    folder: Path,
    content: Content,
    received: Callable[[bytes], object] = bytes,
    *,
    delay: float = 0.05,
    down: int = 0,
    also: Sequence[str] = (),
) -> AsyncIterator[Site]:
    """``received`` gets each letter, which is then accepted. ``delay`` in seconds: of each object and final
    response of a move; for `slow` studies half a second. ``down``: C-MOVEs that the broken archive fails
    first; ``also``: faults of the main archive."""
    slow = [f"main: delay=500ms, times=always, study={study('slow', at)}" for at in range(content.slow)]
    faults = [*also, *slow, f"main: delay={delay * 1000:.0f}ms, times=always"]
    server = await asyncio.start_server(lambda *streams: _take_letters(received, *streams), "127.0.0.1", 0)
    with SimulatedDestination("READING") as reading:
        known = {"READING": reading.address}
        paused = [Fault.parse(f"any: delay={delay * 1000:.0f}ms, times=always")]
        fails = [*paused, *([Fault.parse(f"broken: status=0xA701, times={down}")] if down else [])]
        with (
            CountingArchive("MAIN", _held(content), known, faults=map(Fault.parse, faults)) as main,
            CountingArchive("RATED", _generated("rated", content.rated), known, faults=paused) as rated,
            CountingArchive(
                "BROKEN", _generated("broken", content.broken), known, faults=[*fails, *paused]
            ) as broken,
        ):
            async with server:
                port = server.sockets[0].getsockname()[1]
                yield Site(folder, main, rated, broken, reading, port)


def _held(content: Content) -> list[GeneratedStudy]:
    """By the main archive."""
    found = _generated("quick", content.quick) + _generated("slow", content.slow)
    for number in range(content.priors):
        found += [_study("priors", number, part, patient("priors", number)) for part in range(1, _PRIORS + 1)]
    return found + [_study("wide", number, 1, patient("wide", 0)) for number in range(content.wide)]


def _generated(kind: str, count: int) -> list[GeneratedStudy]:
    return [_study(kind, number, 1, patient(kind, number)) for number in range(count)]


def _study(kind: str, number: int, part: int, patient_id: str) -> GeneratedStudy:
    uid = study(kind, number, part)
    series = tuple(GeneratedSeries("CT", "series", 1, f"{uid}.{at}") for at in range(1, OBJECTS + 1))
    return GeneratedStudy(
        study_uid=uid,
        patient_id=patient_id,
        patient_name="Cluster^Test",
        birth_date=dt.date(1970, 1, 1),
        sex="O",
        accession=f"A{uid[-9:]}",
        date=dt.date(2025, 1, 1),
        time=dt.time(9),
        description="CT",
        series=series,
    )


def _far_from_midnight() -> str:
    """Budgets are for a day: a time zone in which none begins soon."""
    return "UTC" if 2 <= dt.datetime.now(dt.UTC).hour < 22 else "Etc/GMT+8"


async def _take_letters(
    received: Callable[[bytes], object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
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
