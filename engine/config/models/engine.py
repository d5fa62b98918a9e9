"""Forefetch itself, and which messages it takes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.config.fields import Address, AeTitle, Charset, Duration, Listed, PositiveDuration, Text, TimeZone
from engine.config.models.base import Section, default
from engine.config.models.journal import Journal
from engine.config.models.retention import RetentionChoice
from engine.config.models.security import ListenerTlsSection


class EngineSection(Section):
    """Forefetch itself. Everything has a default."""

    listen: Address = default("127.0.0.1:2575", "host:port to take HL7 messages on, by MLLP")
    tls: ListenerTlsSection | None = default(None, "encrypt what is listened on")
    store: Annotated[Journal, Field(repr=False)] = default(
        "forefetch.db", "messages and tasks: SQLite file beside this one, or URL of a PostgreSQL database"
    )
    retention: RetentionChoice = default({"age": "90d"}, "how long messages are kept; off: for ever")
    ae_title: AeTitle = default("FOREFETCH", "our calling AE title")
    time_zone: TimeZone | None = default(None, "of HL7 times that name none; default: the machine's")
    default_charset: Charset = default("UNICODE UTF-8", "of messages with an empty MSH-18")
    max_message_bytes: Annotated[int, Field(ge=1024)] = default(16 * 2**20, "a larger message gets a NAK")
    max_connections: Annotated[int, Field(ge=1)] = default(256, "MLLP connections at a time")
    window: Annotated[int, Field(ge=1)] = default(32, "unanswered messages on one connection")
    idle_timeout: PositiveDuration = default("10m", "close a silent MLLP connection")
    frame_timeout: PositiveDuration = default("30s", "silence in the middle of a message")
    drain_timeout: Duration = default("30s", "for moves under way, when stopping")


class SenderSection(Section):
    """Who may send. ``*`` and ``?`` are wild cards."""

    application: str = default("*", "MSH-3.1")
    facility: str = default("*", "MSH-4.1")


class IntakeSection(Section):
    """Which messages are taken at all."""

    senders: Annotated[list[SenderSection], Listed] = default([], "accepted senders; default: all")
    processing_ids: Annotated[list[Text], Listed] = default([], "accepted MSH-11, such as P; default: all")
    versions: Annotated[list[Text], Listed] = default([], "accepted MSH-12, such as 2.5*; default: all")
    unrouted: Literal["accept", "reject"] = default(
        "accept", "a message type that no route is for: AA, or AR with 200 or 201"
    )
