"""Whether images are moving, and why not."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from engine.errors import StoreError
from engine.metrics import Minute
from engine.retrieve.gate import SWITCH_REASON, Gate
from engine.retrieve.outcome import TaskStatus
from engine.store import Closure
from engine.telling.engines import troubles
from engine.waiting import RETRY, SCHEDULE, Hold, Line, local
from engine.web.pages.situation import Situation
from engine.web.pages.wording import plural

_LATELY = 5  # minutes
_LONG = dt.timedelta(minutes=10)  # that a retrieve may be under way while nothing arrives
_SILENT = 10  # minutes without a message that are worth a word
_LASTING = frozenset({Gate.WINDOW.value, Gate.BREAKER.value})  # closed to all, and not just for a moment
_PATIENT = frozenset({Gate.WINDOW.value, Gate.RATE.value, Gate.CONCURRENCY.value, RETRY})


class Verdict(NamedTuple):
    """``word`` in large letters, ``why`` in a sentence, ``notes`` on what else does not go as it should."""

    tone: str
    icon: str
    word: str
    why: str
    notes: tuple[str, ...] = ()


STOPPING = Verdict(
    "warn", "pause", "Stopping", "Forefetch takes nothing new any more, and lets what is under way end"
)


def unknown(error: Exception) -> Verdict:
    """Where it cannot be told. What is in the text of a fault of ours nobody knows."""
    why = str(error) if isinstance(error, StoreError) else "a fault of Forefetch itself; its log says where"
    return Verdict("bad", "cross", "Not known", why)


def judge(seen: Situation, minutes: Sequence[Minute]) -> Verdict:
    """``minutes``: the one that runs last."""
    return _judge(seen, minutes)._replace(notes=tuple(dict.fromkeys(_notes(seen, minutes))))


def _judge(seen: Situation, minutes: Sequence[Minute]) -> Verdict:
    running = seen.counts.get(TaskStatus.IN_PROGRESS, 0)
    arrived = sum(minute.arrived for minute in minutes[-_LATELY:])
    failed = sum(minute.failed for minute in minutes[-_LATELY:])
    if not seen.switched_on:
        return Verdict("bad", "cross", "Not moving", SWITCH_REASON)
    if seen.dry_run:
        return Verdict("warn", "triangle", "Dry run", "nothing is moved; gate.mode in routes.yaml says so")
    if failed and not arrived:
        return Verdict("bad", "cross", "Not moving", _failing(failed, running))
    if running and not arrived and _is_stuck(seen):
        return Verdict("warn", "triangle", "Slow or stuck", _stuck(running))
    if running or (arrived and not _is_shut_off(seen)):
        return _moving(seen, running, arrived)
    return _at_rest(seen, minutes)


def _is_stuck(seen: Situation) -> bool:
    """Whether all that is under way began long ago."""
    return bool(seen.under_way) and all(seen.at - task.updated >= _LONG for task in seen.under_way)


def _stuck(running: int) -> str:
    minutes = _LONG // dt.timedelta(minutes=1)
    return f"{running} under way for {minutes} minutes or more, and nothing has arrived in the last {_LATELY}"


def _is_shut_off(seen: Situation) -> bool:
    """Whether of what waits nothing can go, whatever has arrived before."""
    due = [line.hold for line in seen.waiting if line.hold is None or _is_shut(line.hold)]
    return bool(due) and all(hold is not None and hold.gate in _LASTING for hold in due)


def _failing(failed: int, running: int) -> str:
    tries = f"; {running} under way" if running else ""
    moves = plural(failed, "move")
    return f"{moves} failed in the last {_LATELY} minutes and nothing has arrived{tries}"


def _moving(seen: Situation, running: int, arrived: int) -> Verdict:
    told = [f"{running} under way"] if running else []
    told += (
        [f"{plural(arrived, 'study', 'studies')} arrived in the last {_LATELY} minutes"] if arrived else []
    )
    if any(closure.gate == Gate.BREAKER.value for closure in seen.standing.closures):
        return Verdict("warn", "triangle", "Moving in part", ", ".join(told))
    return Verdict("good", "arrow", "Moving", ", ".join(told))


def _at_rest(seen: Situation, minutes: Sequence[Minute]) -> Verdict:
    """Nothing is under way and nothing has arrived lately."""
    shut = [line for line in seen.waiting if _is_shut(line.hold)]
    if shut:
        first = max(shut, key=lambda line: line.count)
        patient = all(line.hold is not None and line.hold.gate in _PATIENT for line in shut)
        tone, icon = ("warn", "pause") if patient else ("bad", "cross")
        return Verdict(tone, icon, "Not moving", _line(first, seen))
    breaker = next((it for it in seen.standing.closures if it.gate == Gate.BREAKER.value), None)
    if breaker is not None:
        return Verdict("bad", "cross", "Not moving", _closure(breaker, seen))
    ready = sum(line.count for line in seen.waiting if line.hold is None)
    if ready:
        return Verdict("move", "arrow", "Starting", f"{plural(ready, 'retrieve')} about to begin")
    held = sum(line.count for line in seen.waiting if line.hold is not None and line.hold.held)
    if held:
        why = f"{plural(held, 'retrieve')} {'waits' if held == 1 else 'wait'} for a person"
        return Verdict("warn", "pause", "Held", f"{why}; {_last_message(seen, minutes)}")
    later = sum(line.count for line in seen.waiting)
    waits = f"{plural(later, 'retrieve')} for later" if later else "nothing waits to be moved"
    return Verdict("idle", "ring", "Idle", f"{waits}; {_last_message(seen, minutes)}")


def _is_shut(hold: Hold | None) -> bool:
    return hold is not None and not hold.held and hold.gate != SCHEDULE


def _notes(seen: Situation, minutes: Sequence[Minute]) -> Iterator[str]:
    yield from troubles(seen.engines)
    for closure in seen.standing.closures:
        yield _closure(closure, seen)
    for line in seen.waiting:
        if line.hold is not None and line.hold.gate != SCHEDULE:
            yield _line(line, seen)
    silence = _silence(seen, minutes)
    if silence is not None and silence >= _SILENT:
        yield _last_message(seen, minutes)


def _closure(closure: Closure, seen: Situation) -> str:
    until = f", until {local(closure.until, seen.at.tzinfo)}" if closure.until is not None else ""
    return f"{closure.scope} {closure.name} is closed ({closure.gate}): {closure.reason}{until}"


def _line(line: Line, seen: Situation) -> str:
    assert line.hold is not None
    verb = "held" if line.hold.held else "waits" if line.count == 1 else "wait"
    return f"{line.count} {verb}: {line.hold.told(seen.at.tzinfo)}"


def _silence(seen: Situation, minutes: Sequence[Minute]) -> int | None:
    """Minutes since the last message, kept or refused; None: none has come yet, as far as is known."""
    counted = (ago for ago, minute in enumerate(reversed(minutes)) if minute.messages)
    kept = [] if seen.last_message is None else [int((seen.at - seen.last_message).total_seconds() // 60)]
    ago = [*itertools.islice(counted, 1), *(it for it in kept if it >= 0)]  # unless a clock was put back
    return min(ago, default=None)


def _last_message(seen: Situation, minutes: Sequence[Minute]) -> str:
    silence = _silence(seen, minutes)
    if silence is None:
        return "no message has come yet"
    if silence < 1:
        return "messages come in"
    ago = plural(silence, "minute") if silence < 120 else plural(silence // 60, "hour")
    return f"the last message came {ago} ago"
