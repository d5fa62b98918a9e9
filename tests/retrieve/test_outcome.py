"""Every class of final status with every kind of counters: what may be said, and what must not."""

from __future__ import annotations

from itertools import product

import pytest

from engine.errors import (
    AssociationAborted,
    AssociationRejected,
    ConfigError,
    ForefetchError,
    GateClosed,
    IdentifierError,
    MessageError,
    NodeError,
    NodeTimeout,
    NodeUnreachable,
    QueryFailed,
    StoreError,
)
from engine.retrieve.outcome import (
    Cause,
    MoveResponse,
    Outcome,
    SubOperations,
    TaskStatus,
    cure_for,
    failure,
    judge,
)

COMPLETED, WARNING, FAILED = TaskStatus.COMPLETED, TaskStatus.WARNING, TaskStatus.FAILED

NONE = SubOperations()
COUNTERS = [SubOperations(*counts) for counts in product((None, 0, 2), repeat=4)]


def counted(
    completed: int | None = None,
    failed: int | None = None,
    warning: int | None = None,
    remaining: int | None = None,
) -> SubOperations:
    return SubOperations(remaining, completed, failed, warning)


# success and 0xB000: the counters decide

DECIDED_BY_COUNTERS = [
    # status, counters, task status, cause, arrived
    (0x0000, counted(5, 0, 0, 0), COMPLETED, Cause.ARRIVED, True),
    (0x0000, counted(5), COMPLETED, Cause.ARRIVED, True),
    (0x0000, counted(5, 0), COMPLETED, Cause.ARRIVED, True),
    (0x0000, counted(5, None, 0), COMPLETED, Cause.ARRIVED, True),
    (0x0000, counted(4, 0, 1), WARNING, Cause.STORED_WITH_WARNINGS, True),
    (0x0000, counted(0, 0, 5), WARNING, Cause.STORED_WITH_WARNINGS, True),
    (0x0000, counted(None, None, 5), WARNING, Cause.UNCOUNTED, False),
    (0x0000, counted(4, 1), WARNING, Cause.SOME_FAILED, False),
    (0x0000, counted(0, 1, 4), WARNING, Cause.SOME_FAILED, False),
    (0x0000, counted(4, 0, 0, 1), WARNING, Cause.SOME_FAILED, False),
    (0x0000, counted(0, 5), FAILED, Cause.ALL_FAILED, False),
    (0x0000, counted(0, 5, 0, 0), FAILED, Cause.ALL_FAILED, False),
    (0x0000, counted(0, 0, 0, 0), FAILED, Cause.NOTHING_MOVED, False),
    (0x0000, counted(0), FAILED, Cause.NOTHING_MOVED, False),
    (0x0000, NONE, WARNING, Cause.UNCOUNTED, False),
    (0x0000, counted(remaining=0), WARNING, Cause.UNCOUNTED, False),
    (0x0000, counted(remaining=5), WARNING, Cause.UNCOUNTED, False),
    (0xB000, counted(4, 1), WARNING, Cause.SOME_FAILED, False),
    (0xB000, counted(4, 1, 1, 0), WARNING, Cause.SOME_FAILED, False),
    (0xB000, counted(0, 5), FAILED, Cause.ALL_FAILED, False),
    (0xB000, counted(0, 0, 0, 0), FAILED, Cause.NOTHING_MOVED, False),
    (0xB000, counted(5, 0, 0, 0), WARNING, Cause.SOME_FAILED, False),
    (0xB000, counted(5), WARNING, Cause.SOME_FAILED, False),
    (0xB000, counted(4, 0, 1, 0), WARNING, Cause.STORED_WITH_WARNINGS, True),
    (0xB000, counted(None, 0, 1, 0), WARNING, Cause.UNCOUNTED, False),
    (0xB000, counted(3, None, 1), WARNING, Cause.SOME_FAILED, False),
    (0xB000, counted(4, 0, 1, 1), WARNING, Cause.SOME_FAILED, False),
    (0xB000, NONE, FAILED, Cause.SOME_FAILED, False),
    (0xB000, counted(remaining=0), FAILED, Cause.SOME_FAILED, False),
]


@pytest.mark.parametrize(("code", "counters", "status", "cause", "arrived"), DECIDED_BY_COUNTERS)
def test_the_counters_decide_over_success_and_0xb000(
    code: int, counters: SubOperations, status: TaskStatus, cause: Cause, arrived: bool
) -> None:
    outcome = judge(MoveResponse(code, counters))
    assert (outcome.status, outcome.cause, outcome.arrived) == (status, cause, arrived)
    assert outcome.dicom_status == code
    assert outcome.counters == counters


