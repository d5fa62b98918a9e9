"""The kinds of scalar that routes.yaml is written with. A refusal says what is expected, with an example."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from engine.dicom.identifiers import valid_ae_title
from engine.errors import IdentifierError
from engine.hl7.charset import TABLE_0211
from engine.hl7.path import FieldPath
from engine.routing.conditions import Moment
from engine.routing.rules import MessagePattern

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365.25 * 86_400}
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[smhdwy]?)")
_MESSAGE = re.compile(r"[A-Z0-9*?]{1,3}(?:\^[A-Z0-9*?]{1,3}(?:\^[A-Z0-9_*?]+)?)?")


def duration(text: object) -> dt.timedelta:
    """``20s``, ``5m``, ``2h``, ``3d``, ``1w``, ``5y``; a bare number counts seconds."""
    match = _DURATION.fullmatch(str(text).strip())
    if match is None:
        raise ValueError("a duration such as 20s, 5m, 2h, 3d or 5y")
    return dt.timedelta(seconds=float(match["number"]) * _SECONDS[match["unit"] or "s"])


def moment(text: object) -> Moment:
    """A time such as ``2026-11-24T08:00``, a date, or an offset from now: ``-7d``, ``+12h``, ``now``."""
    word = str(text).strip()
    if word == "now":
        return Moment(word)
    if word[:1] in {"+", "-"}:
        size = duration(word[1:])
        return Moment(word, offset=size if word[0] == "+" else -size)
    try:
        return Moment(word, absolute=dt.datetime.fromisoformat(word))
    except ValueError:
        raise ValueError("a date such as 2026-11-24, or an offset from now such as -7d or +12h") from None


def _pattern(text: object) -> re.Pattern[str]:
    try:
        return re.compile(str(text))
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from None


def _ae_title(text: object) -> str:
    try:
        return valid_ae_title(str(text))
    except IdentifierError:
        raise ValueError("an AE title: 1 to 16 printable ASCII characters, no backslash") from None


def _message(text: object) -> MessagePattern:
    if not _MESSAGE.fullmatch(str(text)):
        raise ValueError("a message type such as ORM^O01, ADT^A0? or *")
    return MessagePattern.parse(str(text))


def _zone(text: object) -> ZoneInfo:
    try:
        return ZoneInfo(str(text))
    except (KeyError, ValueError, OSError):
        raise ValueError("an IANA time zone such as Europe/Helsinki") from None


def _charset(text: object) -> str:
    name = str(text).upper()
    if name not in TABLE_0211:
        raise ValueError(f"a character set of HL7 table 0211: {', '.join(TABLE_0211)}")
    return name


def _address(text: object) -> tuple[str, int]:
    host, colon, port = str(text).rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise ValueError("host:port, such as 127.0.0.1:2575")
    return host.strip("[]"), int(port)


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _scalar(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "number"], "examples": [example]})


Duration = Annotated[dt.timedelta, PlainValidator(duration), _scalar("20s")]
When = Annotated[Moment, PlainValidator(moment), _scalar("-7d")]
Path = Annotated[FieldPath, PlainValidator(lambda text: FieldPath.parse(str(text))), _scalar("PID-3.1")]
Pattern = Annotated[
    re.Pattern[str], PlainValidator(_pattern), WithJsonSchema({"type": "string", "format": "regex"})
]
AeTitle = Annotated[str, PlainValidator(_ae_title), WithJsonSchema({"type": "string", "maxLength": 16})]
MessageType = Annotated[MessagePattern, PlainValidator(_message), _scalar("ORM^O01")]
TimeZone = Annotated[ZoneInfo, PlainValidator(_zone), _scalar("Europe/Helsinki")]
Charset = Annotated[str, PlainValidator(_charset), WithJsonSchema({"enum": list(TABLE_0211)})]
Address = Annotated[tuple[str, int], PlainValidator(_address), _scalar("127.0.0.1:2575")]
Text = Annotated[str, WithJsonSchema({"type": ["string", "number", "boolean"]})]
Port = Annotated[int, Field(ge=1, le=65_535)]
Listed = BeforeValidator(_listed)
