"""Values to rows and back. What has no column of its own is JSON of the value's dataclass."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Row

from engine.errors import StoreError
from engine.retrieve.outcome import Outcome, SubOperations, TaskStatus
from engine.retrieve.selector import PriorsOfPatient, Selector, Study
from engine.retrieve.task import Choice, Priority, RetrieveRequest, RetrieveTask
from engine.store.criteria import Unlearnt, digest_of, named

_CONFIG = ConfigDict(hide_input_in_errors=True)  # patient data must not get into an error's text
_BY_DIGEST = re.compile('{"criteria":"([0-9a-f]{64})",')
_SELECTOR: TypeAdapter[Selector] = TypeAdapter(
    Annotated[Selector, Field(discriminator="kind")], config=_CONFIG
)
_OUTCOME: TypeAdapter[Outcome | None] = TypeAdapter(Outcome | None, config=_CONFIG)
_COUNTERS: TypeAdapter[SubOperations | None] = TypeAdapter(SubOperations | None, config=_CONFIG)
_CHOICES: TypeAdapter[tuple[Choice, ...]] = TypeAdapter(tuple[Choice, ...], config=_CONFIG)
_TEXTS: TypeAdapter[tuple[str, ...]] = TypeAdapter(tuple[str, ...], config=_CONFIG)

_LONGEST = 400  # characters
NOT_YET = ("missing", "outcome", "choices", "progress", "member_id", "began_at", "expires_at")
"""The columns in which a task has nothing before its first attempt."""


def task_row(
    request: RetrieveRequest, now: dt.datetime, *, message_id: int | None = None, parent_id: int | None = None
) -> dict[str, Any]:
    """The row of a task that waits for its first attempt, without what it has `NOT_YET`, and its number."""
    selector = request.selector
    study = selector if isinstance(selector, Study) else Study("")
    return {
        "message_id": message_id,
        "parent_id": parent_id,
        "routes": all_texts(request.routes),
        "archive": request.archive,
        "destination": request.destination,
        "kind": selector.kind,
        **selector_columns(selector),
        "study_uid": study.study_uid,
        "series_uid": study.series_uid,
        "priority": request.priority.value,
        "status": TaskStatus.SCHEDULED.value,
        "attempts": 0,
        "patient": _bounded(request.patient),
        "instances": request.instances,
        "failures": 0,
        "gate": "",
        "approved": False,
        "expedited": False,
        "reason": "",
        "cause": "",
        "appointment": request.due if request.due is not None and request.due > now else None,
        "due_at": request.due or now,
        "cancel_requested": False,
        "created_at": now,
        "updated_at": now,
    }


def _bounded(patient: str) -> str:
    """As it is, unless it is longer than an index takes: then what is the same is still the same."""
    if len(patient) <= _LONGEST:
        return patient
    return patient[:_LONGEST] + hashlib.sha256(patient.encode("utf-8", "replace")).hexdigest()


END_COLUMNS = ("status", "cause", "reason", "gate", "expires_at", "outcome", "choices", "updated_at")


def end_row(outcome: Outcome, now: dt.datetime, choices: Sequence[Choice] = ()) -> dict[str, Any]:
    """The columns that change when a task ends: `END_COLUMNS`, and ``instances`` where they were counted:
    what was stored is what budgets go by from then on."""
    counters = outcome.counters
    counted = {"instances": (counters.completed or 0) + (counters.warning or 0)} if counters.stated else {}
    return {
        **counted,
        "status": outcome.status.value,
        "cause": outcome.cause.value,
        "reason": "",
        "gate": "",
        "expires_at": None,
        "outcome": outcome_text(outcome),
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
            outcome=outcome_of(row.outcome),
            choices=() if row.choices is None else _CHOICES.validate_json(row.choices),
            reason=row.reason,
            failures=row.failures,
            missing=() if row.missing is None else _TEXTS.validate_json(row.missing),
            approved=row.approved,
            expedited=row.expedited,
            gate=row.gate,
            not_before=row.due_at,
            expires=row.expires_at,
            progress=_progress(row),
        )
    except Unlearnt as exc:
        raise Unlearnt(f"task {row.id} in the journal cannot be understood") from exc
    except (ValidationError, KeyError) as exc:
        raise StoreError(f"task {row.id} in the journal cannot be understood") from exc
    except ValueError as exc:
        raise StoreError(f"task {row.id} in the journal has an unknown status or priority") from exc


def _progress(row: Row[Any]) -> SubOperations | None:
    """Of the attempt under way; what an earlier one has left is of no use."""
    if row.progress is None or row.status != TaskStatus.IN_PROGRESS.value:
        return None
    return _COUNTERS.validate_json(row.progress)


def _request(row: Row[Any]) -> RetrieveRequest:
    return RetrieveRequest(
        selector=_selector(row.selector),
        archive=row.archive,
        destination=row.destination,
        routes=_TEXTS.validate_json(row.routes),
        priority=Priority(row.priority),
        due=row.appointment,
        patient=row.patient,
        instances=row.instances,
    )


def outcome_text(outcome: Outcome) -> str:
    """An outcome as the journal writes it."""
    return _OUTCOME.dump_json(outcome).decode()


def counters_text(counters: SubOperations) -> str:
    """Counters as the journal writes them."""
    return _COUNTERS.dump_json(counters).decode()


def outcome_of(text: str | None) -> Outcome | None:
    """An outcome from the journal."""
    return None if text is None else _OUTCOME.validate_json(text)


def texts(values: Sequence[str]) -> str | None:
    """Several texts in one column; None for none."""
    return all_texts(values) if values else None


def all_texts(values: Sequence[str]) -> str:
    """The same, also where there are none."""
    return _texts(tuple(values))


@lru_cache
def _texts(values: tuple[str, ...]) -> str:
    return _TEXTS.dump_json(values).decode()


def selector_columns(selector: Selector) -> dict[str, Any]:
    """A selector as the journal writes it, and ``alike``, which is the same for alike selectors. What a
    search judges by is named by its digest."""
    if isinstance(selector, PriorsOfPatient):
        others = _SELECTOR.dump_json(selector, exclude={"criteria"})
        text = b'{"criteria":"%b",%b' % (digest_of(selector.criteria).encode(), others[1:])
    else:
        text = _SELECTOR.dump_json(selector)
    return {"selector": text.decode(), "alike": hashlib.sha256(text).digest()}


def _selector(text: str) -> Selector:
    """The other way round. Unlearnt as of `named`."""
    found = _BY_DIGEST.match(text)
    if found is None:
        return _SELECTOR.validate_json(text)
    selector = _SELECTOR.validate_json('{"criteria":{},' + text[found.end() :])
    if not isinstance(selector, PriorsOfPatient):
        raise KeyError(selector.kind)
    return replace(selector, criteria=named(found[1]))
