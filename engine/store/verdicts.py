"""What each verb does to a task as it stands in the journal, or why it does nothing. docs/operating.md has
it as a table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, func

from engine.retrieve.gate import Gate
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.task import Priority, Verb
from engine.store.rows import end_row, outcome_of
from engine.store.schema import tasks
from engine.store.story import Event

BY_OPERATOR = "operator"
"""The gate of a task that a person holds."""

_SCHEDULED, _HELD = TaskStatus.SCHEDULED.value, TaskStatus.HELD.value
_BY_CONFIGURATION = frozenset({Gate.SWITCH.value, Gate.LISTS.value})
_IN_ITS_TURN = func.coalesce(tasks.c.appointment, tasks.c.created_at)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """What is done to a task. ``values`` are the same for every task, so that many are changed by one
    statement. ``revives``: it had ended; what it came to goes into its story."""

    event: Event
    values: Mapping[str, Any]
    revives: bool = False


Verdict = tuple[Change | None, str]
"""What is done, if anything, and a sentence that says so or why not."""


_FREED = {"gate": "", "reason": "", "expires_at": None}
_ANEW = {
    **_FREED,
    "status": _SCHEDULED,
    "cause": "",
    "outcome": None,
    "choices": None,
    "failures": 0,
    "cancel_requested": False,
    "appointment": None,
    "due_at": tasks.c.created_at,  # before what came later
}
_URGENT = {
    "expedited": True,
    "priority": Priority.STAT.value,
    "appointment": None,
    "due_at": tasks.c.created_at,
}
_CANCELED = Outcome(TaskStatus.CANCELED, Cause.CANCELED, "canceled by an operator")

_RETRY = Change(Event.RETRIED, _ANEW, revives=True)
_RETRY_NOW = Change(Event.RETRIED, {**_FREED, "due_at": tasks.c.created_at})
_STOP = Change(Event.CANCELED, {"cancel_requested": True})
_CANCEL = Change(Event.CANCELED, end_row(_CANCELED, dt.datetime.now(dt.UTC)))
_APPROVE = Change(Event.APPROVED, {**_FREED, "approved": True, "status": _SCHEDULED, "due_at": _IN_ITS_TURN})
_APPROVE_LATE = Change(Event.APPROVED, {**_ANEW, "approved": True}, revives=True)
_APPROVE_AHEAD = Change(Event.APPROVED, {"approved": True})
_HOLD = Change(
    Event.HELD,
    {"status": _HELD, "gate": BY_OPERATOR, "reason": "held by an operator", "expires_at": None},
)
_EXPEDITE = Change(Event.EXPEDITED, {**_URGENT, **_FREED, "status": _SCHEDULED})
_EXPEDITE_HELD = Change(Event.EXPEDITED, _URGENT)


def _retry(row: Row[Any]) -> Verdict:
    """From its end to a new beginning. What it missed is known still."""
    if row.status == _SCHEDULED:
        return (_RETRY_NOW, "is tried again") if row.failures else (None, "waits for its first attempt")
    if row.status == _HELD:
        return None, f"is held ({row.gate}): forefetch approve lets it go"
    if row.status == TaskStatus.IN_PROGRESS.value:
        return None, "is under way"
    if row.kind != "study" and row.status == TaskStatus.COMPLETED.value:
        return None, "was answered: retry what it led to"
    outcome = outcome_of(row.outcome)
    if outcome is not None and outcome.arrived:
        return None, "arrived: forefetch retrieve moves it once more"
    return _RETRY, "is tried again"


def _cancel(row: Row[Any]) -> Verdict:
    """What is under way is stopped on the wire by the engine that carries it out."""
    if row.status in (_SCHEDULED, _HELD):
        return _CANCEL, "is canceled"
    if row.status == TaskStatus.IN_PROGRESS.value:
        stopped = row.cancel_requested
        return (None, "is being stopped already") if stopped else (_STOP, "is being stopped on the wire")
    led_on = row.kind != "study" and row.status == TaskStatus.COMPLETED.value
    return None, f"has ended {row.status}{': cancel what it led to' if led_on else ''}"


def _approve(row: Row[Any]) -> Verdict:
    """For the approval of its route and the budget of its order; what a person holds is let go too."""
    if row.status == _HELD and row.gate in _BY_CONFIGURATION:
        return None, f"no approval opens this gate, {row.gate}: {row.reason}"
    if row.status == _HELD:
        return _APPROVE, "is approved"
    if row.status == TaskStatus.FAILED.value and row.cause == Cause.EXPIRED.value:
        return _APPROVE_LATE, "is approved after its time"
    if row.status != _SCHEDULED or row.kind != "study":
        return None, f"is {row.status}: there is nothing to approve"
    waits = f", and still waits ({row.gate})" if row.gate else ""
    return _APPROVE_AHEAD, f"is approved ahead of time{waits}"


def _hold(row: Row[Any]) -> Verdict:
    if row.status == _HELD and row.gate == BY_OPERATOR:
        return None, "is held by an operator already"
    if row.status in (_SCHEDULED, _HELD):
        return _HOLD, "is held"
    return None, f"is {row.status}: too late to hold it"


def _expedite(row: Row[Any]) -> Verdict:
    """Before all others and at once: no schedule, no window, no rate. Approval and budgets still count."""
    if row.status == _SCHEDULED or (row.status == _HELD and row.gate == BY_OPERATOR):
        return _EXPEDITE, "goes before all others"
    if row.status == _HELD:
        return _EXPEDITE_HELD, f"will go before all others; it is still held ({row.gate})"
    return None, f"is {row.status}: it does not wait"


VERDICTS: Mapping[Verb, Callable[[Row[Any]], Verdict]] = {
    Verb.RETRY: _retry,
    Verb.CANCEL: _cancel,
    Verb.APPROVE: _approve,
    Verb.HOLD: _hold,
    Verb.EXPEDITE: _expedite,
}
