"""Build acknowledgments (HL7 v2 ch. 2.9.2, 2.14.8 MSA, 2.14.5 ERR) in the version of the message.

Up to 2.4 an error is a repetition of ERR-1 and the text stands in MSA-3; from 2.5 on each error is an ERR
segment of its own (ERR-2 to ERR-8); from 2.7 on MSA-3 no longer exists.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from engine.errors import ErrorCode
from engine.hl7.encoding import Delimiters, escape
from engine.hl7.message import Header

TABLE_0357: dict[int, str] = {
    ErrorCode.ACCEPTED: "Message accepted",
    ErrorCode.SEGMENT_SEQUENCE: "Segment sequence error",
    ErrorCode.REQUIRED_FIELD_MISSING: "Required field missing",
    ErrorCode.DATA_TYPE: "Data type error",
    ErrorCode.TABLE_VALUE_NOT_FOUND: "Table value not found",
    ErrorCode.VALUE_TOO_LONG: "Value too long",
    ErrorCode.CARDINALITY: "Non-conformant cardinality",
    ErrorCode.OTHER_HL7_ERROR: "Other HL7 error",
    ErrorCode.UNSUPPORTED_MESSAGE_TYPE: "Unsupported message type",
    ErrorCode.UNSUPPORTED_EVENT: "Unsupported event code",
    ErrorCode.UNSUPPORTED_PROCESSING_ID: "Unsupported processing id",
    ErrorCode.UNSUPPORTED_VERSION: "Unsupported version id",
    ErrorCode.UNKNOWN_KEY: "Unknown key identifier",
    ErrorCode.DUPLICATE_KEY: "Duplicate key identifier",
    ErrorCode.RECORD_LOCKED: "Application record locked",
    ErrorCode.INTERNAL: "Application internal error",
}
# When Forefetch gives a code, and with which MSA-1; docs/acknowledgments.md has the same table.
GIVEN = {
    ErrorCode.ACCEPTED: (
        "AA, AE",
        "this study arrived or was there already, is in progress, or a dry run would have moved it",
    ),
    ErrorCode.SEGMENT_SEQUENCE: (
        "AE, AR",
        "the message as a whole: not HL7, empty (AR); two messages in one block, a cancel mixed with a new "
        "order, not valid where a route validates (AE)",
    ),
    ErrorCode.REQUIRED_FIELD_MISSING: (
        "AE",
        "MSH-9 or MSH-10 is empty, or every field by which a matched route could know its study",
    ),
    ErrorCode.DATA_TYPE: (
        "AE",
        "a value that must not go on the wire (a list of UIDs, a wild card, no UID), or MSH-1 and MSH-2",
    ),
    ErrorCode.TABLE_VALUE_NOT_FOUND: (
        "AE, AR",
        "a value that a route's destination map does not have (AE); a sender that is not accepted (AR)",
    ),
    ErrorCode.VALUE_TOO_LONG: (
        "AE",
        "a field or segment that is looked at occurs more than 1000 times",
    ),
    ErrorCode.UNSUPPORTED_MESSAGE_TYPE: ("AR", "no route is for this type, and `unrouted: reject`"),
    ErrorCode.UNSUPPORTED_EVENT: ("AR", "no route is for this event of the type, and `unrouted: reject`"),
    ErrorCode.UNSUPPORTED_PROCESSING_ID: ("AR", "MSH-11 is not among `processing_ids`"),
    ErrorCode.UNSUPPORTED_VERSION: ("AR", "MSH-12 is not among `versions`"),
    ErrorCode.UNKNOWN_KEY: ("AE", "the archive does not have it, or moved nothing"),
    ErrorCode.INTERNAL: (
        "AE, AR",
        "everything else: DICOM failures, a closed gate (AE); a block that is too large or broken off, a "
        "message that could not be kept, a fault of Forefetch (AR)",
    ),
}
_LOCATION = re.compile(
    r"(?P<segment>[A-Za-z0-9]{3})(?:\((?P<occurrence>\d+|\*)\))?"
    r"(?:-(?P<field>\d+)(?:[(\[](?P<repetition>[^)\]]*)[)\]])?(?:\.(?P<component>\d+)(?:\.(?P<sub>\d+))?)?)?"
)
_VERSION = re.compile(r"2(\.\d{1,2}){1,2}", re.ASCII)
_USUAL_VERSION = (2, 5, 1)
_MSA_3_LENGTH = 80  # ST 80 wherever MSA-3 exists
_ERR_8_LENGTH = 250
_LONGEST_KNOWN = 1000  # characters of a text that is remembered: one may quote a field of any size


class AckCode(StrEnum):
    """HL7 table 0008: application acknowledgments (AA, AE, AR) and accept acknowledgments (CA, CE, CR)."""

    AA = "AA"
    AE = "AE"
    AR = "AR"
    CA = "CA"
    CE = "CE"
    CR = "CR"

    @property
    def positive(self) -> bool:
        return self in {AckCode.AA, AckCode.CA}


class Severity(StrEnum):
    """HL7 table 0516."""

    INFORMATION = "I"
    WARNING = "W"
    ERROR = "E"


@dataclass(frozen=True, slots=True)
class AckError:
    """One line of what happened. ``code``: table 0357. ``location``: a field such as ``ZDS-1.1``.
    ``application_code``: identifier, text and coding system, such as a DICOM status."""

    severity: Severity
    code: int
    text: str
    location: str = ""
    application_code: tuple[str, str, str] | None = None
    diagnostics: str = ""


class Reply(NamedTuple):
    """What an acknowledgment says: MSA-1, a sentence, and a line for each study or fault."""

    code: AckCode
    text: str
    errors: tuple[AckError, ...] = ()


class Envelope(NamedTuple):
    """What an acknowledgment says of itself. ``control_id`` is our own MSH-10 (at most 20 characters) and
    ``time`` our own MSH-7. ``response``: MSH-9 code and event such as ``ORR^O02``; empty is a plain ACK.
    ``accept_condition``: MSH-15, where this acknowledgment is an exchange of its own (ch. 2.9.3.2)."""

    control_id: str
    time: dt.datetime
    response: str = ""
    accept_condition: str = ""


def acknowledge(header: Header, reply: Reply, envelope: Envelope) -> bytes:
    """The ACK of one message as bytes in the message's own character set and version."""
    version = version_tuple(header.version)
    others = [_msa(header, reply, version), *_err(reply.errors, header, version)]
    segments = [_msh(header, envelope), *map(header.delimiters.field.join, others)]
    return ("\r".join(segments) + "\r").encode(header.codec, "replace")


