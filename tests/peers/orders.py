"""Orders as a RIS writes them, sent by python-hl7's ``mllp_send``; acknowledgments read by python-hl7."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import hl7

from tests.peers.processes import run, script
from tests.peers.studies import ORDERED, PATIENT

NEW_ORDER = "NW"
RESULTS = "RE"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Order:
    """What an order names. A new order asks for priors, one with results for the study, series or accession.

    ``room`` is the destination, as an AE title.
    """

    control: str = RESULTS
    study: str = ""
    series: str = ""
    accession: str = ""
    room: str = "READING"
    patient: str = PATIENT


NEW = Order(NEW_ORDER, study=ORDERED, accession="A1001-1")


def orm(order: Order) -> bytes:
    """ORM^O01 of HL7 2.3.1, with the study in ZDS-1 (IHE RAD TF-2 4.4)."""
    return _message(order, "ORM^O01", "2.3.1", f"ZDS|{order.study}^RIS^Application^DICOM")


def omi(order: Order) -> bytes:
    """OMI^O23 of HL7 2.5.1, with the study in IPC-3."""
    return _message(order, "OMI^O23^OMI_O23", "2.5.1", f"IPC|{order.accession}|RP1|{order.study}|SPS1|CT")


def _message(order: Order, kind: str, version: str, study: str) -> bytes:
    segments = [
        f"MSH|^~\\&|RIS|FOREST|FOREFETCH|FOREST|20261124085512+0000||{kind}|PEERS{next(_numbers):06}|P|{version}",
        f"PID|1||{order.patient}^^^FOREST&2.999.4.1&ISO^PI||Aalto^Mira||19610314|F",
        f"PV1|1|O|{order.room}",
        f"ORC|{order.control}|P1^HIS|F1^RIS||SC",
        f"OBR|1|P1^HIS|F1^RIS|CTTHX^CT Chest^RIS||||||||||||||{order.accession}||||||CT",
        study,
        f"ZSE|{order.series}",
    ]
    return "".join(f"{segment}\r" for segment in segments).encode("ascii")


def control_id(message: bytes) -> str:
    """MSH-10."""
    return message.split(b"|")[9].decode("ascii")


@dataclass(frozen=True, slots=True)
class Problem:
    """One ERR segment of HL7 2.5.1: ERR-3, ERR-4, ERR-5, ERR-7 and ERR-8."""

    code: str
    severity: str
    application_code: str
    diagnostics: str
    text: str


@dataclass(frozen=True, slots=True)
class Acknowledgment:
    """``raw`` as it came, without the MLLP block; the rest as python-hl7 reads it."""

    raw: bytes
    code: str
    control_id: str
    text: str

    @classmethod
    def read(cls, raw: bytes) -> Acknowledgment:
        msa = hl7.parse(raw).segment("MSA")
        return cls(raw, str(msa(1)), str(msa(2)), str(msa(3)))

    def errors(self) -> list[str]:
        """The repetitions of ERR-1, as HL7 before 2.5 has it; none where there is no ERR."""
        if b"\rERR|" not in self.raw:
            return []
        return [str(repetition) for repetition in hl7.parse(self.raw).segment("ERR")(1)]

    def problems(self) -> list[Problem]:
        """The ERR segments, as HL7 has them from 2.5 on."""
        segments = hl7.parse(self.raw).segments("ERR")
        return [
            Problem(
                code=str(err(3)(1)(1)),
                severity=str(err(4)),
                application_code=str(err(5)(1)(1)),
                diagnostics=str(err(7)),
                text=str(err(8)),
            )
            for err in segments
        ]


def mllp_send(message: bytes, port: int, folder: Path) -> Acknowledgment:
    """Send one message; ``folder`` is for the file that ``mllp_send`` reads."""
    file = folder / f"order-{next(_numbers):06}.hl7"
    file.write_bytes(message)
    result = run([script("mllp_send"), "--loose", "--file", file, "--port", str(port), "127.0.0.1"])
    assert result.returncode == 0, result.stdout
    block, end, rest = result.stdout.rpartition(b"\x1c\r\n")
    assert (block[:1], end, rest) == (b"\x0b", b"\x1c\r\n", b""), result.stdout
    return Acknowledgment.read(block[1:])
