"""What a simulated archive of a scenario holds, and the messages that are sent."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from pydicom.dataset import Dataset

from engine.config.fields import moment
from engine.hl7.charset import codec_of, declared_sets
from engine.hl7.files import messages_of
from engine.scenario.models import SeriesSection, StudySection
from engine.simulator import GeneratedSeries, GeneratedStudy, datasets

_PLACEHOLDER = re.compile(r"\$\{([^}\n]*)\}")


def objects(section: StudySection, now: dt.datetime) -> Iterator[Dataset]:
    """The made-up objects of a study. ``now`` is what offsets count from."""
    series = [_series(section, number, part) for number, part in enumerate(section.series, 1)]
    study = GeneratedStudy(
        study_uid=section.study,
        patient_id=section.patient,
        patient_name=section.name,
        birth_date=section.birth_date.at(now).date(),
        sex=section.sex,
        accession=section.accession,
        date=section.date.at(now).date(),
        time=dt.time(9, 30),
        description=section.description,
        series=tuple(series),
        issuer=section.issuer,
    )
    parts = {made.series_uid: part for made, part in zip(series, section.series, strict=True)}
    for dataset in datasets(study):
        body_part = parts[str(dataset.SeriesInstanceUID)].body_part or section.body_part
        if body_part:
            dataset.BodyPartExamined = body_part
        yield dataset


def _series(study: StudySection, number: int, section: SeriesSection) -> GeneratedSeries:
    return GeneratedSeries(
        modality=section.modality or study.modality,
        description=section.description,
        instances=section.instances,
        series_uid=section.series or f"{study.study}.{number}",
    )


def messages_in(text: str, now: dt.datetime) -> list[bytes]:
    """The messages of a text with a segment a line, in the character set of its MSH-18. ValueError says what
    is expected instead."""
    filled = _PLACEHOLDER.sub(lambda match: _stamp(match[1], now), text)
    segments = "".join(f"{line}\r" for line in filled.splitlines() if line.strip())
    name = next(iter(declared_sets(segments.encode())), "")
    codec = codec_of(name) or "utf_8"
    try:
        return messages_of(segments.encode(codec))
    except UnicodeEncodeError:
        raise ValueError(f"a message in {name}, as its MSH-18 says") from None


def _stamp(placeholder: str, now: dt.datetime) -> str:
    """``now``, ``now+12h`` or ``now-2d`` as an HL7 time (HL7 v2 ch. 2A, DTM)."""
    word, offset = placeholder[:3], placeholder[3:].strip()
    try:
        if word != "now" or offset[:1] not in {"", "+", "-"}:
            raise ValueError
        return f"{moment(offset or 'now').at(now):%Y%m%d%H%M%S%z}"
    except (ValueError, OverflowError):
        raise ValueError(f"${{now}}, ${{now+12h}} or ${{now-2d}}, not ${{{placeholder}}}") from None