def code_of(acknowledgment: bytes) -> str:
    """MSA-1 of one that `acknowledge` has made."""
    start = acknowledgment.find(b"\rMSA") + len("\rMSA|")
    return acknowledgment[start : start + 2].decode("ascii", "replace")


def version_tuple(version: str) -> tuple[int, ...]:
    """``2.5.1`` as (2, 5, 1). An unreadable version counts as 2.5.1, which most receivers read."""
    return _numbers(version) if len(version) <= len("2.55.11") else _USUAL_VERSION


@lru_cache(maxsize=64)
def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if _VERSION.fullmatch(version) else _USUAL_VERSION


def _message_type(trigger: str, version: tuple[int, ...], response: str) -> list[str]:
    """MSH-9: ``ACK^O01^ACK`` or the response asked for, with the structure where the version has it."""
    code, _, event = (response or f"ACK^{trigger}").partition("^")
    if not event:
        return [code]
    structure = [f"{code}_{event}" if response else code] if version >= (2, 3, 1) else []
    return [code, event, *structure]


def _msh(header: Header, envelope: Envelope) -> str:
    shared = header.shared
    parts = _parts if sum(map(len, shared)) <= _LONGEST_KNOWN else _parts_of
    before, between, after, with_offset = parts(shared, envelope.response, envelope.accept_condition)
    moment, offset = _digits(envelope.time.isoformat(timespec="seconds"))
    return f"{before}{moment}{offset if with_offset else ''}{between}{envelope.control_id}{after}"


def _parts_of(shared: tuple[Any, ...], response: str, accept_condition: str) -> tuple[str, str, str, bool]:
    """What stands before MSH-7, between it and MSH-10, and behind that; and whether MSH-7, a TS, has an
    offset, as from 2.2 on."""
    header = Header(*shared)
    mark, version = header.delimiters, version_tuple(header.version)
    encoding = mark.component + mark.repetition + mark.escape + mark.subcomponent  # all that is used here
    before = [f"MSH{mark.field}{encoding}{mark.encoding[4:]}"]
    before += [_echo(header.receiving_application), _echo(header.receiving_facility)]
    before += [_echo(header.sending_application), _echo(header.sending_facility), ""]
    kind = _message_type(_echo(header.trigger), version, response)
    after = ["", _echo(header.processing_id) or "P", _echo(header.version_id) or "2.5.1"]
    never = "NE" if accept_condition else ""  # an acknowledgment has no application acknowledgment
    after += ["", "", accept_condition, never, "", _echo(header.character_set)]
    while not after[-1]:
        after.pop()
    between = ["", "", mark.component.join(kind), ""]
    join = mark.field.join
    return join(before), join(between), join(after), version >= (2, 2)


