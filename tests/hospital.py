"""A small hospital for tests: simulated archive and destinations, routes on their addresses, messages."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.config import Config, parse
from engine.hl7.message import Message
from engine.hl7.path import FieldPath
from engine.retrieve.gate import SWITCH
from engine.simulator import SimulatedArchive, SimulatedDestination, demo_studies

ALLOWED = {SWITCH: "true"}
CHEST_CT, OLD_KNEE = "2.25.1001002", "2.25.1001004"  # of patient FF-1001; 5 and 4 objects

ROUTES = """
routes:
  - name: priors
    messages: ORM^O01
    when: {field: ORC-1, equals: NW}
    studies: {priors: {modality: [CT, MR], within: 5y}}
    from: main
    to: reading
  - name: study
    messages: ORM^O01
    when: {field: ORC-1, equals: RE}
    studies: [{study: ZDS-1.1, series: {uid: ZDS-2.1}}, {accession: OBR-18}]
    from: main
    to: {field: PV1-3.1, map: {NOWHERE: unknown, DOWN: down}, otherwise: reading}
  - name: later
    messages: ORM^O01
    when: {field: ORC-1, equals: SC}
    studies: {study: ZDS-1.1}
    from: main
    to: reading
    acknowledge: accepted
  - name: off
    enabled: false
    messages: ORM^O01
    when: {field: ORC-1, equals: HD}
    studies: {study: ZDS-1.1}
    from: main
    to: reading
  - name: dark
    messages: ORM^O01
    when: {field: ORC-1, equals: UA}
    studies: {study: ZDS-1.1}
    from: dark
    to: reading
"""


@dataclass(frozen=True, slots=True)
class Hospital:
    """``archive`` knows READING and DOWN (where nobody listens), not UNKNOWN."""

    archive: SimulatedArchive
    reading: SimulatedDestination
    config: Config
    text: str


@contextmanager
def hospital(folder: Path, routes: str = ROUTES, engine: str = "") -> Iterator[Hospital]:
    """Simulated nodes, and a configuration that lists them, an archive that is off (``dark``) and two
    destinations that cannot be reached."""
    with SimulatedDestination("READING") as reading:
        known = {"READING": reading.address, "DOWN": ("127.0.0.1", unused_port())}
        with SimulatedArchive("ARCHIVE", demo_studies(), known) as archive:
            text = f"""
engine: {{listen: "127.0.0.1:0", store: {folder / "forefetch.db"}, drain_timeout: 10s{engine}}}
archives:
  main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {archive.address[1]}}}
  dark: {{ae_title: DARK, host: 127.0.0.1, port: {unused_port()}}}
destinations:
  reading: {{ae_title: READING, host: 127.0.0.1, port: {reading.address[1]}}}
  unknown: {{ae_title: UNKNOWN}}
  down: {{ae_title: DOWN}}
{routes}"""
            yield Hospital(archive, reading, parse(text), text)


def unused_port() -> int:
    """A port on which nothing listens."""
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
    return port


def order(
    control: str = "NW",
    *,
    control_id: str = "M1",
    version: str = "2.5.1",
    study: str = "",
    series: str = "",
    accession: str = "",
    patient: str = "FF-1001",
    location: str = "RAD",
) -> bytes:
    """An ORM^O01 for the routes above."""
    segments = [
        f"MSH|^~\\&|HIS|HOSP|FOREFETCH|RAD|20261124080000||ORM^O01|{control_id}|P|{version}",
        f"PID|1||{patient}^^^FOREST^MR||Aalto^Mira||19610314|F",
        f"PV1|1|O|{location}",
        f"ORC|{control}|P1|F1",
        f"OBR|1|P1|F1|CTCH^CT Chest^L||||||||||||||{accession}",
        f"ZDS|{study}^FOREFETCH^Application^DICOM|{series}",
    ]
    return "".join(segment + "\r" for segment in segments).encode()


def field(ack: bytes, path: str) -> str:
    """The first value of a field of an ACK."""
    return Message(ack).first(FieldPath.parse(path))


def fields(ack: bytes, path: str) -> list[str]:
    """Every value of a field of an ACK."""
    return [value.text for value in Message(ack).values(FieldPath.parse(path))]
