"""Samples for the tests of the journal."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.selector import PriorCriteria, PriorsOfPatient, Selector, Study
from engine.retrieve.task import Priority, RetrieveRequest
from engine.store import NewMessage, Store
from engine.store.dialect import open_engine

RECEIVED = dt.datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=dt.timezone(dt.timedelta(hours=2)))
ARRIVED = Outcome(TaskStatus.COMPLETED, Cause.ARRIVED, "3 objects arrived", arrived=True)
FAILED = Outcome(TaskStatus.FAILED, Cause.UNREACHABLE, "no connection", cure="check host and port")
CANCELED = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "the operator stopped it")
RESOLVED = Outcome(TaskStatus.COMPLETED, Cause.RESOLVED, "2 of 3 studies taken")
PRIORS = PriorsOfPatient("4711", PriorCriteria(), dt.date(2024, 5, 6))

on_sqlite_alone = pytest.mark.parametrize("where", ["sqlite"], indirect=True)
"""For many cases of one piece of Python, which another test has seen to work on PostgreSQL."""


def request(
    selector: Selector | str = "1.2.3",
    *,
    archive: str = "pacs",
    destination: str = "ws",
    routes: tuple[str, ...] = ("orders",),
    priority: Priority = Priority.MEDIUM,
    due: dt.datetime | None = None,
) -> RetrieveRequest:
    """A request, for one whole study where only a UID is given."""
    what = Study(selector) if isinstance(selector, str) else selector
    return RetrieveRequest(what, archive, destination, routes, priority, due)


def message(number: object, *requests: RetrieveRequest, **changes: Any) -> NewMessage:
    """A message whose fingerprint is made from ``number``."""
    fields: dict[str, Any] = {
        "received_at": RECEIVED,
        "peer": "127.0.0.1:50123",
        "fingerprint": hashlib.sha256(repr(number).encode()).digest(),
        "sending_application": "RIS",
        "sending_facility": "HOSPITAL",
        "control_id": str(number),
        "message_type": "ORM^O01",
        "version": "2.5.1",
        "raw": b"MSH|^~\\&|RIS|HOSPITAL\r\x00\xff",
        "decision": '{"routes": []}',
        "requests": requests,
    }
    return NewMessage(**(fields | changes))


@asynccontextmanager
async def opened(where: str | Path) -> AsyncIterator[Store]:
    """A journal that is closed in the end."""
    store = Store.open(where)
    try:
        yield store
    finally:
        await store.close()


def execute(where: str | Path, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """What another program does to a journal, in a transaction; its rows, none where it returns nothing."""
    with open_engine(where).connect() as connection, connection.begin():
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []
