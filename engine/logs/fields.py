"""What a line is about, apart from its sentence: for those who search logs by message or by task."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypedDict, Unpack


class Fields(TypedDict, total=False):
    """Numbers of the journal, names of routes.yaml, words of ours. Nothing of a patient: no ID, accession
    number, UID, or text that a message or an archive brought.

    ``message``, ``task``, ``letter``: numbers in the journal; ``tasks``: those that a message has made, or
    has taken back; ``peer``: an address; ``type``: MSH-9; ``ack``: MSA-1; ``until``: a
    time; ``counters``: the sub-operations of a C-MOVE that the archive has stated.
    """

    message: int
    task: int
    letter: int
    tasks: Sequence[int]
    routes: Sequence[str]
    archive: str
    destination: str
    peer: str
    type: str
    ack: str
    status: str
    cause: str
    gate: str
    attempt: int
    until: str
    counters: Mapping[str, int]


class Extra(TypedDict):
    """For ``extra`` of logging: one attribute of the record, which clashes with none of its own."""

    fields: dict[str, Any]


AROUND: ContextVar[Fields | None] = ContextVar("around", default=None)
"""What `concerning` says here and now."""


def about(step: str, **fields: Unpack[Fields]) -> Extra:
    """The fields of one line. ``step`` is a word for what has happened, such as ``kept``."""
    return {"fields": {"step": step, **fields}}


@contextmanager
def concerning(**fields: Unpack[Fields]) -> Iterator[None]:
    """What every line is about that this thread logs meanwhile, whoever logs it."""
    before = AROUND.set(fields)
    try:
        yield
    finally:
        AROUND.reset(before)


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """Its own, and what `concerning` says."""
    own: Mapping[str, Any] = record.__dict__.get("fields", {})
    outer = AROUND.get()
    return {**outer, **own} if outer else own
