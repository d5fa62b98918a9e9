"""The shape of routes.yaml, as pydantic models. They check one thing each; ``build`` makes the values.

The tags of unions are names of classes: pydantic puts them into the place of an error, where the name of a
key would be taken for that key.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from engine.config.fields import (
    Address,
    AeTitle,
    Charset,
    Duration,
    Listed,
    MessageType,
    Path,
    Pattern,
    Port,
    PositiveDuration,
    Receiver,
    Text,
    TimeZone,
    When,
)

# Where a message names the study it orders (IHE RAD TF-2 4.2 and 4.4): it is no prior of itself.
ORDERED_STUDY = ["ZDS-1.1", "IPC-3.1"]
ORDERED_ACCESSION = ["IPC-1.1", "OBR-18", "OBR-3.1", "ORC-3.1"]


def _default(value: Any, description: str) -> Any:
    """A default in the notation of routes.yaml, so that it reads the same in the exported schema."""
    return Field(default=value, validate_default=True, description=description)


class Section(BaseModel):
    """A mapping of routes.yaml: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class EngineSection(Section):
    """Forefetch itself. Everything has a default."""

    listen: Address = _default("127.0.0.1:2575", "host:port to take HL7 messages on, by MLLP")
    store: str = _default("forefetch.db", "SQLite file of messages and tasks")
    ae_title: AeTitle = _default("FOREFETCH", "our calling AE title")
    time_zone: TimeZone | None = _default(None, "of HL7 times that name none; default: the machine's")
    default_charset: Charset = _default("UNICODE UTF-8", "of messages with an empty MSH-18")
    max_message_bytes: Annotated[int, Field(ge=1024)] = _default(16 * 2**20, "a larger message gets a NAK")
    max_connections: Annotated[int, Field(ge=1)] = _default(256, "MLLP connections at a time")
    window: Annotated[int, Field(ge=1)] = _default(32, "unanswered messages on one connection")
    idle_timeout: PositiveDuration = _default("10m", "close a silent MLLP connection")
    frame_timeout: PositiveDuration = _default("30s", "silence in the middle of a message")
    drain_timeout: Duration = _default("30s", "for moves under way, when stopping")


class TimeoutsSection(Section):
    """How long to wait for an archive."""

    connect: PositiveDuration = _default("5s", "TCP connection")
    acse: PositiveDuration = _default("10s", "association request and release")
    dimse: PositiveDuration = _default("5m", "silence between two responses")
    total: PositiveDuration = _default("1h", "one C-FIND or C-MOVE as a whole")


class ArchiveSection(Section):
    """A Query/Retrieve SCP to retrieve from."""

    ae_title: AeTitle
    host: str
    port: Port
    calling_ae_title: AeTitle | None = _default(None, "default: engine.ae_title")
    concurrency: Annotated[int, Field(ge=1, le=256)] = _default(2, "associations at a time")
    idle: PositiveDuration = _default("10s", "keep an unused association open for")
    timeouts: TimeoutsSection = _default({}, "how long to wait")


class DestinationSection(Section):
    """A C-MOVE destination that retrieval is allowed to. The archive must know its AE title too."""

    ae_title: AeTitle
    host: str | None = _default(None, "for forefetch echo")
    port: Port | None = None

    @model_validator(mode="after")
    def _both(self) -> DestinationSection:
        if (self.host is None) is not (self.port is None):
            raise ValueError("host and port, both or neither")
        return self


class DateSection(Section):
    after: When | None = None
    before: When | None = None

    @model_validator(mode="after")
    def _some(self) -> DateSection:
        if self.after is None and self.before is None:
            raise ValueError("after, before or both")
        return self


class FieldCondition(Section):
    """A condition on the values of one field; exactly one operator."""

    field: Path
    equals: Text | None = None
    in_: Annotated[list[Text] | None, Field(alias="in", min_length=1)] = None
    regex: Pattern | None = None
    exists: bool | None = None
    date: DateSection | None = None

    @model_validator(mode="after")
    def _one_operator(self) -> FieldCondition:
        operators = (self.equals, self.in_, self.regex, self.exists, self.date)
        if sum(operator is not None for operator in operators) != 1:
            raise ValueError("exactly one of equals, in, regex, exists, date")
        return self


class NotCondition(Section):
    not_: Annotated[ConditionSection, Field(alias="not")]


class AllCondition(Section):
    all_: Annotated[list[ConditionSection], Field(alias="all", min_length=1)]


class AnyCondition(Section):
    any_: Annotated[list[ConditionSection], Field(alias="any", min_length=1)]


def _kind(value: Any) -> str:
    for key, kind in (("not", "NotCondition"), ("all", "AllCondition"), ("any", "AnyCondition")):
        if isinstance(value, dict) and key in value:
            return kind
    return "FieldCondition"


ConditionSection = Annotated[
    Annotated[NotCondition, Tag("NotCondition")]
    | Annotated[AllCondition, Tag("AllCondition")]
    | Annotated[AnyCondition, Tag("AnyCondition")]
    | Annotated[FieldCondition, Tag("FieldCondition")],
    Discriminator(_kind),
]


class SeriesSection(Section):
    """Only these series of a study. ``uid`` is a field of the message; the others ask the archive."""

    uid: Path | None = None
    modality: Annotated[list[Text], Listed] = []
    description: Pattern | None = None

    @model_validator(mode="after")
    def _one_way(self) -> SeriesSection:
        if (self.uid is None) is (not self.modality and self.description is None):
            raise ValueError("either uid, or modality and description (one or both)")
        return self


class StudyItem(Section):
    """Studies whose UID the message names."""

    study: Path
    series: SeriesSection | None = None


