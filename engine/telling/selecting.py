"""Which tasks are meant, in words as people give them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from engine.errors import ForefetchError
from engine.retrieve.duration import parse_duration
from engine.retrieve.outcome import Cause, TaskStatus
from engine.store import Selection

HOLDING = ("approval", "budget", "operator", "switch", "lists")
"""The gates that hold a task."""


class SelectionError(ForefetchError):
    """A word that is none. ``condition`` is the name of the condition; ``expected`` says what it may be."""

    def __init__(self, condition: str, expected: str) -> None:
        self.condition = condition
        self.expected = expected
        super().__init__(f"{condition}: {expected}")


def selection_of(
    *,
    status: Sequence[str] = (),
    cause: Sequence[str] = (),
    gate: Sequence[str] = (),
    message: int | None = None,
    route: str | None = None,
    archive: str | None = None,
    destination: str | None = None,
    since: str | None = None,
) -> Selection:
    """What the words select; of gates, among those that are HELD. SelectionError for a word that is none."""
    statuses = tuple(TaskStatus(word) for word in _words(status, TaskStatus, "status"))
    gates = tuple(_words(gate, HOLDING, "gate"))
    if gates and not statuses:
        statuses = (TaskStatus.HELD,)
    return Selection(
        statuses=statuses,
        causes=tuple(Cause(word) for word in _words(cause, Cause, "cause")),
        gates=gates,
        message_id=message,
        route=route,
        archive=archive,
        destination=destination,
        since=_since(since),
    )


def _words(given: Sequence[str], known: Iterable[str], condition: str) -> list[str]:
    """The words as they are written here, whatever case they were typed in."""
    spelled = {word.lower(): word for word in map(str, known)}
    try:
        return [spelled[word.lower()] for word in given]
    except KeyError as error:
        raise SelectionError(condition, f"one of {', '.join(spelled.values())}") from error


def _since(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return dt.datetime.now(dt.UTC) - parse_duration(text)
    except ValueError as error:
        raise SelectionError("since", str(error)) from error
