"""What an acknowledgment may say of the tasks of a message."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from engine.errors import GateClosed, NodeUnreachable
from engine.hl7.ack import AckCode, AckError, Severity
from engine.retrieve.outcome import (
    Cause,
    MoveResponse,
    Outcome,
    SubOperations,
    TaskStatus,
    failure,
    judge,
)
from engine.retrieve.plan import PlanProblem
from engine.retrieve.reply import accepted, no_route, settled
from engine.retrieve.selector import Selector, StudiesOfAccession, Study
from engine.retrieve.task import RetrieveRequest, RetrieveTask

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
ARRIVED = judge(MoveResponse(0x0000, SubOperations(0, 3, 0, 0)))
WITH_WARNINGS = judge(MoveResponse(0xB000, SubOperations(0, 2, 0, 1)))
SOME_FAILED = judge(MoveResponse(0xB000, SubOperations(0, 2, 1, 0)))
NOTHING = judge(MoveResponse(0x0000, SubOperations(0, 0, 0, 0)))
UNKNOWN_DESTINATION = judge(MoveResponse(0xA801, comment="no READING here"))
RESOLVED = Outcome(TaskStatus.COMPLETED, Cause.RESOLVED, "0 of 2 found taken")
NOT_FOUND = Outcome(TaskStatus.FAILED, Cause.NOT_FOUND, "the archive has no such study")
MISSING = replace(ARRIVED, status=TaskStatus.WARNING, cause=Cause.MISSING, arrived=False)
UNVERIFIED = replace(MISSING, cause=Cause.UNVERIFIED)
BUSY = Outcome(TaskStatus.FAILED, Cause.BUSY, "no association free")
EXPIRED = Outcome(TaskStatus.FAILED, Cause.EXPIRED, "nobody approved it")
ALREADY_THERE = Outcome(TaskStatus.COMPLETED, Cause.ALREADY_THERE, "all there", arrived=True)
DRY_RUN = Outcome(TaskStatus.CANCELED, Cause.DRY_RUN, "dry run: would have moved 3 objects")
QUESTION = StudiesOfAccession("A1")
PROBLEM = PlanProblem("r", "ZDS-1: not a UID", 102, "ZDS-1")


def task(
    number: int, outcome: Outcome | TaskStatus, selector: Selector | None = None, parent: int | None = None
) -> RetrieveTask:
    request = RetrieveRequest(selector or Study(f"1.{number}"), "main", "room", ("r",))
    given = outcome if isinstance(outcome, Outcome) else None
    status = outcome.status if isinstance(outcome, Outcome) else outcome
    return RetrieveTask(number, request, status, NOW, NOW, 1, parent, outcome=given)


def test_where_no_route_matches_the_answer_is_aa() -> None:
    assert (no_route().code, no_route().errors) == (AckCode.AA, ())


def test_an_accepted_message_is_aa_and_one_with_problems_ae() -> None:
    assert (accepted(1, ()).code, accepted(1, ()).text) == (AckCode.AA, "accepted: 1 request to carry out")
    reply = accepted(2, (PROBLEM,))
    assert (reply.code, reply.text) == (AckCode.AE, "accepted: 2 requests to carry out")
    assert reply.errors == (AckError(Severity.ERROR, 102, "ZDS-1: not a UID", "ZDS-1"),)


def test_aa_where_every_study_arrived() -> None:
    reply = settled([task(1, ARRIVED), task(2, ARRIVED)], ())
    assert (reply.code, reply.text) == (AckCode.AA, "2 of 2 studies arrived")
    assert [error.code for error in reply.errors] == [0, 0]
    assert reply.errors[0] == AckError(
        Severity.INFORMATION,
        0,
        "study 1.1 to room: 3 objects arrived",
        "",
        ("0000", "3 objects arrived", "99DICOM"),
        "task 1; completed 3, failed 0, warning 0, remaining 0",
    )


def test_a_study_that_arrived_with_warnings_is_aa_with_a_warning() -> None:
    reply = settled([task(1, WITH_WARNINGS)], ())
    assert (reply.code, reply.errors[0].severity, reply.errors[0].code) == (AckCode.AA, Severity.WARNING, 0)


@pytest.mark.parametrize(
    ("outcome", "severity", "code", "application"),
    [
        (SOME_FAILED, Severity.WARNING, 207, ("B000", "99DICOM")),
        (NOTHING, Severity.ERROR, 204, ("0000", "99DICOM")),
        (UNKNOWN_DESTINATION, Severity.ERROR, 207, ("A801", "99DICOM")),
        (judge(MoveResponse(0x0000)), Severity.WARNING, 207, ("0000", "99DICOM")),
        (judge(MoveResponse(0xB000)), Severity.ERROR, 207, ("B000", "99DICOM")),
        (judge(MoveResponse(0x0000, SubOperations(0, 0, 3, 0))), Severity.ERROR, 207, ("0000", "99DICOM")),
        (judge(MoveResponse(0xA701)), Severity.ERROR, 207, ("A701", "99DICOM")),
        (judge(MoveResponse(0xA702)), Severity.ERROR, 207, ("A702", "99DICOM")),
        (judge(MoveResponse(0xC001)), Severity.ERROR, 207, ("C001", "99DICOM")),
        (judge(MoveResponse(0xFE00)), Severity.WARNING, 207, ("FE00", "99DICOM")),
        (failure(NodeUnreachable("main", "no TCP")), Severity.ERROR, 207, ("unreachable", "99FOREFETCH")),
        (failure(GateClosed("off")), Severity.ERROR, 207, ("gate-closed", "99FOREFETCH")),
        (NOT_FOUND, Severity.ERROR, 204, ("not-found", "99FOREFETCH")),
        (MISSING, Severity.WARNING, 207, ("0000", "99DICOM")),
        (UNVERIFIED, Severity.WARNING, 207, ("0000", "99DICOM")),
        (replace(NOT_FOUND, dicom_status=0xC000), Severity.ERROR, 204, ("C000", "99DICOM")),
        (BUSY, Severity.ERROR, 207, ("node-busy", "99FOREFETCH")),
        (EXPIRED, Severity.ERROR, 207, ("approval-expired", "99FOREFETCH")),
    ],
)
def test_anything_less_is_ae_with_its_cause(
    outcome: Outcome, severity: Severity, code: int, application: tuple[str, str]
) -> None:
    reply = settled([task(1, ARRIVED), task(2, outcome)], ())
    assert reply.code is AckCode.AE
    assert reply.text.startswith("1 of 2 studies arrived; study 1.2 to room: ")
    error = reply.errors[1]
    assert (error.severity, error.code) == (severity, code)
    assert error.application_code is not None
    assert (error.application_code[0], error.application_code[2]) == application
    assert outcome.text in error.text
    assert outcome.cure in error.text


def test_what_is_there_already_counts_as_arrived() -> None:
    reply = settled([task(1, ALREADY_THERE)], ())
    assert (reply.code, reply.text) == (AckCode.AA, "1 of 1 study arrived")
    assert (reply.errors[0].severity, reply.errors[0].code) == (Severity.INFORMATION, 0)
    assert reply.errors[0].text == "study 1.1 to room: all there"


def test_a_dry_run_is_aa_and_says_that_nothing_was_moved() -> None:
    reply = settled([task(1, DRY_RUN), task(2, DRY_RUN)], ())
    assert (reply.code, reply.text) == (
        AckCode.AA,
        "dry run: 2 studies would have been moved, nothing was",
    )
    assert [error.severity for error in reply.errors] == [Severity.INFORMATION, Severity.INFORMATION]
    assert reply.errors[0].text == "study 1.1 to room: dry run: would have moved 3 objects"


def test_a_dry_run_beside_a_real_move_does_not_say_that_nothing_was_moved() -> None:
    reply = settled([task(1, DRY_RUN), task(2, ARRIVED)], ())
    assert (reply.code, reply.text) == (
        AckCode.AA,
        "1 of 1 study arrived; dry run: 1 study would have been moved",
    )


def test_a_dry_run_of_what_the_archive_does_not_have_is_ae() -> None:
    reply = settled([task(1, DRY_RUN), task(2, NOT_FOUND)], ())
    assert reply.code is AckCode.AE
    assert reply.text.startswith("0 of 1 study arrived; dry run: 1 study would have been moved; study 1.2")


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("cause", [cause for cause in Cause if cause is not Cause.DRY_RUN])
def test_no_final_move_that_did_not_arrive_is_aa(status: TaskStatus, cause: Cause) -> None:
    if status.final:
        assert settled([task(1, Outcome(status, cause, "text"))], ()).code is AckCode.AE


def test_the_words_of_the_archive_are_passed_on() -> None:
    error = settled([task(1, UNKNOWN_DESTINATION)], ()).errors[0]
    assert error.application_code == ("A801", "no READING here", "99DICOM")
    assert error.diagnostics == "task 1; no READING here"


@pytest.mark.parametrize("status", [TaskStatus.SCHEDULED, TaskStatus.IN_PROGRESS])
def test_what_is_not_final_is_in_progress(status: TaskStatus) -> None:
    reply = settled([task(1, ARRIVED), task(7, status), task(8, status)], ())
    assert (reply.code, reply.text) == (AckCode.AA, "accepted, in progress: task 7, 8")
    assert reply.errors[1] == AckError(Severity.INFORMATION, 0, "task 7: study 1.7 to room is in progress")


def test_what_waits_says_for_what() -> None:
    reason = "tried again at 08:01 after: association rejected"
    due = replace(task(8, TaskStatus.SCHEDULED).request, due=NOW)
    again = replace(task(8, TaskStatus.SCHEDULED), reason=reason, request=due)
    reply = settled([again], ())
    assert (reply.code, reply.text) == (AckCode.AA, "accepted, due at 2026-11-24T00:00+00:00: task 8")
    assert reply.errors[0].text == f"task 8: study 1.8 to room waits: {reason}"
    running = replace(again, status=TaskStatus.IN_PROGRESS, request=task(8, TaskStatus.SCHEDULED).request)
    assert settled([running], ()).errors[0].text == "task 8: study 1.8 to room is in progress"


def test_what_waits_at_a_gate_says_until_when() -> None:
    waiting = replace(task(8, TaskStatus.SCHEDULED), reason="moves only daily", gate="window", not_before=NOW)
    text = "task 8: study 1.8 to room waits: moves only daily, until 2026-11-24T00:00+00:00"
    assert settled([waiting], ()).errors[0].text == text


def test_what_is_held_says_why() -> None:
    held = replace(task(7, TaskStatus.HELD), reason="retrieval is switched off")
    reply = settled([held], ())
    assert (reply.code, reply.text) == (AckCode.AA, "accepted, held: task 7")
    assert reply.errors[0].text == "task 7: study 1.7 to room is held: retrieval is switched off"


def test_an_outcome_of_an_earlier_attempt_does_not_end_a_task() -> None:
    again = RetrieveTask(
        1, RetrieveRequest(Study("1"), "m", "d", ()), TaskStatus.SCHEDULED, NOW, NOW, outcome=NOTHING
    )
    assert settled([again], ()).text == "accepted, in progress: task 1"


def test_one_failure_makes_ae_while_others_are_in_progress() -> None:
    reply = settled([task(1, TaskStatus.IN_PROGRESS), task(2, NOTHING)], ())
    assert reply.code is AckCode.AE
    assert reply.text.startswith("accepted, in progress: task 1; study 1.2 to room")


def test_a_problem_is_ae_though_all_that_could_be_asked_arrived() -> None:
    reply = settled([task(1, ARRIVED)], (PROBLEM,))
    assert (reply.code, reply.text) == (AckCode.AE, "1 of 1 study arrived; ZDS-1: not a UID")
    assert [error.code for error in reply.errors] == [102, 0]


def test_problems_alone_are_ae() -> None:
    reply = settled((), (PROBLEM,))
    assert (reply.code, reply.text) == (AckCode.AE, "nothing can be retrieved; ZDS-1: not a UID")


def test_a_question_is_answered_by_its_studies() -> None:
    question = task(1, RESOLVED, QUESTION)
    reply = settled([question, task(2, ARRIVED, parent=1)], ())
    assert (reply.code, reply.text, len(reply.errors)) == (AckCode.AA, "1 of 1 study arrived", 1)
    failed = settled([question, task(2, NOTHING, parent=1)], ())
    assert (failed.code, len(failed.errors)) == (AckCode.AE, 1)


def test_a_question_that_took_nothing_says_so() -> None:
    reply = settled([task(1, RESOLVED, QUESTION)], ())
    assert (reply.code, reply.text) == (AckCode.AA, "no study to move")
    assert reply.errors == (
        AckError(Severity.INFORMATION, 0, "studies with accession number A1 to room: 0 of 2 found taken"),
    )


def test_a_question_that_found_nothing_is_ae() -> None:
    reply = settled([task(1, NOT_FOUND, QUESTION)], ())
    assert (reply.code, reply.errors[0].code) == (AckCode.AE, 204)
    assert reply.text.startswith("no study to move; studies with accession number A1 to room")
