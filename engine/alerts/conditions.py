"""Breakers, the journal and its disk: what makes an alert of them. Pure."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import NamedTuple

from engine.alerts.alert import Alert, Severity
from engine.alerts.ledger import Ledger
from engine.config import Config
from engine.config.alerts import DiskRule, Kind
from engine.events import GateClosed, GateOpened
from engine.place import folder
from engine.retrieve.gate import Gate

JOURNAL, DISK = Kind.JOURNAL.value, Kind.DISK.value
_REFUSED = "free some space; then let engine.retention keep less. When it is full, messages are refused"
_UNAUDITED = (
    "free some space, and see why the collector of audit does not take what waits. When it is full, events "
    "are lost"
)
_ENOUGH = 1.1  # times what was too little: else every message would raise it, and every pruning end it


def breaker_opened(event: GateClosed, ledger: Ledger, now: dt.datetime) -> bool:
    """Whether a closed gate is one of a breaker. Its reason may quote the archive, and is not passed on."""
    if event.gate != Gate.BREAKER:
        return False
    node = f"{event.scope} {event.name}"
    sentence = f"{node} has failed again and again: nothing moves there until it answers"
    cure = (
        "forefetch echo says what is wrong with it; it is asked again by itself, and what waits goes on when "
        "it is back"
    )
    ledger.wrong(Alert(_key(event), Kind.BREAKER, Severity.CRITICAL, sentence, cure), now)
    return True


def breaker_closed(event: GateOpened, ledger: Ledger) -> bool:
    """Whether an opened gate is one of a breaker."""
    if event.gate != Gate.BREAKER:
        return False
    ledger.over(_key(event), f"{event.scope} {event.name} works again; what waited is moving")
    return True


def _key(event: GateClosed | GateOpened) -> str:
    return f"{Kind.BREAKER}:{event.scope}:{event.name}"


def journal_failed(ledger: Ledger, now: dt.datetime) -> None:
    """A transaction could not be written."""
    sentence = "the journal cannot be written: messages are refused (AR), and their senders send them again"
    cure = (
        "look at the space and the rights on the disk of engine.store, or at its database, and in the log of "
        "forefetch serve"
    )
    ledger.wrong(Alert(JOURNAL, Kind.JOURNAL, Severity.CRITICAL, sentence, cure), now)


def journal_written(ledger: Ledger) -> None:
    """One was written again."""
    ledger.over(JOURNAL, "the journal can be written again")


class Disk(NamedTuple):
    """One to be watched: of which ``folder``, what is kept there, and what to do when it fills up."""

    folder: Path
    of: str = "the journal"
    cure: str = _REFUSED


def disk_of(config: Config) -> Disk | None:
    """That of the journal; that of the audit trail's spool where the journal is in a database."""
    journal = folder(config.engine.store)
    if journal is not None:
        return Disk(journal)
    if config.audit is None or config.audit.collector is None:
        return None
    return Disk(Path(config.audit.spool).parent, "the audit trail's spool", _UNAUDITED)


def disk_seen(rule: DiskRule, total: int, free: int, ledger: Ledger, now: dt.datetime, disk: Disk) -> None:
    """A disk has so many bytes, and so many are free."""
    least = rule.least(total)
    space = f"{_size(free)} of {_size(total)} are free"
    if free < least:
        sentence = f"the disk of {disk.of} is nearly full: {space}, the least is {_size(least)}"
        ledger.wrong(Alert(DISK, Kind.DISK, Severity.CRITICAL, sentence, disk.cure), now)
    elif free >= least * _ENOUGH:
        ledger.over(DISK, f"the disk of {disk.of} has room again: {space}")


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
