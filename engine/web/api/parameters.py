"""What calls are asked with: filters, times and pages."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from engine.retrieve.duration import parse_duration
from engine.retrieve.outcome import TaskStatus
from engine.store.browse import MessageFilter, TaskFilter
from engine.web.api.operation import LARGEST

MOST_LISTED = 500
_PLUS = re.compile(r" (?=\d\d:?\d\d$)")  # of a zone, as a query that was not encoded has it
_NO_TIME = (
    "a time with its zone, such as 2026-11-24T08:00:00Z or 2026-11-24T09:00:00%2B01:00, or how long ago, "
    "such as 12h or 3d"
)


def _instant(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return dt.datetime.now(dt.UTC) - parse_duration(value)
    except (ValueError, OverflowError):
        pass
    try:
        time = dt.datetime.fromisoformat(_PLUS.sub("+", value))
        in_utc = time.astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(_NO_TIME) from error
    if time.tzinfo is None:
        raise ValueError(_NO_TIME)
    return in_utc


def _statuses(value: Any) -> Any:
    if not isinstance(value, str | list):
        return value
    words = [value] if isinstance(value, str) else value
    return [part.strip().upper() for word in words for part in str(word).split(",")]


Instant = Annotated[
    dt.datetime, BeforeValidator(_instant), WithJsonSchema({"type": "string", "examples": ["12h"]})
]
Statuses = Annotated[list[TaskStatus], BeforeValidator(_statuses)]
Number = Annotated[int, Field(ge=1, le=LARGEST)]


class Parameters(BaseModel):
    """A misspelled one is refused: a filter that is not heard would select too much."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Paged(Parameters):
    """A page of a list, newest first."""

    before: Number | None = Field(None, description="Those with a number less than this; see next")
    limit: int = Field(50, ge=1, le=MOST_LISTED, description=f"At most so many, 1 to {MOST_LISTED}")


class MessageQuery(Parameters):
    """Which messages. All that is given has to hold."""

    since: Instant | None = Field(None, description="Came then or later: a time with its zone, or 12h ago")
    until: Instant | None = Field(None, description="Came before then")
    message_type: str = Field("", description="MSH-9, such as ORM^O01; ORM is any ORM")
    application: str = Field("", description="Sending application, MSH-3 or its first component")
    facility: str = Field("", description="Sending facility, MSH-4 or its first component")
    control_id: str = Field("", description="Message control ID, MSH-10")
    patient: str = Field("", description="A patient ID that it names (PID-2, PID-3, PID-4, MRG-1)")
    accession: str = Field("", description="An accession number that it orders (OBR-18, IPC-1, ORC-3, OBR-3)")
    ack_code: str = Field("", description="MSA-1 of its acknowledgment, such as AE")
    peer: str = Field("", description="Where it came from: a host, or host:port")

    def filter(self) -> MessageFilter:
        """For the journal."""
        return MessageFilter(**{name: getattr(self, name) for name in MessageFilter._fields})


class MessagePageQuery(MessageQuery, Paged):
    """A page of these messages."""


class TaskQuery(Parameters):
    """Which tasks. All that is given has to hold."""

    status: Statuses = Field([], description="Any of these, such as FAILED,HELD")
    route: str = Field("", description="A route that asks for it")
    archive: str = Field("", description="From this archive, by its name in the routes file")
    destination: str = Field("", description="To this destination, by its name")
    study: str = Field("", description="Study Instance UID")
    patient: str = Field("", description="Patient ID, with or without ^ and its authority")
    order: str = Field("", description="Number of the placer or filler of the order, or of the visit")
    accession: str = Field("", description="An accession number that its message orders")
    control_id: str = Field("", description="MSH-10 of a message that asks for it")
    since: Instant | None = Field(None, description="Made then or later: a time with its zone, or 12h ago")
    until: Instant | None = Field(None, description="Made before then")

    def filter(self) -> TaskFilter:
        """For the journal."""
        same = {name: getattr(self, name) for name in TaskFilter._fields if name != "statuses"}
        return TaskFilter(statuses=tuple(self.status), **same)


class TaskPageQuery(TaskQuery, Paged):
    """A page of these tasks."""
