"""What somebody is told of while nobody looks, and by which ways."""

from __future__ import annotations

import datetime as dt
import re
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from engine.config.alerts import DiskRule, Encryption, Kind
from engine.config.fields import Listed, Off, PositiveDuration, Receiver, Text, WindowSpan, size
from engine.config.models.base import Section, default
from engine.config.models.replies import RetrySection
from engine.config.models.security import SecretSection, TlsSection

_URL = "an address such as https://alerts.example.org/forefetch, without a user or a fragment"
_ADDRESS = re.compile(r"[!-~]+@[!-~]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2
_SHARE = re.compile(r"(\d{1,3}) ?%")
_DAY = dt.timedelta(days=1)


def _url(text: object) -> str:
    if not isinstance(text, str) or not re.fullmatch(r"https?://[!-~]+", text.strip()):
        raise ValueError(_URL)
    try:
        parts = urlsplit(text.strip())
        usable = parts.hostname and parts.port != 0 and "@" not in parts.netloc and not parts.fragment
    except ValueError:
        raise ValueError(_URL) from None
    if not usable:
        raise ValueError(_URL)
    return text.strip()


def _mail_address(text: object) -> str:
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text.strip()) or re.search(r"[<>,;]", text):
        raise ValueError("a mail address such as radiology-it@example.org")
    return text.strip()


def _header(text: object) -> str:
    if not isinstance(text, str) or not _TOKEN.fullmatch(text):
        raise ValueError("the name of an HTTP header, such as Authorization or X-Token")
    return text


def _ip_address(text: object) -> str:
    try:
        return str(ip_address(text.strip() if isinstance(text, str) else ""))
    except ValueError:
        raise ValueError("an IP address such as 10.0.0.7") from None


def _floor(text: object) -> DiskRule:
    try:
        share = _SHARE.fullmatch(text) if isinstance(text, str) else None
        return DiskRule(share=_percent(share[1])) if share else DiskRule(size=size(text))
    except ValueError:
        raise ValueError("a size such as 5GB, or a share from 1% to 50%") from None


def _percent(digits: str) -> float:
    if not 1 <= int(digits) <= 50:
        raise ValueError
    return int(digits) / 100


Url = Annotated[str, PlainValidator(_url), WithJsonSchema({"type": "string", "format": "uri"})]
MailAddress = Annotated[str, PlainValidator(_mail_address), WithJsonSchema({"type": "string"})]
IpAddress = Annotated[str, PlainValidator(_ip_address), WithJsonSchema({"type": "string"})]
Floor = Annotated[
    DiskRule, PlainValidator(_floor), WithJsonSchema({"type": "string", "examples": ["5GB", "5%"]})
]
Header = Annotated[str, PlainValidator(_header), WithJsonSchema({"type": "string"})]
Kinds = Annotated[list[Kind], Listed, Field(min_length=1)]


class _WaySection(Section):
    """What every way has."""

    only: Kinds = default([kind.value for kind in Kind], "the alerts that are told this way; default: all")
    timeout: PositiveDuration = default("10s", "longest silence of the other side")


class WebhookSection(_WaySection):
    """A notice is POSTed as JSON."""

    url: Annotated[Url, Field(description="https or http", repr=False)]
    secret: SecretSection | None = default(None, "what the header proves who we are by")
    header: Header = default("Authorization", "Authorization says Bearer and the secret; another the secret")
    tls: TlsSection | None = default(None, "of https; default: the authorities of the system")

    @model_validator(mode="after")
    def _encrypted(self) -> WebhookSection:
        if self.tls is not None and not self.url.startswith("https:"):
            raise ValueError("an https url beside tls")
        return self


class MailSection(_WaySection):
    """A notice is mailed."""

    server: Annotated[Receiver, Field(description="host:port of an SMTP server")]
    encryption: Encryption = default("starttls", "starttls, tls (from the start), or none")
    tls: TlsSection | None = default(None, "default: the authorities of the system")
    user: Text | None = default(None, "login, where the server wants one")
    password: SecretSection | None = default(None, "of the user")
    sender: Annotated[MailAddress, Field(alias="from", description="address")]
    to: Annotated[list[MailAddress], Listed, Field(min_length=1, description="addresses")]

    @model_validator(mode="after")
    def _whole(self) -> MailSection:
        if (self.user is None) is not (self.password is None):
            raise ValueError("user and password, both or neither")
        if self.encryption is Encryption.NONE and (self.tls is not None or self.user is not None):
            raise ValueError("encryption starttls or tls, with tls or a password")
        return self


class DeadLetterSection(Section):
    """How failed retrieves become one alert."""

    gather: PositiveDuration = default("30s", "those that fail within this are told together; default: 30s")
    quiet: PositiveDuration = default("1h", "when none has failed for so long it is over; default: 1h")

    @model_validator(mode="after")
    def _growing(self) -> DeadLetterSection:
        if self.quiet < self.gather:
            raise ValueError("quiet to be no shorter than gather")
        return self


def _dead_letters(value: Any) -> str:
    return "DeadLetterSection" if isinstance(value, dict) else "Always"


DeadLetterChoice = Annotated[
    Annotated[bool, Tag("Always")] | Annotated[DeadLetterSection, Tag("DeadLetterSection")],
    Discriminator(_dead_letters),
]


class SilenceSection(Section):
    """When a feed counts as silent."""

    after: Annotated[PositiveDuration, Field(description="no message for so long")]
    host: IpAddress | None = default(None, "IP address of one sender; default: all of them together")
    windows: Annotated[list[WindowSpan], Listed] = default(
        [], "when messages are expected, such as mon-fri 07:00-19:00; default: always"
    )

    @model_validator(mode="after")
    def _possible(self) -> SilenceSection:
        if self.windows and self.after >= _DAY:
            raise ValueError("after to be less than 24h, where windows are given")
        return self


class DiskSection(Section):
    """When the disk that has the journal counts as nearly full."""

    free: Annotated[Floor, Field(description="less than this is free: a size such as 5GB, or 5%")]


def _disk(value: Any) -> str:
    return "Off" if isinstance(value, str) else "DiskSection"


DiskChoice = Annotated[
    Annotated[DiskSection, Tag("DiskSection")] | Annotated[Off, Tag("Off")], Discriminator(_disk)
]


class AlertsSection(Section):
    """Who is told when images do not move. Nobody, unless this section is there."""

    webhook: Annotated[list[WebhookSection], Listed] = default([], "one or several")
    mail: Annotated[list[MailSection], Listed] = default([], "one or several")
    dead_letters: DeadLetterChoice = default("on", "retrieves that have failed for good")
    breaker: bool = default("on", "an archive or destination that is left alone")
    journal: bool = default("on", "the journal cannot be written")
    silence: Annotated[list[SilenceSection], Listed] = default([], "no messages come; default: not told")
    disk: DiskChoice = default({"free": "5%"}, "the disk of the journal is nearly full")
    repeat: PositiveDuration = default("4h", "between reminders of what lasts; default: 4h")
    pause: PositiveDuration = default("5m", "the least between two notices of one alert; default: 5m")
    retry: RetrySection = default({}, "when a notice cannot be delivered")

    @model_validator(mode="after")
    def _some_way(self) -> AlertsSection:
        if not (self.webhook or self.mail):
            raise ValueError("webhook, mail or both")
        return self
