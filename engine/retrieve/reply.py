"""From the tasks of a message to what its acknowledgment says: AA only if nothing asked is missing.

A dry run is the exception, for it was never to bring anything: AA, with a text that says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.errors import ErrorCode
from engine.hl7.ack import AckCode, AckError, Reply, Severity
from engine.retrieve.outcome import Cause, Outcome, TaskStatus
from engine.retrieve.plan import PlanProblem
from engine.retrieve.task import RetrieveTask

_UNKNOWN = frozenset({Cause.NOT_FOUND, Cause.NOTHING_MOVED})
_DICOM_STATUS = "99DICOM"  # local coding systems, HL7 table 0396
_CAUSE = "99FOREFETCH"


def no_route() -> Reply:
    """Nothing was asked: no route matched."""
    return Reply(AckCode.AA, "no route asks for anything")


def effect(canceled: int, running: int, wanted: int, merged: int) -> Reply:
    """A message that takes back, or merges, and asks for nothing itself."""
    parts = []
    if merged:
        parts.append(f"{_count(merged, 'patient identifier')} merged")
    if canceled:
        parts.append(f"{_count(canceled, 'retrieve')} canceled")
    if running:
        parts.append(f"{_count(running, 'retrieve')} being stopped")
    if wanted:
        parts.append(f"{_count(wanted, 'retrieve')} still wanted otherwise")
    return Reply(AckCode.AA, ", ".join(parts) or "nothing was waiting")


def accepted(requests: int, problems: Sequence[PlanProblem]) -> Reply:
    """The message is kept and its retrieves will be carried out; the outcome is not waited for."""
    text = f"accepted: {_count(requests, 'request')} to carry out"
    return _reply(text, [_problem(problem) for problem in problems])


def settled(tasks: Sequence[RetrieveTask], problems: Sequence[PlanProblem]) -> Reply:
    """The outcome of every task as it stands; tasks that are not final yet are in progress."""
    errors = [_problem(problem) for problem in problems]
    errors += [line for task in tasks if (line := _line(task, tasks)) is not None]
    moves = [task for task in tasks if task.is_move]
    waiting = [task for task in tasks if not task.status.final]
    if waiting:
        text = f"{_progress(waiting)}: task {', '.join(str(task.id) for task in waiting)}"
    elif moves:
        text = _ended([task.outcome for task in moves if task.outcome is not None], len(moves))
    else:
        text = "no study to move" if tasks else "nothing can be retrieved"
    faults = [error for error in errors if error.severity is not Severity.INFORMATION and error.code]
    if faults:
        text = f"{text}; {faults[0].text}"
    return _reply(text, errors)


def _ended(outcomes: Sequence[Outcome], moves: int) -> str:
    rehearsed = sum(outcome.cause is Cause.DRY_RUN for outcome in outcomes)
    arrived = sum(outcome.arrived for outcome in outcomes)
    text = f"{arrived} of {_count(moves - rehearsed, 'study', 'studies')} arrived"
    if not rehearsed:
        return text
    dry_run = f"dry run: {_count(rehearsed, 'study', 'studies')} would have been moved"
    return f"{dry_run}, nothing was" if rehearsed == moves else f"{text}; {dry_run}"


def _progress(waiting: Sequence[RetrieveTask]) -> str:
    if any(task.status is TaskStatus.HELD for task in waiting):
        return "accepted, held"
    times = [task.request.due for task in waiting if task.request.due is not None]
    if len(times) < len(waiting):
        return "accepted, in progress"
    return f"accepted, due at {min(times).isoformat(timespec='minutes')}"


def _reply(text: str, errors: list[AckError]) -> Reply:
    missing = any(error.code != ErrorCode.ACCEPTED for error in errors)
    return Reply(AckCode.AE if missing else AckCode.AA, text, tuple(errors))


def _problem(problem: PlanProblem) -> AckError:
    return AckError(Severity.ERROR, problem.code, problem.text, problem.location)


def _line(task: RetrieveTask, tasks: Sequence[RetrieveTask]) -> AckError | None:
    """What to say of one task; a question that found studies is answered by the tasks of those studies."""
    outcome = task.outcome
    where = f"{task.request.selector} to {task.request.destination}"
    if outcome is None or not task.status.final:
        text = f"task {task.id}: {where} {_state(task)}"
        return AckError(Severity.INFORMATION, ErrorCode.ACCEPTED, text)
    if not task.is_move and task.status is TaskStatus.COMPLETED:
        if any(child.parent_id == task.id for child in tasks):
            return None
        return AckError(Severity.INFORMATION, ErrorCode.ACCEPTED, f"{where}: {outcome.text}")
    return AckError(
        severity=_severity(outcome),
        code=_code(outcome),
        text=f"{where}: {outcome.sentence}",
        application_code=_application_code(outcome),
        diagnostics="; ".join(
            part for part in (f"task {task.id}", _counts(outcome), outcome.comment) if part
        ),
    )


def _state(task: RetrieveTask) -> str:
    """Of a task that is not final: what it waits for, where that is known."""
    if task.status is TaskStatus.HELD:
        return f"is held: {task.reason}"
    if task.status is TaskStatus.SCHEDULED and task.reason:
        until = task.not_before if task.gate else None
        return f"waits: {task.reason}" + (f", until {until.isoformat(timespec='minutes')}" if until else "")
    when = task.request.due
    return "is in progress" if when is None else f"is due at {when.isoformat(timespec='minutes')}"


def _severity(outcome: Outcome) -> Severity:
    if outcome.status is TaskStatus.COMPLETED or outcome.cause is Cause.DRY_RUN:
        return Severity.INFORMATION
    return Severity.ERROR if outcome.status is TaskStatus.FAILED else Severity.WARNING


def _code(outcome: Outcome) -> ErrorCode:
    if outcome.arrived or outcome.cause is Cause.DRY_RUN:
        return ErrorCode.ACCEPTED
    return ErrorCode.UNKNOWN_KEY if outcome.cause in _UNKNOWN else ErrorCode.INTERNAL


def _application_code(outcome: Outcome) -> tuple[str, str, str]:
    if outcome.dicom_status is None:
        return outcome.cause.value, outcome.text, _CAUSE
    return f"{outcome.dicom_status:04X}", outcome.comment or outcome.text, _DICOM_STATUS


def _counts(outcome: Outcome) -> str:
    return str(outcome.counters) if outcome.counters.stated else ""


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"
