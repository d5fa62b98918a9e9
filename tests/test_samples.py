"""The sample messages: what the repository's routes.yaml makes of them, and how their files are split."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from engine.config import load
from engine.dicom.study import SeriesRecord, StudyRecord
from engine.errors import MessageError
from engine.explanation import as_dict
from engine.hl7.files import messages_of
from engine.hl7.message import Message
from engine.resolve import resolve
from engine.retrieve.plan import uncovered
from engine.retrieve.task import RetrieveRequest
from engine.routing.router import decide, plan_of
from engine.simulator.studies import GeneratedStudy, demo_studies

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "samples"
NOW = dt.datetime(2026, 11, 24, 9, 0, tzinfo=dt.UTC)
TABLE = load(ROOT / "routes.yaml").table


@dataclass(frozen=True, slots=True)
class Sample:
    """One message of a sample file, and what is expected of it."""

    name: str
    raw: bytes
    expected: dict[str, Any]


def _samples() -> Iterator[Sample]:
    for path in sorted(SAMPLES.glob("*.hl7")):
        document = yaml.safe_load(path.with_suffix(".expected.yaml").read_text(encoding="utf-8"))
        messages = messages_of(path.read_bytes())
        for number, (raw, expected) in enumerate(
            zip(messages, document.get("messages", [document]), strict=True), 1
        ):
            yield Sample(path.stem if number == 1 else f"{path.stem}({number})", raw, expected)


SAMPLE_MESSAGES = list(_samples())
WELL_FORMED = [sample for sample in SAMPLE_MESSAGES if "refused" not in sample.expected]
REFUSED = [sample for sample in SAMPLE_MESSAGES if "refused" in sample.expected]
each_sample = pytest.mark.parametrize("sample", SAMPLE_MESSAGES, ids=lambda sample: sample.name)
each_well_formed = pytest.mark.parametrize("sample", WELL_FORMED, ids=lambda sample: sample.name)
each_refused = pytest.mark.parametrize("sample", REFUSED, ids=lambda sample: sample.name)


class DemoArchive:
    """A Finder over the demo studies."""

    def find_studies(
        self, *, patient_id: str = "", accession: str = "", study_uid: str = ""
    ) -> list[StudyRecord]:
        return [
            _record(study)
            for study in demo_studies()
            if patient_id in ("", study.patient_id)
            and accession in ("", study.accession)
            and study_uid in ("", study.study_uid)
        ]

    def find_series(self, study_uid: str, series_uid: str = "") -> list[SeriesRecord]:
        return [
            SeriesRecord(study_uid, series.series_uid, series.modality, series.description, series.instances)
            for study in demo_studies()
            for series in study.series
            if study.study_uid == study_uid and series_uid in ("", series.series_uid)
        ]


def _record(study: GeneratedStudy) -> StudyRecord:
    return StudyRecord(
        study_uid=study.study_uid,
        patient_id=study.patient_id,
        issuer=study.issuer,
        accession=study.accession,
        date=study.date,
        description=study.description,
        modalities=tuple(sorted({series.modality for series in study.series})),
        instances=sum(series.instances for series in study.series),
    )


def _moves(requests: tuple[RetrieveRequest, ...]) -> list[str]:
    """The studies that the archive is asked to move: what two requests find is moved once to one place."""
    moves: list[RetrieveRequest] = []
    for request in requests:
        studies = resolve(DemoArchive(), request.selector).studies
        moves += uncovered(moves, [replace(request, selector=study) for study in studies])
    return [str(move.selector).removeprefix("study ") for move in moves]


def test_every_sample_has_an_expected_file_and_the_reverse() -> None:
    messages = {path.stem for path in SAMPLES.glob("*.hl7")}
    expected = {path.name.removesuffix(".expected.yaml") for path in SAMPLES.glob("*.expected.yaml")}

    assert len(messages) >= 16
    assert messages == expected


def test_the_table_in_the_samples_readme_has_every_sample_in_order() -> None:
    rows = (SAMPLES / "README.md").read_text(encoding="utf-8").splitlines()
    listed = [row.split("|")[1].strip() for row in rows if row.startswith("|")][2:]

    assert listed == sorted(path.stem for path in SAMPLES.glob("*.hl7"))


@each_sample
def test_expected_files_have_known_keys_and_an_acknowledgment_code(sample: Sample) -> None:
    assert sample.expected.keys() <= {"meaning", "routes", "requests", "problems", "refused", "found", "ack"}
    assert sample.expected["ack"] in {"AA", "AE", "AR"}


@each_well_formed
def test_routes_requests_and_problems_are_as_expected(sample: Sample) -> None:
    message = Message(sample.raw)
    told = as_dict(message, decide(message, TABLE, NOW))
    expected = sample.expected

    wanted = expected.get("requests", [])
    assert message.warnings == ()
    assert told["routes"] == expected.get("routes", [])
    assert told["meaning"] == expected.get("meaning", [])
    assert len(told["requests"]) == len(wanted)
    assert [
        {key: request[key] for key in want} for request, want in zip(told["requests"], wanted, strict=True)
    ] == wanted
    assert all({"kind", "from", "to"} <= want.keys() for want in wanted)
    assert [
        {"code": problem["code"], "location": problem["location"]} for problem in told["problems"]
    ] == expected.get("problems", [])


@each_refused
def test_a_message_that_cannot_be_read_is_refused_as_expected(sample: Sample) -> None:
    with pytest.raises(MessageError) as caught:
        Message(sample.raw)

    error = caught.value
    assert sample.expected["refused"] == {
        "code": error.code,
        "location": error.location,
        "reject": error.reject,
    }
    assert sample.expected["ack"] == ("AR" if error.reject else "AE")
    assert not sample.expected["found"]


@each_well_formed
def test_the_demo_archive_is_asked_to_move_the_studies_that_are_expected(sample: Sample) -> None:
    plan = plan_of(decide(Message(sample.raw), TABLE, NOW))

    assert _moves(plan.requests) == sample.expected.get("found", [])


@each_sample
def test_the_patient_of_every_sample_is_a_made_up_one(sample: Sample) -> None:
    patients = list(_patients(sample.raw))
    made_up = {
        (study.patient_name, f"{study.birth_date:%Y%m%d}", study.sex): study.patient_id
        for study in demo_studies()
    }

    assert patients or sample.name == "15-not-hl7"
    for person, patient_id in patients:
        assert person in made_up
        assert patient_id == made_up[person] or "*" in patient_id


def _patients(raw: bytes) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Of each PID: name, birth date and sex, and the ID by FOREST; read without the code under test."""
    text = raw.decode("iso8859-1" if b"8859/1" in raw else "utf-8")
    for line in text.replace("\n", "\r").split("\r"):
        if line.startswith("PID"):
            separator, component, repetition = text[3], text[4], text[5]
            field = line.split(separator)
            name = "^".join(field[5].split(component)[:2])
            (local,) = [one for one in field[3].split(repetition) if "FOREST" in one]
            yield (name, field[7], field[8]), local.split(component)[0]


