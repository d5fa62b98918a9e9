"""Conditions on the fields of a message, and checks that show their working.

A path without a number names each repetition and each occurrence; a condition holds when any of the values
satisfies it. ``not`` therefore means that none does.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from engine.hl7.encoding import NULL, parse_time
from engine.hl7.message import Located, Message
from engine.hl7.path import FieldPath

_DAY = len("YYYYMMDD")


@dataclass(frozen=True, slots=True)
class OneOf:
    """``equals`` and ``in``: the whole value, case counts."""

    path: FieldPath
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path} is {' or '.join(map(repr, self.values))}"


@dataclass(frozen=True, slots=True)
class Matches:
    """``regex``: the pattern matches the whole value (Python syntax)."""

    path: FieldPath
    pattern: re.Pattern[str]

    def __str__(self) -> str:
        return f"{self.path} matches {self.pattern.pattern!r}"


@dataclass(frozen=True, slots=True)
class Exists:
    """``exists``: some value is there, HL7 null (``""``) not counted; or, with ``wanted`` false, none is."""

    path: FieldPath
    wanted: bool

    def __str__(self) -> str:
        return f"{self.path} is {'present' if self.wanted else 'absent'}"


@dataclass(frozen=True, slots=True)
class Moment:
    """A bound of a date condition: an absolute time, or an offset from now."""

    text: str
    absolute: dt.datetime | None = None
    offset: dt.timedelta = dt.timedelta()

    def at(self, now: dt.datetime) -> dt.datetime:
        if self.absolute is None:
            return now + self.offset
        return self.absolute if self.absolute.tzinfo else self.absolute.replace(tzinfo=now.tzinfo)


@dataclass(frozen=True, slots=True)
class Dated:
    """``date``: the value is an HL7 time not before ``after`` and not later than ``before``."""

    path: FieldPath
    after: Moment | None
    before: Moment | None

    def __str__(self) -> str:
        bounds = [f"after {self.after.text}"] if self.after else []
        bounds += [f"before {self.before.text}"] if self.before else []
        return f"{self.path} is a date {' and '.join(bounds)}"


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


Condition = OneOf | Matches | Exists | Dated | Not | All | AnyOf


class Check(NamedTuple):
    """One condition on one message: did it hold, what was asked, what stood there."""

    held: bool
    text: str
    found: tuple[Located, ...] = ()
    parts: tuple[Check, ...] = ()


def check(condition: Condition, message: Message, now: dt.datetime) -> Check:
    """Evaluate every part (no short cut: an explanation shows all of them). ``now`` is aware."""
    match condition:
        case Not(part):
            inner = check(part, message, now)
            return Check(not inner.held, "not", parts=(inner,))
        case All(parts):
            checks = tuple(check(part, message, now) for part in parts)
            return Check(all(each.held for each in checks), "all of", parts=checks)
        case AnyOf(parts):
            checks = tuple(check(part, message, now) for part in parts)
            return Check(any(each.held for each in checks), "any of", parts=checks)
        case Exists(path, wanted):
            found = message.values(path)
            present = any(value.text != NULL for value in found)
            return Check(present is wanted, _asked(condition), found)
        case _:
            found = message.values(condition.path)
            return Check(any(_holds(condition, value.text, now) for value in found), _asked(condition), found)


@lru_cache(maxsize=4096)
def _asked(condition: OneOf | Matches | Exists | Dated) -> str:
    return str(condition)


def _holds(condition: OneOf | Matches | Dated, text: str, now: dt.datetime) -> bool:
    match condition:
        case OneOf(_, values):
            return text in values
        case Matches(_, pattern):
            return pattern.fullmatch(text) is not None
        case Dated(_, after, before):
            time = parse_time(text, now.tzinfo or dt.UTC)
            return time is not None and _within(time, len(text) <= _DAY, after, before, now)


def _within(
    time: dt.datetime, whole_day: bool, after: Moment | None, before: Moment | None, now: dt.datetime
) -> bool:
    """A value without a time of day is compared by its day: today is not before now."""
    bounds = (bound.at(now) if bound is not None else None for bound in (after, before))
    low, high = (_day(bound) if bound is not None and whole_day else bound for bound in bounds)
    return (low is None or time >= low) and (high is None or time <= high)


def _day(time: dt.datetime) -> dt.datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)