class AccessionItem(Section):
    """Studies whose accession number the message names, found by C-FIND."""

    accession: Path
    patient: Path | None = _default("PID-3.1", "whose they have to be: any of these IDs; ~ is anybody's")
    series: SeriesSection | None = None


class PriorsSection(Section):
    """The patient's earlier studies, found by C-FIND."""

    patient: Path = _default("PID-3.1", "patient ID; the first value is used")
    issuer: str | None = _default(
        None, "leave out studies whose Issuer of Patient ID is another; default: the authority of patient"
    )
    modality: Annotated[list[Text], Listed] = []
    within: Duration | None = _default(None, "not older than this")
    newest: Annotated[int, Field(ge=1)] | None = _default(None, "at most so many, newest first")
    description: Pattern | None = _default(None, "must match somewhere in the study description")
    series: SeriesSection | None = None
    ordered_study: Annotated[list[Path], Listed] = _default(
        ORDERED_STUDY, "fields with the UID of the ordered study, which is no prior"
    )
    ordered_accession: Annotated[list[Path], Listed] = _default(
        ORDERED_ACCESSION, "fields with its accession number"
    )


class PriorsItem(Section):
    priors: PriorsSection


def _item(value: Any) -> str:
    for key, kind in (("accession", "AccessionItem"), ("priors", "PriorsItem")):
        if isinstance(value, dict) and key in value:
            return kind
    return "StudyItem"


Item = Annotated[
    Annotated[StudyItem, Tag("StudyItem")]
    | Annotated[AccessionItem, Tag("AccessionItem")]
    | Annotated[PriorsItem, Tag("PriorsItem")],
    Discriminator(_item),
]


class DestinationMap(Section):
    """The destination that a field of the message names."""

    field: Path
    map: Annotated[dict[str, str], Field(min_length=1)]
    otherwise: str | None = _default(None, "where the field is empty or not in the map")


def _target(value: Any) -> str:
    return "DestinationMap" if isinstance(value, dict) else "DestinationName"


class PriorityName(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class ScheduleSection(Section):
    """When to retrieve, by a date field such as the appointment."""

    field: Path
    before: Duration = _default("0s", "so long before it")


class RouteSection(Section):
    """Which messages mean which studies, and where they go."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    enabled: bool = True
    messages: Annotated[list[MessageType], Listed, Field(min_length=1)]
    when: Annotated[list[ConditionSection], Listed] = _default([], "all of these must hold")
    studies: Annotated[list[Item], Listed, Field(min_length=1)]
    from_: Annotated[str, Field(alias="from", description="an archive")]
    to: Annotated[
        Annotated[str, Tag("DestinationName")] | Annotated[DestinationMap, Tag("DestinationMap")],
        Discriminator(_target),
    ]
    acknowledge: Literal["outcome", "accepted"] = "outcome"
    deadline: Duration = _default("20s", "for the outcome; then AA, in progress")
    priority: PriorityName = _default("medium", "DIMSE priority of the C-MOVE")
    validate_: Annotated[bool, Field(alias="validate")] = False
    profile: str | None = _default(None, "file of a message profile for validate, as hl7apy writes it")
    schedule: ScheduleSection | None = _default(None, "retrieve by a date that the message names")
    respond: Annotated[str, Field(pattern=r"^(|ORR\^O02|ORI\^O24|ACK)$")] = _default(
        "", "ORR^O02 or ORI^O24 instead of ACK"
    )


class SenderSection(Section):
    """Who may send. ``*`` and ``?`` are wild cards."""

    application: str = _default("*", "MSH-3.1")
    facility: str = _default("*", "MSH-4.1")


class IntakeSection(Section):
    """Which messages are taken at all."""

    senders: Annotated[list[SenderSection], Listed] = _default([], "accepted senders; default: all")
    processing_ids: Annotated[list[Text], Listed] = _default([], "accepted MSH-11, such as P; default: all")
    versions: Annotated[list[Text], Listed] = _default([], "accepted MSH-12, such as 2.5*; default: all")
    unrouted: Literal["accept", "reject"] = _default(
        "accept", "a message type that no route is for: AA, or AR with 200 or 201"
    )


class RetrySection(Section):
    """When a reply that could not be delivered is tried again."""

    first: PositiveDuration = _default("5s", "pause after the first failure")
    longest: PositiveDuration = _default("10m", "pauses double up to this")
    give_up: PositiveDuration = _default("3d", "after this time it is tried no more")

    @model_validator(mode="after")
    def _growing(self) -> RetrySection:
        if self.longest < self.first:
            raise ValueError("longest to be no shorter than first")
        return self


class ReplySection(Section):
    """Where the application acknowledgments of a sender's messages go in enhanced mode."""

    application: Text | None = _default(None, "MSH-3.1 of the message, with * and ? as wild cards")
    facility: Text | None = _default(None, "MSH-4.1 of the message, with * and ? as wild cards")
    to: Annotated[Receiver, Field(description="host:port of an MLLP receiver")]
    accept: Literal["AL", "NE"] = _default("AL", "MSH-15 of the reply: wait for its accept ACK, or do not")
    retry: RetrySection = _default({}, "when it cannot be delivered")

    @model_validator(mode="after")
    def _some_sender(self) -> ReplySection:
        if self.application is None and self.facility is None:
            raise ValueError("application, facility or both (* takes every sender)")
        return self


class RoutesFile(Section):
    """routes.yaml of Forefetch."""

    engine: EngineSection = _default({}, "Forefetch itself")
    intake: IntakeSection = _default({}, "which messages are taken")
    archives: Annotated[dict[str, ArchiveSection], Field(min_length=1)]
    destinations: Annotated[dict[str, DestinationSection], Field(min_length=1)]
    routes: Annotated[list[RouteSection], Field(min_length=1)]
    replies: list[ReplySection] = _default([], "where application ACKs go; default: the same connection")
