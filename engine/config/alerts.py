"""The ``alerts`` section as the engine uses it: what somebody is told of, and by which ways."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from enum import StrEnum

from engine.retrieve.windows import Windows
from engine.secret import Secret
from engine.tls import Tls


class Kind(StrEnum):
    """What an alert is about, in the words of routes.yaml."""

    DEAD_LETTERS = "dead_letters"
    BREAKER = "breaker"
    SILENCE = "silence"
    DISK = "disk"
    JOURNAL = "journal"


class Encryption(StrEnum):
    """How a mail server is spoken to: by STARTTLS (RFC 3207), in TLS from the start, or in the clear."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Webhook:
    """A notice is POSTed as JSON. ``target``: path and query. ``header`` carries the secret, where there is
    one. ``tls`` None: in the clear. ``only``: the kinds that are told this way. ``timeout`` in seconds: the
    longest silence. ``target`` may be a secret itself."""

    host: str
    port: int
    target: str = field(repr=False)
    only: frozenset[Kind]
    tls: Tls | None = None
    header: str = "Authorization"
    secret: Secret | None = None
    timeout: float = 10.0

    @property
    def encrypted(self) -> Tls | None:
        """How; None: in the clear."""
        return self.tls

    def __str__(self) -> str:
        return f"webhook at {self.host} port {self.port}"


@dataclass(frozen=True, slots=True)
class Mail:
    """A notice is mailed by this server; ``user`` is empty where it wants no login. The rest as `Webhook`."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    only: frozenset[Kind]
    encryption: Encryption = Encryption.STARTTLS
    tls: Tls = field(default_factory=Tls)
    user: str = ""
    password: Secret | None = None
    timeout: float = 10.0

    @property
    def encrypted(self) -> Tls | None:
        """How; None: in the clear."""
        return None if self.encryption is Encryption.NONE else self.tls

    def __str__(self) -> str:
        return f"mail by {self.host} port {self.port}"


@dataclass(frozen=True, slots=True)
class DeadLetterRule:
    """Those that fail within ``gather`` of the first are one alert; when none has failed for ``quiet``, it is
    over."""

    gather: dt.timedelta
    quiet: dt.timedelta


@dataclass(frozen=True, slots=True)
class SilenceRule:
    """No message ``after`` so long, from ``host`` (empty: from anybody), while one of ``windows`` is open."""

    after: dt.timedelta
    host: str = ""
    windows: Windows | None = None


@dataclass(frozen=True, slots=True)
class DiskRule:
    """Free space, below which the disk counts as nearly full: in bytes, or as a share of the disk (0 to 1),
    whichever is not 0."""

    size: int = 0
    share: float = 0.0

    def least(self, total: int) -> int:
        """In bytes, of a disk that has ``total``."""
        return self.size or int(total * self.share)


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """``repeat``: between reminders. ``pause``: the least between two notices of one alert. ``first``,
    ``longest`` and ``give_up``, in seconds: when a notice that did not get through is tried again."""

    ways: tuple[Webhook | Mail, ...]
    dead_letters: DeadLetterRule | None
    breaker: bool
    journal: bool
    silence: tuple[SilenceRule, ...]
    disk: DiskRule | None
    repeat: dt.timedelta
    pause: dt.timedelta
    first: float
    longest: float
    give_up: float