@each_well_formed
def test_hl7apy_reads_every_segment_in_the_version_that_the_message_claims(sample: Sample) -> None:
    message = Message(sample.raw)
    text = sample.raw.decode(message.header.codec).replace("\n", "\r").strip("\r")
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT, find_groups=False)

    assert parsed.version == message.header.version
    assert [segment.name for segment in parsed.children] == [line[:3] for line in text.split("\r")]


def test_segments_end_with_carriage_returns_except_where_the_sample_is_about_that() -> None:
    with_line_feeds = {path.stem for path in SAMPLES.glob("*.hl7") if b"\n" in path.read_bytes()}

    assert with_line_feeds == {"15-not-hl7", "18-other-delimiters-and-lf"}


def test_the_latin_1_sample_is_not_utf_8() -> None:
    raw = (SAMPLES / "03-order-mr-knee-latin-1.hl7").read_bytes()

    assert "Grün^Jürgen".encode("iso8859-1") in raw
    assert Message(raw).header.codec == "iso8859_1"


ONE = b"MSH|^~\\&|A\rPID|1\r"
TWO = b"MSH|^~\\&|B\rNTE|1||see MSH\r"


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        pytest.param(ONE, [ONE], id="one"),
        pytest.param(ONE + TWO, [ONE, TWO], id="one after another"),
        pytest.param(ONE + b"\n\n" + TWO, [ONE + b"\n\n", TWO], id="with blank lines between"),
        pytest.param(ONE.replace(b"\r", b"\r\n") * 2, [ONE.replace(b"\r", b"\r\n")] * 2, id="CR LF"),
        pytest.param(ONE.replace(b"\r", b"\n") * 2, [ONE.replace(b"\r", b"\n")] * 2, id="LF"),
        pytest.param(b"\xef\xbb\xbf" + ONE + TWO, [b"\xef\xbb\xbf" + ONE, TWO], id="byte order mark"),
        pytest.param(b"\r\n" + ONE, [ONE], id="blank line first"),
        pytest.param(b"FHS|^~\\&\r" + ONE, [b"FHS|^~\\&\r", ONE], id="batch header"),
        pytest.param(b"not HL7", [b"not HL7"], id="not HL7"),
        pytest.param(b"NTE|1||\x0bMSH|\r", [b"NTE|1||\x0bMSH|\r"], id="VT in the text"),
        pytest.param(b" \r\n", [], id="blank"),
        pytest.param(b"", [], id="empty"),
    ],
)
def test_a_file_is_split_at_the_lines_that_start_with_msh(data: bytes, messages: list[bytes]) -> None:
    assert messages_of(data) == messages


@pytest.mark.parametrize(
    ("data", "messages"),
    [
        pytest.param(b"\x0b" + ONE + b"\x1c\r", [ONE], id="one"),
        pytest.param(b"\n\x0b" + ONE + b"\x1c\r\n\x0b" + TWO + b"\x1c\r\n", [ONE, TWO], id="two"),
        pytest.param(b"\x0b" + ONE + TWO + b"\x1c\r", [ONE + TWO], id="two messages in one block"),
        pytest.param(b"\x0b" + ONE + b"\x0b" + TWO + b"\x1c\r", [ONE, TWO], id="end block lost"),
        pytest.param(b"\x0b" + ONE + b"\x1c", [ONE], id="final CR lost"),
        pytest.param(b"\x0b" + ONE, [ONE], id="cut off"),
        pytest.param(b"\x0bMSH|a\x1cb\x0bc\r\x1c\r", [b"MSH|a\x1cb\x0bc\r"], id="FS and VT in the text"),
    ],
)
def test_a_framed_file_is_unwrapped_block_by_block(data: bytes, messages: list[bytes]) -> None:
    assert messages_of(data) == messages
