"""An archive of the studies that a test or an example names, which counts what it is asked."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import yaml

from engine.dicom.node import Archive
from engine.scu import ArchiveClient
from engine.simulator import GeneratedSeries, GeneratedStudy, SimulatedArchive
from engine.simulator.exchange import Exchange

EXAMPLES = Path(__file__).parent.parent / "samples" / "priors"
NAMES = ("chest-ct", "mammography", "knee-mr")


class CountingArchive(SimulatedArchive):
    """Remembers each C-FIND: its level, and the study of one at SERIES level."""

    def __init__(self, studies: list[GeneratedStudy]) -> None:
        super().__init__("ARCHIVE", studies, {})
        self.asked: list[tuple[str, str]] = []

    def _find(self, exchange: Exchange) -> None:
        identifier = exchange.event.identifier
        self.asked.append((identifier.QueryRetrieveLevel, str(identifier.get("StudyInstanceUID", "") or "")))
        super()._find(exchange)

    @property
    def opened(self) -> list[str]:
        """The studies whose series were asked for."""
        return [study for level, study in self.asked if level == "SERIES"]

    def client(self) -> ArchiveClient:
        host, port = self.address
        return ArchiveClient(Archive("main", "ARCHIVE", host, port, "FOREFETCH"))


def example_studies(name: str) -> list[GeneratedStudy]:
    """What archive.yaml holds for an example."""
    document = yaml.safe_load((EXAMPLES / "archive.yaml").read_text(encoding="utf-8"))[name]
    return [study(document["patient"], **one) for one in document["studies"]]


def study(
    patient: str, uid: str, date: dt.date, description: str, series: list[tuple[str, str, str]], **more: Any
) -> GeneratedStudy:
    """A study of one object a series; each series is modality, description and body part."""
    return GeneratedStudy(
        study_uid=uid,
        patient_id=patient,
        patient_name="Rowan^Eira",
        birth_date=dt.date(1958, 4, 2),
        sex="F",
        accession=f"A{uid.rpartition('.')[2]}",
        date=date,
        time=dt.time(9, 30),
        description=description,
        series=tuple(
            GeneratedSeries(modality, text, 1, f"{uid}.{number}", body_part)
            for number, (modality, text, body_part) in enumerate(series, 1)
        ),
        issuer="FOREST",
        **more,
    )
