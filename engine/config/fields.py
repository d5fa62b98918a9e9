"""The kinds of scalar that routes.yaml is written with. A refusal says what is expected, with an example."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, PlainValidator, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from engine.dicom.identifiers import valid_ae_title
from engine.errors import IdentifierError
from engine.hl7.charset import TABLE_0211
from engine.hl7.path import FieldPath
from engine.retrieve.duration import parse_duration
from engine.retrieve.retry import Schedule
from engine.retrieve.windows import Window
from engine.routing.conditions import Moment
from engine.routing.rules import MessagePattern

_MESSAGE = re.compile(r"[A-Z0-9*?]{1,3}(?:\^[A-Z0-9*?]{1,3}(?:\^[A-Z0-9_*?]+)?)?")

_SIZE = re.compile(r"(\d{1,9}) ?([MGT]B)", re.IGNORECASE)
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


class NotQuoted(ValueError):
    """A mistake in what may hold a password: ``found`` is told in place of it."""

    def __init__(self, expected: str, found: str) -> None:
        super().__init__(expected)
        self.found = found


def _word(value: object) -> str:
    """A scalar as written. A list, a mapping or nothing is a mistake, whatever its repr would match."""
    if not isinstance(value, str):
        raise ValueError("one value")
    return value.strip()


def duration(text: object) -> dt.timedelta:
    """``20s``, ``5m``, ``2h``, ``3d``, ``1w``, ``5y`` (100 years at most). The unit must be there."""
    return parse_duration(_word(text))


def _positive_duration(text: object) -> dt.timedelta:
    if length := duration(text):
        return length
    raise ValueError("a duration longer than zero, such as 20s")


def moment(text: object) -> Moment:
    """A time such as ``2026-11-24T08:00``, a date, or an offset from now: ``-7d``, ``+12h``, ``now``."""
    word = _word(text)
    if word == "now":
        return Moment(word)
    if word[:1] in {"+", "-"}:
        length = duration(word[1:])
        return Moment(word, offset=length if word[0] == "+" else -length)
    try:
        return Moment(word, absolute=dt.datetime.fromisoformat(word))
    except ValueError:
        raise ValueError("a date such as 2026-11-24, or an offset from now such as -7d or +12h") from None


def _pattern(text: object) -> re.Pattern[str]:
    if not isinstance(text, str):
        raise ValueError("a regular expression")
    try:
        return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression ({error})") from None


def _ae_title(text: object) -> str:
    try:
        return valid_ae_title(_word(text))
    except IdentifierError:
        raise ValueError("an AE title: 1 to 16 printable ASCII characters, no backslash") from None


def _message(text: object) -> MessagePattern:
    word = _word(text)
    if not _MESSAGE.fullmatch(word):
        raise ValueError("a message type such as ORM^O01, ADT^A0? or *")
    return MessagePattern.parse(word)


def _zone(text: object) -> ZoneInfo:
    try:
        return ZoneInfo(_word(text))
    except (KeyError, ValueError, OSError):
        raise ValueError("an IANA time zone such as Europe/Helsinki") from None


def _charset(text: object) -> str:
    name = _word(text).upper()
    if name not in TABLE_0211:
        raise ValueError(f"a character set of HL7 table 0211: {', '.join(TABLE_0211)}")
    return name


def _address(text: object) -> tuple[str, int]:
    host, colon, port = _word(text).rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("host:port, such as 127.0.0.1:2575")
    return host.strip("[]"), int(port)


def _receiver(text: object) -> tuple[str, int]:
    host, port = _address(text)
    if port == 0:
        raise ValueError("host:port, such as 10.0.0.7:2576")
    return host, port


def size(text: object) -> int:
    """``500MB``, ``20GB``, ``1TB``: bytes, by powers of ten."""
    found = _SIZE.fullmatch(_word(text))
    if found is None or int(found[1]) == 0:
        raise ValueError("a size such as 500MB or 20GB")
    return int(found[1]) * _UNITS[found[2].upper()]


def _off(text: object) -> str:
    if text != "off":
        raise ValueError("off, or a mapping of settings")
    return "off"


class OneOrMore:
    """On a list: one item may stand alone. Said in the exported schema too."""

    def __get_pydantic_core_schema__(self, source: Any, read: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_listed, read(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, describe: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        several = describe(schema)
        return {"anyOf": [several, several["items"]]}


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _scalar(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["string", "number"], "examples": [example]})


Duration = Annotated[dt.timedelta, PlainValidator(duration), _scalar("20s")]
PositiveDuration = Annotated[dt.timedelta, PlainValidator(_positive_duration), _scalar("20s")]
Size = Annotated[int, PlainValidator(size), WithJsonSchema({"type": "string", "examples": ["20GB"]})]
"""In bytes."""
Off = Annotated[str, PlainValidator(_off), WithJsonSchema({"enum": ["off", False]})]
WindowSpan = Annotated[
    Window, PlainValidator(lambda text: Window.parse(_word(text))), _scalar("mon-fri 20:00-06:00")
]
Retries = Annotated[
    Schedule,
    PlainValidator(lambda text: Schedule.parse(_word(text))),
    WithJsonSchema({"type": ["string", "boolean"], "examples": ["5x1m, 12x5m, 12x1h"]}),
]
When = Annotated[Moment, PlainValidator(moment), _scalar("-7d")]
Path = Annotated[FieldPath, PlainValidator(lambda text: FieldPath.parse(_word(text))), _scalar("PID-3.1")]
Pattern = Annotated[
    re.Pattern[str], PlainValidator(_pattern), WithJsonSchema({"type": "string", "format": "regex"})
]
AeTitle = Annotated[str, PlainValidator(_ae_title), WithJsonSchema({"type": "string", "maxLength": 16})]
MessageType = Annotated[MessagePattern, PlainValidator(_message), _scalar("ORM^O01")]
TimeZone = Annotated[ZoneInfo, PlainValidator(_zone), _scalar("Europe/Helsinki")]
Charset = Annotated[str, PlainValidator(_charset), WithJsonSchema({"enum": list(TABLE_0211)})]
Address = Annotated[tuple[str, int], PlainValidator(_address), _scalar("127.0.0.1:2575")]
Receiver = Annotated[tuple[str, int], PlainValidator(_receiver), _scalar("10.0.0.7:2576")]
Text = Annotated[str, Field(min_length=1), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Port = Annotated[int, Field(ge=1, le=65_535)]
Listed = OneOrMore()
