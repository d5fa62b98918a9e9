"""Filters from the address of a page, and back into one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.exceptions import HTTPException

from engine.retrieve.outcome import TaskStatus
from engine.store.browse import MessageFilter, TaskFilter

_LARGEST = 2**63 - 1  # a number that SQLite can keep
_TIMES = ("since", "until")
_MESSAGE_TEXTS = (
    "message_type",
    "application",
    "facility",
    "control_id",
    "patient",
    "accession",
    "ack_code",
    "peer",
)
_TASK_TEXTS = ("route", "archive", "destination", "study", "patient", "order", "accession", "control_id")


def message_filter(query: QueryParams, zone: dt.tzinfo) -> MessageFilter:
    """HTTPException 400, with a sentence, for what is no time."""
    texts = {name: query.get(name, "").strip() for name in _MESSAGE_TEXTS}
    texts["ack_code"] = texts["ack_code"].upper()
    since, until = (_time(query.get(name, ""), name, zone) for name in _TIMES)
    return MessageFilter(since=since, until=until, **texts)


def task_filter(query: QueryParams, zone: dt.tzinfo) -> TaskFilter:
    """HTTPException 400, with a sentence, for what is no time or no status."""
    texts = {name: query.get(name, "").strip() for name in _TASK_TEXTS}
    since, until = (_time(query.get(name, ""), name, zone) for name in _TIMES)
    return TaskFilter(statuses=_statuses(query.getlist("status")), since=since, until=until, **texts)


def _statuses(words: Iterable[str]) -> tuple[TaskStatus, ...]:
    try:
        return tuple(dict.fromkeys(TaskStatus(word.upper()) for word in words if word))
    except ValueError as error:
        raise HTTPException(400, f"status: one of {', '.join(TaskStatus)}") from error


def _time(text: str, name: str, zone: dt.tzinfo) -> dt.datetime | None:
    """A time with an offset, or of the clock in ``zone``."""
    if not text.strip():
        return None
    try:
        time = dt.datetime.fromisoformat(text.strip())
        time = time if time.tzinfo is not None else time.replace(tzinfo=zone)
        for told in (dt.UTC, zone):  # as the journal has it, and as the page
            time.astimezone(told)
    except (ValueError, OverflowError) as error:
        raise HTTPException(400, f"{name}: a time such as 2026-11-24T08:00") from error
    return time


def row_number(text: str | None) -> int | None:
    """The number of a message or task; None where nothing is given. HTTPException 404 for what is none."""
    if not text:
        return None
    if not (is_number(text) and 0 < int(text) <= _LARGEST):
        raise HTTPException(404, f"{text[:20]!r} is no number of a message or a task")
    return int(text)


def is_number(text: str) -> bool:
    """Whether it is one, of at most 20 digits: whoever asks can make it any length."""
    return len(text) <= 20 and text.isascii() and text.isdigit()


def address_of(chosen: MessageFilter | TaskFilter, **more: int | None) -> str:
    """The query that gives this filter, such as ``?status=FAILED&before=4711``; empty for none."""
    pairs: list[tuple[str, str]] = []
    for name, value in chosen._asdict().items():
        if name == "statuses":
            pairs += [("status", str(status)) for status in value]
        elif isinstance(value, dt.datetime):
            pairs.append((name, value.isoformat()))
        elif value:
            pairs.append((name, value))
    pairs += [(name, str(value)) for name, value in more.items() if value is not None]
    return f"?{urlencode(pairs)}" if pairs else ""


def as_typed(time: dt.datetime | None, zone: dt.tzinfo) -> str:
    """As an input of the type datetime-local has it."""
    return "" if time is None else f"{time.astimezone(zone):%Y-%m-%dT%H:%M}"
