"""What became of a scenario, as lines of text for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from engine.errors import MessageError
from engine.hl7.message import Message
from engine.retrieve.outcome import Cause
from engine.retrieve.task import RetrieveTask
from engine.scenario.compare import place_of, segments
from engine.scenario.difference import Difference
from engine.scenario.retrieves import name, retrieves, told_of
from engine.scenario.scenario import Scenario
from engine.scenario.seen import Seen

_WIDEST = 44  # columns of a value before its neighbour goes on


def difference_lines(found: Sequence[Difference]) -> Iterator[str]:
    """Expected and got side by side, place by place."""
    for place, group in groupby(found, key=lambda difference: difference.place):
        rows = [(it.what, it.expected, it.got) for it in group]
        yield place
        yield from _table([("", "expected", "got"), *rows])


def _table(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    widths = [min(_WIDEST, max(len(row[column]) for row in rows)) for column in (0, 1)]
    for what, expected, got in rows:
        yield f"  {what:<{widths[0]}}  {expected:<{widths[1]}}  {got}".rstrip()


def seen_lines(scenario: Scenario, seen: Seen) -> Iterator[str]:
    """All that was seen: answers, tasks, C-MOVEs, arrivals and faults."""
    yield from _answers(scenario, seen)
    yield from _section("tasks", _tasks(scenario, seen))
    yield from _section("C-MOVEs that the archives saw", _moves(seen))
    yield from _section("arrived", _arrived(seen))
    if seen.faults:
        struck = (f"{fault}: {_times(count)}" for fault, count in seen.faults)
        yield from _section("faults", struck)


def _section(title: str, lines: Iterator[str]) -> Iterator[str]:
    yield title
    yield from (f"  {line}" for line in list(lines) or ["none"])


def _times(count: int) -> str:
    return {0: "never struck", 1: "struck once"}.get(count, f"struck {count} times")


def _answers(scenario: Scenario, seen: Seen) -> Iterator[str]:
    for sent in seen.sendings:
        step = scenario.steps[sent.step]
        yield f"{place_of(step, sent)}: {_message(sent.payload)}"
        answers = [it for it in (sent.accept, sent.answer) if it is not None]
        for answer in answers:
            yield from (f"  {segment}" for segment in segments(answer))
        if sent.fault or not answers:
            yield f"  no answer{': ' if sent.fault else ''}{sent.fault}"
    for stray in seen.strays:
        yield "an answer to nothing that was sent"
        yield from (f"  {segment}" for segment in segments(stray))


def _message(payload: bytes) -> str:
    try:
        header = Message(payload).header
    except MessageError as error:
        return f"not to be read, {error.text}"
    return f"{header.message_type} {header.control_id}"


def _tasks(scenario: Scenario, seen: Seen) -> Iterator[str]:
    listed = iter(retrieves(seen, scenario.config.destinations))
    for task in seen.tasks:
        if task.outcome is not None and task.outcome.cause is Cause.RESOLVED:
            yield f"query for {name(told_of(task))}: {task.outcome.text}"
        else:
            told = next(listed)
            cause = f" {told['cause']}" if told["cause"] else ""
            status = f" {told['dicom_status']}" if told["dicom_status"] else ""
            counts = f"attempts {told['attempts']}, C-MOVEs {told['moves']}, priority {told['priority']}"
            yield f"{name(told)}: {told['status']}{cause}{status} ({counts})"
            if told["reason"]:
                yield f"  {told['reason']}"
        yield from _choices(task)


def _choices(task: RetrieveTask) -> Iterator[str]:
    for choice in task.choices:
        mark = "taken" if choice.taken else "left"
        yield f"  {mark} {choice.series_uid or choice.study_uid}: {choice.reason}"


def _moves(seen: Seen) -> Iterator[str]:
    for archive, moves in seen.moves.items():
        for move in moves:
            series = f", series {move.series_uid}" if move.series_uid else ""
            priority = move.priority.name.lower()
            yield f"{archive}: study {move.study_uid}{series} to {move.destination}, priority {priority}"


def _arrived(seen: Seen) -> Iterator[str]:
    for destination, studies in seen.arrived.items():
        for study, count in studies.items():
            yield f"{count} objects of {study} at {destination}"
