"""One outcome of several series: sums, the worst, and never more than is known."""

from __future__ import annotations

import pytest

from engine.errors import NodeTimeout
from engine.retrieve.outcome import Cause, MoveResponse, Outcome, SubOperations, TaskStatus, failure, judge
from engine.retrieve.parts import combine


def moved(
    status: int, completed: int | None, failed: int | None = 0, warning: int | None = 0, *uids: str
) -> Outcome:
    return judge(MoveResponse(status, SubOperations(0, completed, failed, warning), "comment", uids))


THREE, FOUR = moved(0x0000, 3), moved(0x0000, 4)
CHANGED = moved(0x0000, 1, 0, 1)
SOME = moved(0xB000, 2, 1, 0, "1.9")
REFUSED = moved(0xA702, 0, 5)
CANCELED = judge(MoveResponse(0xFE00))


def test_all_series_arrived_is_an_arrival_with_the_sum() -> None:
    whole = combine({"1": THREE, "2": FOUR}, 2)
    assert (whole.status, whole.cause, whole.arrived) == (TaskStatus.COMPLETED, Cause.ARRIVED, True)
    assert whole.text == "2 of 2 missing series arrived, 7 objects"
    assert whole.counters == SubOperations(0, 7, 0, 0)


def test_a_warning_stays_a_warning_and_an_arrival() -> None:
    whole = combine({"1": THREE, "2": CHANGED}, 2)
    assert (whole.status, whole.cause) == (TaskStatus.WARNING, Cause.STORED_WITH_WARNINGS)
    assert whole.arrived
    assert whole.text == "2 of 2 missing series arrived, 5 objects, some with a warning"


@pytest.mark.parametrize(
    ("parts", "cause"),
    [
        ((THREE, SOME), Cause.SOME_FAILED),
        ((CHANGED, SOME), Cause.SOME_FAILED),
        ((SOME, REFUSED), Cause.CANNOT_PERFORM),
        ((REFUSED, THREE), Cause.CANNOT_PERFORM),
        ((THREE, failure(NodeTimeout("a", "silence"))), Cause.TIMED_OUT),
        ((REFUSED, CANCELED), Cause.CANCELED),
        ((moved(0x0000, None, None, None), THREE), Cause.UNCOUNTED),
        ((moved(0x0000, None), SOME), Cause.SOME_FAILED),
    ],
)
def test_the_worst_counts_and_nothing_has_arrived(parts: tuple[Outcome, Outcome], cause: Cause) -> None:
    whole = combine(dict(zip("12", parts, strict=True)), 2)
    worst = next(part for part in parts if part.cause is cause)
    assert (whole.cause, whole.status, whole.arrived) == (cause, worst.status, False)
    assert (whole.dicom_status, whole.comment, whole.cure) == (
        worst.dicom_status,
        worst.comment,
        worst.cure,
    )
    assert worst.text in whole.text


def test_a_series_that_was_not_tried_has_not_arrived() -> None:
    whole = combine({"1": THREE, "2": CANCELED}, 3)
    assert whole.text.startswith("1 of 3 missing series arrived; series 2: ")
    assert not whole.arrived


def test_a_counter_that_one_answer_left_out_is_not_zero_in_the_sum() -> None:
    whole = combine({"1": THREE, "2": moved(0x0000, 2, None, 0)}, 2)
    assert whole.counters == SubOperations(0, 5, None, 0)


def test_the_lists_of_failed_instances_are_joined() -> None:
    assert combine({"1": SOME, "2": moved(0xB000, 1, 1, 0, "1.8")}, 2).failed_instances == ("1.9", "1.8")
