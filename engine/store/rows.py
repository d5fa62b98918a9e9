"""Values to rows and back. What has no column of its own is JSON of the value's dataclass."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Row

from engine.errors import StoreError
from engine.retrieve.outcome import Outcome, TaskStatus
from engine.retrieve.selector import Selector, Study
from engine.retrieve.task import Choice, Priority, RetrieveRequest, RetrieveTask

_CONFIG = ConfigDict(hide_input_in_errors=True)  # patient data must not get into an error's text
_SELECTOR: TypeAdapter[Selector] = TypeAdapter(
    Annotated[Selector, Field(discriminator="kind")], config=_CONFIG
)
_OUTCOME: TypeAdapter[Outcome | None] = TypeAdapter(Outcome | None, config=_CONFIG)
_CHOICES: TypeAdapter[tuple[Choice, ...]] = TypeAdapter(tuple[Choice, ...], config=_CONFIG)
_ROUTES: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[str, ...], config=_CONFIG)


def task_row(
    request: RetrieveRequest, now: dt.datetime, *, message_id: int | None = None, parent_id: int | None = None
) -> dict[str, Any]:
    """The row of a task that waits for its first attempt."""
    selector = request.selector
    study = selector if isinstance(selector, Study) else Study("")
    return {
        "message_id": message_id,
        "parent_id": parent_id,
        "routes": _ROUTES.dump_json(request.routes).decode(),
        "archive": request.archive,
        "destination": request.destination,
        "kind": selector.kind,
        "selector": selector_text(selector),
        "study_uid": study.study_uid,
        "series_uid": study.series_uid,
        "priority": request.priority.value,
        "status": TaskStatus.SCHEDULED.value,
        "attempts": 0,
        "reason": "",
        "cause": "",
        "due_at": request.due or now,
        "cancel_requested": False,
        "created_at": now,
        "updated_at": now,
    }


def end_row(outcome: Outcome, now: dt.datetime, choices: Sequence[Choice] = ()) -> dict[str, Any]:
    """The columns that change when a task ends."""
    return {
        "status": outcome.status.value,
        "cause": outcome.cause.value,
        "reason": "",
        "outcome": _OUTCOME.dump_json(outcome).decode(),
        "choices": _CHOICES.dump_json(tuple(choices)).decode() if choices else None,
        "updated_at": now,
    }


def task(row: Row[Any]) -> RetrieveTask:
    """The task in a row of `tasks`; StoreError where the row cannot be understood."""
    try:
        return RetrieveTask(
            id=row.id,
            request=_request(row),
            status=TaskStatus(row.status),
            created=row.created_at,
            updated=row.updated_at,
            message_id=row.message_id,
            parent_id=row.parent_id,
            attempts=row.attempts,
            outcome=None if row.outcome is None else _OUTCOME.validate_json(row.outcome),
            choices=() if row.choices is None else _CHOICES.validate_json(row.choices),
            reason=row.reason,
        )
    except ValidationError as exc:
        raise StoreError(f"task {row.id} in the journal cannot be understood") from exc
    except ValueError as exc:
        raise StoreError(f"task {row.id} in the journal has an unknown status or priority") from exc


def _request(row: Row[Any]) -> RetrieveRequest:
    return RetrieveRequest(
        selector=_SELECTOR.validate_json(row.selector),
        archive=row.archive,
        destination=row.destination,
        routes=_ROUTES.validate_json(row.routes),
        priority=Priority(row.priority),
        due=row.due_at if row.due_at > row.created_at else None,
    )


def selector_text(selector: Selector) -> str:
    """A selector as the journal writes it: alike selectors are alike texts."""
    return _SELECTOR.dump_json(selector).decode()