@pytest.mark.parametrize(
    ("code", "counters", "status", "cause"),
    [
        (0x0000, counted(None, 0), WARNING, Cause.UNCOUNTED),
        (0x0000, counted(None, None, 0), WARNING, Cause.UNCOUNTED),
        (0x0000, counted(None, 0, 0, 0), WARNING, Cause.UNCOUNTED),
        (0x0000, counted(None, 3), WARNING, Cause.SOME_FAILED),
        (0xB000, counted(None, 3), WARNING, Cause.SOME_FAILED),
    ],
)
def test_an_absent_completed_counter_is_not_zero(
    code: int, counters: SubOperations, status: TaskStatus, cause: Cause
) -> None:
    outcome = judge(MoveResponse(code, counters))
    assert (outcome.status, outcome.cause, outcome.arrived) == (status, cause, False)


@pytest.mark.parametrize("code", [0x0000, 0xB000])
def test_a_list_of_failed_instances_is_believed_over_the_counters(code: int) -> None:
    outcome = judge(MoveResponse(code, counted(5, 0, 0, 0), failed_instances=("1.2.3",)))
    assert (outcome.status, outcome.cause, outcome.arrived) == (WARNING, Cause.SOME_FAILED, False)
    assert outcome.failed_instances == ("1.2.3",)


@pytest.mark.parametrize(("code", "counters"), list(product([0x0000, 0xB000], COUNTERS)))
def test_nothing_is_said_to_have_arrived_unless_something_was_stored_and_nothing_failed(
    code: int, counters: SubOperations
) -> None:
    outcome = judge(MoveResponse(code, counters))
    if outcome.arrived:
        assert (counters.completed or 0) + (counters.warning or 0) > 0
        assert not counters.failed
        assert not counters.remaining
    if outcome.status is COMPLETED:
        assert outcome.arrived
        assert code == 0x0000
        assert not counters.warning


# the last pending response, where the final one does not count


@pytest.mark.parametrize(
    ("code", "last", "status", "cause", "arrived"),
    [
        (0x0000, counted(5, 0, 0, 0), COMPLETED, Cause.ARRIVED, True),
        (0x0000, counted(4, 0, 1, 0), WARNING, Cause.STORED_WITH_WARNINGS, True),
        (0x0000, counted(4, 1, 0, 0), WARNING, Cause.SOME_FAILED, False),
        (0x0000, counted(0, 5, 0, 0), FAILED, Cause.ALL_FAILED, False),
        (0x0000, counted(0, 0, 0, 0), FAILED, Cause.NOTHING_MOVED, False),
        (0x0000, counted(4, 0, 0, 1), WARNING, Cause.UNCOUNTED, False),
        (0x0000, counted(4, 0, 0), WARNING, Cause.UNCOUNTED, False),
        (0x0000, counted(remaining=0), WARNING, Cause.UNCOUNTED, False),
        (0x0000, NONE, WARNING, Cause.UNCOUNTED, False),
        (0xB000, counted(4, 1, 0, 0), WARNING, Cause.SOME_FAILED, False),
        (0xB000, counted(4, 1, 0, 3), FAILED, Cause.SOME_FAILED, False),
    ],
)
def test_the_last_pending_response_counts_only_where_it_counted_to_the_end(
    code: int, last: SubOperations, status: TaskStatus, cause: Cause, arrived: bool
) -> None:
    outcome = judge(MoveResponse(code, NONE, last_pending=last))
    assert (outcome.status, outcome.cause, outcome.arrived) == (status, cause, arrived)


def test_final_counters_win_over_those_of_the_last_pending_response() -> None:
    outcome = judge(MoveResponse(0x0000, counted(0, 5), last_pending=counted(5, 0, 0, 0)))
    assert outcome.cause is Cause.ALL_FAILED


def test_counters_of_the_last_pending_response_are_shown_where_they_decided() -> None:
    last = counted(5, 0, 0, 0)
    assert judge(MoveResponse(0x0000, last_pending=last)).counters == last


# every other status: the counters change nothing


@pytest.mark.parametrize(
    ("code", "status", "cause"),
    [
        (0xFE00, TaskStatus.CANCELED, Cause.CANCELED),
        (0xA701, FAILED, Cause.CANNOT_COUNT),
        (0xA702, FAILED, Cause.CANNOT_PERFORM),
        (0xA801, FAILED, Cause.DESTINATION_UNKNOWN),
        (0xA900, FAILED, Cause.IDENTIFIER_MISMATCH),
        (0x0124, FAILED, Cause.NOT_AUTHORIZED),
        (0xC000, FAILED, Cause.UNABLE_TO_PROCESS),
        (0xCFFF, FAILED, Cause.UNABLE_TO_PROCESS),
        (0x0122, FAILED, Cause.OTHER_STATUS),
        (0xA700, FAILED, Cause.OTHER_STATUS),
        (0xB001, FAILED, Cause.OTHER_STATUS),
        (0xFF00, FAILED, Cause.OTHER_STATUS),
        (0xFFFF, FAILED, Cause.OTHER_STATUS),
    ],
)
def test_any_other_status_is_no_success_whatever_the_counters_say(
    code: int, status: TaskStatus, cause: Cause
) -> None:
    for counters in COUNTERS:
        outcome = judge(MoveResponse(code, counters, "a comment", ("1.2.3",)))
        assert (outcome.status, outcome.cause, outcome.arrived) == (status, cause, False)
        assert outcome.dicom_status == code
        assert outcome.counters == counters
        assert (outcome.comment, outcome.failed_instances) == ("a comment", ("1.2.3",))


