"""From the outcomes of the series that were moved one by one to one outcome of their study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.dicom.study import total
from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus

_RANK = (TaskStatus.COMPLETED, TaskStatus.WARNING, TaskStatus.FAILED, TaskStatus.CANCELED)


def combine(parts: Mapping[str, Outcome], asked: int) -> Outcome:
    """One outcome of the series that were tried, of ``asked`` that were to be: counters are summed, and the
    worst outcome gives status, cause, comment and cure. Arrived only if every series has.

    A counter that one of the archive's answers left out is unknown in the sum too.
    """
    worst_uid, worst = max(parts.items(), key=lambda part: _badness(part[1]))
    arrived = sum(outcome.arrived for outcome in parts.values())
    counters = SubOperations(
        remaining=total(outcome.counters.remaining for outcome in parts.values()),
        completed=total(outcome.counters.completed for outcome in parts.values()),
        failed=total(outcome.counters.failed for outcome in parts.values()),
        warning=total(outcome.counters.warning for outcome in parts.values()),
    )
    text = f"{arrived} of {asked} missing series arrived"
    if arrived == asked:
        stored = (counters.completed or 0) + (counters.warning or 0)
        text += f", {stored} objects" if counters.completed is not None else ""
        if worst.cause is Cause.STORED_WITH_WARNINGS:
            text += ", some with a warning"
    else:
        text += f"; series {worst_uid}: {worst.text}"
    return replace(
        worst,
        text=text,
        arrived=arrived == asked,
        counters=counters,
        failed_instances=tuple(uid for outcome in parts.values() for uid in outcome.failed_instances),
    )


def _badness(outcome: Outcome) -> tuple[int, bool, bool]:
    return _RANK.index(outcome.status), not outcome.arrived, outcome.cause is not Cause.UNCOUNTED
