"""What of the samples' patients must stand in no log line and no metric, and whether it does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.simulator.studies import demo_studies

SAMPLES = Path(__file__).parent.parent / "samples"

_NAMES = {"PID": (5, 6, 9), "MRG": (7,), "NK1": (2,)}
_IDENTIFIERS = {"PID": (2, 3, 4, 18, 19), "MRG": (1, 2, 3, 4), "PV1": (19,)}
_BIRTH = 7  # PID-7
_ACCESSION = {"OBR": (18,), "IPC": (1,)}
_UID = re.compile(r"\b[0-2](?:\.\d+){2,}\b")
_SHORTEST = 3  # characters of what is looked for: an initial is nobody's name


def secrets_of(message: bytes) -> set[str]:
    """The names, IDs and birth dates in a message, its accession numbers and the UIDs of its studies; read
    without the code under test."""
    text = message.decode("iso8859-1" if b"8859/1" in message else "utf-8")
    found: set[str] = set()
    separators = "|^~\\&"
    for line in re.split(r"[\r\n]+", text):
        if line.startswith("MSH"):
            separators = line[3:8]
        fields = line.split(separators[0])
        found |= {part for part in _parts(fields, separators, _NAMES) if re.search(r"[^\W\d_]", part)}
        found |= set(_firsts(fields, separators, _IDENTIFIERS)) | set(_firsts(fields, separators, _ACCESSION))
        if fields[0] == "PID" and len(fields) > _BIRTH:
            found |= set(_dates(fields[_BIRTH][:8]))
        if fields[0] in ("ZDS", "IPC", "OBR", "OBX"):
            found |= set(_UID.findall(line))
    return {secret for secret in found if len(secret) >= _SHORTEST}


def sample_secrets() -> frozenset[str]:
    """Those of every sample, and of the studies that the demo archive has of the same patients."""
    found: set[str] = set()
    for path in sorted(SAMPLES.rglob("*.hl7")):
        found |= secrets_of(path.read_bytes())
    for study in demo_studies():
        found |= {study.patient_id, study.accession, study.study_uid, *study.patient_name.split("^")}
        found |= set(_dates(f"{study.birth_date:%Y%m%d}"))
    return frozenset(secret for secret in found if len(secret) >= _SHORTEST)


def told(text: str, secrets: frozenset[str] | set[str]) -> set[str]:
    """Those of the secrets that stand in a text: as words, in capitals or not. For log lines, and for what
    /metrics answers."""
    words = "|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True))
    return {found.lower() for found in re.findall(rf"(?<!\w)(?:{words})(?!\w)", text, re.IGNORECASE)}


def _values(fields: list[str], places: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    for place in places.get(fields[0], ()):
        if place < len(fields):
            yield fields[place]


def _parts(fields: list[str], separators: str, places: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """The components of person names."""
    for value in _values(fields, places):
        yield from re.split("|".join(map(re.escape, separators[1:])), value)


def _firsts(fields: list[str], separators: str, places: Mapping[str, tuple[int, ...]]) -> Iterator[str]:
    """The first component of every repetition: the identifier itself, not who has assigned it."""
    for value in _values(fields, places):
        for repetition in value.split(separators[2]):
            yield repetition.split(separators[1])[0].strip()


def _dates(date: str) -> Iterator[str]:
    """As HL7 and DICOM write it, and as others do."""
    if re.fullmatch(r"\d{8}", date):
        year, month, day = date[:4], date[4:6], date[6:]
        yield from (date, f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{month}/{day}/{year}")