@pytest.mark.parametrize("code", [0x0000, 0xB000, 0xA701, 0xA702, 0xA801, 0xA900, 0x0124, 0xC000, 0x0122])
@pytest.mark.parametrize("counters", [NONE, counted(0, 0), counted(0, 3), counted(2, 3), counted(5, 0, 1)])
def test_what_is_not_complete_comes_with_a_sentence_and_where_something_can_be_done_a_cure(
    code: int, counters: SubOperations
) -> None:
    outcome = judge(MoveResponse(code, counters))
    assert outcome.text
    assert bool(outcome.cure) is (outcome.cause is not Cause.STORED_WITH_WARNINGS)


# no final response


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (NodeUnreachable("pacs", "why"), Cause.UNREACHABLE),
        (AssociationRejected("pacs", "why"), Cause.REJECTED),
        (AssociationAborted("pacs", "why"), Cause.ABORTED),
        (NodeTimeout("pacs", "why"), Cause.TIMED_OUT),
        (QueryFailed("pacs", "why", 0xA700), Cause.QUERY_FAILED),
        (IdentifierError("why"), Cause.INVALID),
        (GateClosed("why"), Cause.GATE_CLOSED),
        (NodeError("pacs", "why"), Cause.INTERNAL),
        (MessageError("why"), Cause.INTERNAL),
        (StoreError("why"), Cause.INTERNAL),
        (ForefetchError("why"), Cause.INTERNAL),
        (ConfigError([]), Cause.INTERNAL),
    ],
)
def test_an_error_is_a_failure_with_its_own_cause_and_text(error: ForefetchError, cause: Cause) -> None:
    outcome = failure(error)
    assert (outcome.status, outcome.cause, outcome.arrived) == (FAILED, cause, False)
    assert outcome.text == ("" if isinstance(error, ConfigError) else "why")
    assert outcome.dicom_status == (0xA700 if isinstance(error, QueryFailed) else None)
    assert outcome.counters == NONE
    assert bool(outcome.cure) is (isinstance(error, NodeError) and cause is not Cause.INTERNAL)


def test_a_special_case_of_an_error_keeps_the_cause_of_its_kind() -> None:
    class Unanswered(AssociationAborted):
        pass

    assert failure(Unanswered("pacs", "why")).cause is Cause.ABORTED


@pytest.mark.parametrize(
    "cause", [Cause.MISSING, Cause.UNVERIFIED, Cause.BUSY, Cause.EXPIRED, Cause.NOT_FOUND, Cause.ALL_FAILED]
)
def test_what_did_not_arrive_has_a_cure(cause: Cause) -> None:
    assert cure_for(cause)


def test_what_needs_none_has_no_cure() -> None:
    for cause in (Cause.ARRIVED, Cause.ALREADY_THERE, Cause.DRY_RUN, Cause.CANCELED):
        assert cure_for(cause) == ""


# the values


def test_counters_are_stated_where_any_but_the_remaining_is_given() -> None:
    assert not NONE.stated
    assert not counted(remaining=3).stated
    assert counted(0).stated
    assert counted(failed=0).stated
    assert counted(warning=0).stated


def test_counters_are_read_out_as_far_as_they_were_given() -> None:
    assert str(NONE) == "no counts given"
    assert str(counted(0)) == "completed 0"
    assert str(counted(1, 2, 3, 4)) == "completed 1, failed 2, warning 3, remaining 4"


def test_the_last_four_statuses_are_final() -> None:
    assert {status for status in TaskStatus if status.final} == {
        TaskStatus.COMPLETED,
        TaskStatus.WARNING,
        TaskStatus.FAILED,
        TaskStatus.CANCELED,
    }


def test_an_outcome_has_arrived_only_where_that_is_said() -> None:
    assert not Outcome(COMPLETED, Cause.RESOLVED, "three priors").arrived


@pytest.mark.parametrize("status", [0xC000, 0xA702, 0xFE00])
@pytest.mark.parametrize(
    ("final", "pending", "told"),
    [
        (SubOperations(0, 0, 0, 0), SubOperations(46, 4, 0, 0), 4),
        (SubOperations(), SubOperations(46, 4, 0, 0), 4),
        (SubOperations(45, 5, 0, 0), SubOperations(46, 4, 0, 0), 5),
        (SubOperations(0, 0, 0, 0), None, 0),
    ],
)
def test_a_move_that_was_broken_off_keeps_what_had_been_counted_by_then(
    status: int, final: SubOperations, pending: SubOperations | None, told: int
) -> None:
    outcome = judge(MoveResponse(status, final, last_pending=pending))
    assert (outcome.arrived, outcome.counters.completed) == (False, told)
