"""How things are called on the pages. What has a colour has a shape and a word too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.retrieve.outcome import Cause, TaskStatus
from engine.retrieve.task import RetrieveTask, Verb


class Word(NamedTuple):
    """``tone``: a colour of the style sheet; ``icon``: a symbol of base.html."""

    text: str
    tone: str
    icon: str


STATUSES: Mapping[TaskStatus, Word] = {
    TaskStatus.IN_PROGRESS: Word("In progress", "move", "arrow"),
    TaskStatus.SCHEDULED: Word("Scheduled", "wait", "clock"),
    TaskStatus.HELD: Word("Held", "held", "pause"),
    TaskStatus.FAILED: Word("Failed", "bad", "cross"),
    TaskStatus.WARNING: Word("Warning", "warn", "triangle"),
    TaskStatus.COMPLETED: Word("Completed", "good", "check"),
    TaskStatus.CANCELED: Word("Canceled", "off", "slash"),
}
"""In the order in which somebody on call wants to know."""

_ANSWERS = {
    "AA": Word("accepted", "good", "check"),
    "CA": Word("kept", "good", "check"),
    "AE": Word("error", "bad", "cross"),
    "CE": Word("error", "bad", "cross"),
    "AR": Word("rejected", "bad", "slash"),
    "CR": Word("rejected", "bad", "slash"),
}
_NOT_YET = Word("not answered yet", "wait", "clock")


def answer(code: str | None) -> Word:
    """What an acknowledgment code (HL7 table 0008) says."""
    return _ANSWERS.get(code or "", _NOT_YET)


class Deed(NamedTuple):
    """What a person can do to tasks: on the button, and what comes of it."""

    verb: Verb
    text: str
    consequence: str
    danger: bool = False


DEEDS: Mapping[Verb, Deed] = {
    deed.verb: deed
    for deed in (
        Deed(
            Verb.APPROVE,
            "Approve",
            "What waits for approval, for the budget of its order or because a person holds it may go. "
            "Windows, breakers and limits still count.",
        ),
        Deed(
            Verb.HOLD,
            "Hold",
            "What waits is held until a person approves it. What is under way goes on.",
        ),
        Deed(
            Verb.RETRY,
            "Retry",
            "What has failed, arrived in part or was canceled is tried again from the beginning; "
            "what waits for another attempt goes at once.",
        ),
        Deed(
            Verb.EXPEDITE,
            "Expedite",
            "It goes before all others and at once: no appointment, window or rate holds it. "
            "Approvals and budgets still count.",
        ),
        Deed(
            Verb.CANCEL,
            "Cancel",
            "What waits ends as canceled, for every message that waits for it. "
            "What is under way is stopped at the archive (C-CANCEL).",
            danger=True,
        ),
    )
}


_CAN = {
    TaskStatus.SCHEDULED: {Verb.APPROVE, Verb.HOLD, Verb.RETRY, Verb.EXPEDITE, Verb.CANCEL},
    TaskStatus.HELD: {Verb.APPROVE, Verb.HOLD, Verb.EXPEDITE, Verb.CANCEL},
    TaskStatus.IN_PROGRESS: {Verb.CANCEL},
    TaskStatus.WARNING: {Verb.RETRY},
    TaskStatus.FAILED: {Verb.APPROVE, Verb.RETRY},
    TaskStatus.CANCELED: {Verb.RETRY},
}


def deeds_for(task: RetrieveTask) -> list[Deed]:
    """What is worth a button; whether it can be done, the journal decides."""
    can = set(_CAN.get(task.status, ()))
    if task.status is TaskStatus.FAILED and task.outcome is not None:
        can -= set() if task.outcome.cause is Cause.EXPIRED else {Verb.APPROVE}
    if task.status is TaskStatus.SCHEDULED and not task.failures:
        can -= {Verb.RETRY}
    return [deed for verb, deed in DEEDS.items() if verb in can]


class Progress(NamedTuple):
    """Objects of a move under way. ``total`` None: the archive does not say how many there are."""

    done: int
    total: int | None
    failed: int


def progress_of(task: RetrieveTask) -> Progress | None:
    """How far the attempt under way has come, as far as the archive has counted."""
    counters = task.progress
    if task.status is not TaskStatus.IN_PROGRESS or counters is None or not counters.stated:
        return None
    failed = counters.failed or 0
    done = (counters.completed or 0) + (counters.warning or 0) + failed
    return Progress(done, None if counters.remaining is None else done + counters.remaining, failed)


def number(count: int) -> str:
    """``12,345``."""
    return f"{count:,}"


def plural(count: int, one: str, many: str = "") -> str:
    """``1 task``, ``2 tasks``."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def size(octets: int) -> str:
    """``812 B``, ``3.4 kB``."""
    if octets < 1000:
        return f"{octets} B"
    return f"{octets / 1000:.1f} kB" if octets < 1_000_000 else f"{octets / 1_000_000:.1f} MB"


def seconds(value: float) -> str:
    """``12 ms``, ``3.4 s``."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