_parts = lru_cache(maxsize=256)(_parts_of)


@lru_cache(maxsize=64)
def _digits(iso: str) -> tuple[str, str]:
    """``20261124083015`` and ``+0200``."""
    digits = re.sub("[-T:]", "", iso[:19])
    return digits, iso[19:].replace(":", "")


def _msa(header: Header, reply: Reply, version: tuple[int, ...]) -> list[str]:
    fields = ["MSA", reply.code.value, _echo(header.control_id)]
    if version < (2, 7):
        fields.append(_field(reply.text, header, _MSA_3_LENGTH))
    return fields


def _echo(text: str) -> str:
    """A field of the message as it came, without control characters: an echoed FS CR would end the block."""
    return text if text.isprintable() else "".join(character for character in text if character >= " ")


def _err(errors: tuple[AckError, ...], header: Header, version: tuple[int, ...]) -> list[list[str]]:
    if not errors:
        return []
    if version < (2, 5):  # ERR-1 has no severity: a receiver would take a study that arrived for a fault
        faults = [error for error in errors if error.severity is not Severity.INFORMATION]
        repetitions = [_err_1(error, header, version) for error in faults]
        return [["ERR", header.delimiters.repetition.join(repetitions)]] if repetitions else []
    return [_err_segment(error, header) for error in errors]


def _err_1(error: AckError, header: Header, version: tuple[int, ...]) -> str:
    """ERR-1: segment ID ^ sequence ^ field position ^ code (a CE; the application's code as alternate)."""
    if version < (2, 2):
        return _field(error.text, header)  # 2.1 knows a text only
    mark = header.delimiters
    place = _LOCATION.fullmatch(error.location)
    where = ["", "", ""]
    if place:
        where = [place["segment"].upper(), _number(place["occurrence"]), place["field"] or ""]
    code = [str(int(error.code)), TABLE_0357[error.code], "HL70357"]
    if error.application_code is not None:
        code += error.application_code
    return mark.component.join([*where, mark.subcomponent.join(_field(part, header) for part in code)])


def _err_segment(error: AckError, header: Header) -> list[str]:
    def coded(parts: tuple[str, str, str]) -> str:
        return header.delimiters.component.join(_field(part, header) for part in parts)

    return [
        "ERR",
        "",
        _erl(error.location, header.delimiters),
        coded((str(int(error.code)), TABLE_0357[error.code], "HL70357")),
        error.severity.value,
        coded(error.application_code) if error.application_code else "",
        "",
        _field(error.diagnostics, header),
        _field(error.text, header, _ERR_8_LENGTH),
    ]


def _erl(location: str, mark: Delimiters) -> str:
    """ERR-2, an ERL (ch. 2A.28): segment ^ sequence ^ field ^ repetition ^ component ^ subcomponent."""
    place = _LOCATION.fullmatch(location)
    if place is None:
        return ""
    parts = [place["segment"].upper(), _number(place["occurrence"])]
    if place["field"]:
        parts += [place["field"], _number(place["repetition"])]
        parts += [part for part in (place["component"], place["sub"]) if part]
    return mark.component.join(parts)


def _number(text: str | None) -> str:
    """The number of an occurrence or repetition; the first where a path names each or chooses by content."""
    return text if text and text.isdecimal() else "1"


def _field(text: str, header: Header, length: int | None = None) -> str:
    """Escaped text, cut before escaping so that no escape sequence is cut in two."""
    escaped = _known if len(text) <= _LONGEST_KNOWN else _escaped
    return escaped(text, header.delimiters, header.codec, length)


def _escaped(text: str, mark: Delimiters, codec: str, length: int | None) -> str:
    """What the character set does not have is replaced first: Shift JIS, for one, writes a yen sign with the
    byte of the escape character."""
    text = text.encode(codec, "replace").decode(codec, "replace")
    escaped = escape(text, mark)
    if length is None or len(escaped) <= length:
        return escaped
    cut = text if len(text) <= length else text[: length - 3] + "..."
    while len(escape(cut, mark)) > length:
        cut = cut[:-4] + "..."
    return escape(cut, mark)


_known = lru_cache(maxsize=256)(_escaped)
