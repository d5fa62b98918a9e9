"""The shape of a scenario file, as pydantic models.

As in `engine.config.models`, the tags of unions are names of classes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from engine.config.fields import Listed, Path, PositiveDuration, Text, When
from engine.config.models.base import Section, default
from engine.scenario.fields import CauseWord, PriorityWord, Status, Uid, Value, Wait


class SeriesSection(Section):
    """A series of made-up images."""

    instances: Annotated[int, Field(ge=1, le=1000)]
    modality: Text | None = default(None, "default: that of the study")
    description: str = default("", "series description")
    body_part: str = default("", "Body Part Examined; default: that of the study")
    series: Uid | None = default(None, "series instance UID; default: the study's with .1, .2 … behind it")


class StudySection(Section):
    """A made-up study of a simulated archive."""

    study: Annotated[Uid, Field(description="study instance UID")]
    patient: Annotated[Text, Field(description="patient ID")]
    issuer: str = default("", "issuer of patient ID")
    name: str = default("Scenario^Patient", "patient name, in the form of VR PN")
    birth_date: When = default("1970-01-01", "birth date")
    sex: Literal["F", "M", "O"] = default("O", "sex")
    accession: str = default("", "accession number")
    date: Annotated[When, Field(description="study date, or an offset from now such as -200d")]
    modality: Text
    description: str = default("", "study description")
    body_part: str = default("", "Body Part Examined")
    series: Annotated[list[SeriesSection], Listed, Field(min_length=1)]


class ArchiveSection(Section):
    """What a simulated archive holds, or that it is down."""

    studies: Annotated[list[StudySection], Listed] | None = default(
        None, "made-up studies; default: those of the demo"
    )
    folder: Text | None = default(None, "a folder of DICOM files instead, relative to the scenario file")
    down: bool = default("false", "nothing listens at its address")

    @model_validator(mode="after")
    def _one_content(self) -> ArchiveSection:
        if self.studies is not None and self.folder is not None:
            raise ValueError("studies or folder, not both")
        return self


class DestinationSection(Section):
    """That a simulated destination is down, or not known."""

    down: bool = default("false", "nothing listens at its address")
    known: bool = default("true", "whether the archives know its AE title")


def _answer(value: Any) -> str:
    return "AnswerFields" if isinstance(value, dict) else "AnswerCode"


Answer = Annotated[
    Annotated[dict[Path, Value], Field(min_length=1), Tag("AnswerFields")]
    | Annotated[Literal["AA", "AE", "AR", "CA", "CE", "CR", "none"], Tag("AnswerCode")],
    Discriminator(_answer),
]


class StepSection(Section):
    """A message, or the messages of a file one after another, and the answers expected."""

    name: str = default("", "for the report; default: the file's name")
    file: Text | None = default(None, "a file of HL7 messages, relative to the scenario file")
    message: Text | None = default(
        None, "the message itself, a segment a line; ${now}, ${now-2d} are such HL7 times"
    )
    wait: Wait = default("0s", "before it is sent; settled: until every retrieve so far has ended")
    concurrently: bool = default("false", "send it together with the step before, on a connection of its own")
    resend: Annotated[int, Field(ge=0, le=100)] = default(
        0, "send each message so many times more; every answer must be the first, byte for byte"
    )
    ack: Annotated[list[Answer], Listed] = default([], "MSA-1, or values by field path; or none")
    accept: Annotated[list[Answer], Listed] = default([], "of the accept ACK in enhanced mode")
    application: Annotated[list[Answer], Listed] = default([], "of the application ACK in enhanced mode")

    @model_validator(mode="after")
    def _one_message(self) -> StepSection:
        if (self.file is None) is (self.message is None):
            raise ValueError("either file or message")
        if self.ack and (self.accept or self.application):
            raise ValueError("ack (original mode), or accept and application (enhanced mode)")
        return self


class RetrieveSection(Section):
    """A retrieve that is expected. What is not written is not compared."""

    study: Value | None = default(None, "study instance UID")
    accession: Value | None = default(None, "for a query that found nothing to move: accession number")
    priors: Value | None = default(None, "for a query that could not be carried out: patient ID")
    series: Value | None = default(None, "series instance UID")
    archive: Value | None = default(None, "its name in the routes file")
    destination: Value | None = default(None, "its name in the routes file")
    priority: PriorityWord | None = default(None, "stat, high, medium or low")
    status: Status | None = default(None, "of the task, such as COMPLETED")
    cause: CauseWord | None = default(None, "why it ended so, such as arrived")
    reason: Value | None = default(None, "the sentence that goes with it")
    dicom_status: Value | None = default(None, "of the final C-MOVE response, such as A702")
    attempts: Value | None = default(None, "how often the task was tried")
    moves: Value | None = default(None, "C-MOVEs that the archive saw of this study to this destination")

    @model_validator(mode="after")
    def _one_subject(self) -> RetrieveSection:
        if [self.study, self.accession, self.priors].count(None) != 2:
            raise ValueError("one of study, accession and priors")
        return self


class ExpectedSection(Section):
    """What is to be seen in the end. What is not written is not compared."""

    retrieves: Annotated[list[RetrieveSection], Listed] | None = default(
        None, "every retrieve, in any order; [] is none"
    )
    arrived: dict[str, dict[str, Annotated[int, Field(ge=0)]]] = default(
        {}, "by destination and study: how many different objects"
    )
    not_arrived: dict[str, Annotated[list[Text], Listed]] = default(
        {}, "by destination: studies of which nothing may arrive; * is all"
    )


class ScenarioSection(Section):
    """A message in, an archive with its studies and faults; what is expected of Forefetch."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    config: Text | None = default(None, "a routes file, relative to the scenario file")
    override: dict[str, Any] | None = default(
        None, "in the notation of routes.yaml, laid over config or, without config, in its place"
    )
    gate: Literal["open", "closed"] = default("open", "DICOM_HL7_PACS_ALLOW_RETRIEVE")
    archives: dict[str, ArchiveSection] = default({}, "by name; those not named hold the demo studies")
    destinations: dict[str, DestinationSection] = default({}, "by name; those not named take all")
    faults: list[dict[str, Any] | str] = default([], "what goes wrong, and where (docs/simulator.md)")
    time_limit: PositiveDuration = default("30s", "for all of it; then what was seen until then counts")
    steps: Annotated[list[StepSection], Listed, Field(min_length=1)]
    expected: ExpectedSection = default({}, "what is to be seen in the end")

    @model_validator(mode="after")
    def _some_config(self) -> ScenarioSection:
        if self.config is None and self.override is None:
            raise ValueError("config, override or both")
        return self


class ScenarioFile(Section):
    """Scenarios of Forefetch, which `forefetch test` runs."""

    scenarios: Annotated[list[ScenarioSection], Field(min_length=1)]
