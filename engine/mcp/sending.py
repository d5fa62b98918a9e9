"""What `hl7_send` sends to, and what it tells of the acknowledgments."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydantic import Field

from engine.config import Config
from engine.errors import ForefetchError, MessageError
from engine.hl7.patient import of_all, patient_values
from engine.telling.acknowledgment import (
    AckLine,
    Acknowledgment,
    acknowledgment_lines,
    read_acknowledgment,
)
from engine.telling.content import Answer, Content
from engine.telling.masking import WITHHELD, Masking, Veil
from engine.tls import Tls


class AckDetail(Content):
    """One ERR segment: a study, or a fault of the message."""

    severity: str = Field(description="I (information), W (warning), E (error); empty before HL7 2.5")
    code: str = Field(description="HL7 error, table 0357; 0 is no error")
    location: str = Field(description="The field that is at fault; empty where none is")
    text: str = Field(description="What happened, with the cure where there is one")
    dicom_status: str | None = Field(description="Status of the C-MOVE or C-FIND, such as A801")
    cause: str | None = Field(description="Where there is no DICOM status: a word for what happened")
    task_id: int | None = Field(description="The retrieve task that it is about, for task_status")
    counts: str = Field(description="The task, counters of sub-operations, and what the archive said")


class AckContent(Content):
    """One acknowledgment."""

    code: str = Field(description="AA, CA: positive. AE, AR, CE, CR: not. Empty: it could not be read")
    positive: bool = Field(description="Whether it is AA or CA")
    control_id: str = Field(description="MSH-10 of the message that it is for")
    text: str = Field(description="What the engine says")
    details: list[AckDetail] = Field(description="A line for each study or fault")


class SendReport(Answer):
    """What became of the messages."""

    messages: int = Field(description="How many were given")
    positive: bool = Field(description="Whether every one was acknowledged, by nothing but AA or CA")
    acknowledgments: list[AckContent] = Field(description="As they came")
    fault: str = Field(description="Why not every message was acknowledged; empty where each was")


# What ERR-7 says before the archive's own words
_OURS = re.compile(r"(?:task \d+)?(?:(?:; |, )?(?:completed|failed|warning|remaining) \d+)*")
_LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def address_of(config: Config, routes: str) -> tuple[str, int]:
    """Where the engine of a routes file is reached from this machine. ForefetchError where that cannot be
    known."""
    host, port = config.engine.host, config.engine.port
    if not port:
        raise ForefetchError(
            f"engine.listen in {routes} has port 0, so that the system chooses one at each start; "
            "enter a port there"
        )
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host, port
    return (_LOOPBACK[address.version] if address.is_unspecified else host), port


def encryption_of(config: Config, routes: str) -> Tls | None:
    """TLS that takes the engine's own certificate. ForefetchError where senders need one too."""
    tls = config.engine.tls
    if tls is None:
        return None
    if tls.ca:
        raise ForefetchError(
            f"the engine wants a certificate of whoever sends (engine.tls.ca in {routes}), which this tool "
            "has not; use: forefetch send --tls --ca FILE --certificate FILE --key FILE"
        )
    return Tls(peer=tls.certificate, minimum=tls.minimum)


def veil_over(masking: Masking, payloads: Sequence[bytes], default_charset: str) -> Veil:
    """Hides the patients of all these messages."""
    return masking.of(of_all(patient_values(payload, default_charset) for payload in payloads))


def read(ack: bytes, veil: Veil) -> Acknowledgment:
    """An acknowledgment behind a veil; one without a code where it cannot be read."""
    try:
        told = read_acknowledgment(ack)
    except MessageError as error:
        return Acknowledgment("", f"the acknowledgment cannot be read: {veil.literals(error.text)}")
    return replace(
        told,
        text=veil.echo(told.text),
        control_id=veil.echo(told.control_id),
        lines=tuple(_veiled(line, veil) for line in told.lines),
    )


def _veiled(line: AckLine, veil: Veil) -> AckLine:
    """The numbers of ours stay what they are: a patient's ID may be the same as a task's."""
    ours = _OURS.match(line.diagnostics)
    counts = ours[0] if ours is not None else ""
    said = line.diagnostics[len(counts) :]
    told = veil.echo(said) if veil.discerning or not said else f" {WITHHELD}"
    return replace(
        line,
        text=veil.echo(line.text),
        application_code=veil.echo(line.application_code),
        diagnostics=counts + told,
    )


def report(count: int, acknowledgments: Sequence[Acknowledgment], fault: str) -> SendReport:
    """Of so many messages. Where none asks for an acknowledgment (MSH-15, MSH-16), nothing is known."""
    positive = bool(acknowledgments) and all(it.positive for it in acknowledgments) and not fault
    return SendReport(
        messages=count, positive=positive, acknowledgments=list(map(_content, acknowledgments)), fault=fault
    )


def _content(told: Acknowledgment) -> AckContent:
    return AckContent(
        code=told.code,
        positive=told.positive,
        control_id=told.control_id,
        text=told.text,
        details=[
            AckDetail(
                severity=line.severity,
                code=line.code,
                location=line.location,
                text=line.text,
                dicom_status=line.dicom_status or None,
                cause=line.cause or None,
                task_id=line.task,
                counts=line.diagnostics,
            )
            for line in told.lines
        ],
    )


def lines(acknowledgments: Sequence[Acknowledgment], fault: str) -> Iterator[str]:
    """The same to read."""
    for number, told in enumerate(acknowledgments, 1):
        name = f"message {told.control_id}" if told.control_id else f"acknowledgment {number}"
        yield from (line.text for line in acknowledgment_lines(name, told))
    if fault:
        yield fault
