"""The whole story of one task."""

from __future__ import annotations

from collections.abc import Iterator

from engine.retrieve.outcome import Outcome
from engine.retrieve.task import RetrieveTask
from engine.store import Line as Event
from engine.store import Story
from engine.telling.line import STYLES, Line
from engine.waiting import Hold, local


def story_lines(story: Story, hold: Hold | None, *, most_instances: int | None = None) -> Iterator[Line]:
    """Who asked, what was chosen, every attempt, what people did. ``most_instances``: of those that did not
    arrive, so many are named."""
    yield from _task_lines(story.task, hold, most_instances)
    for asked in story.messages:
        yield Line(
            f"  asked for by message {asked.id}, {asked.message_type} {asked.control_id} "
            f"of {local(asked.received_at)}; answered {asked.ack_code or 'not yet'}"
        )
    for choice in story.task.choices:
        yield Line(f"  {'✓' if choice.taken else '✗'} {choice.study_uid} {choice.reason}", "dim")
    for event in story.lines:
        yield from _event_lines(event)
    for child in story.children:
        yield Line(
            f"  led to task {child.id}: {child.request.selector}, {child.status}", STYLES[child.status]
        )


def _event_lines(event: Event) -> Iterator[Line]:
    yield Line(f"  {local(event.at)} {event.event}: {event.text}")
    if event.outcome is not None:
        outcome = event.outcome
        yield Line(f"    {outcome.status}, {outcome.cause}: {outcome.sentence}", "dim")
        yield from _wire_lines(outcome)


def _task_lines(task: RetrieveTask, hold: Hold | None, most_instances: int | None) -> Iterator[Line]:
    request = task.request
    yield Line(f"task {task.id}: {request.selector}", "bold")
    parent = f", found by task {task.parent_id}" if task.parent_id is not None else ""
    yield Line(
        f"  from {request.archive} to {request.destination}, priority {request.priority.name}, "
        f"for {', '.join(request.routes)}{parent}"
    )
    yield Line(f"  {task.status} since {local(task.updated)}{_tried(task)}", STYLES[task.status])
    if hold is not None:
        yield Line(f"  {'held' if hold.held else 'waits'}: {hold}", "yellow")
    if task.missing:
        yield Line(f"  the next attempt asks for {len(task.missing)} series: {', '.join(task.missing)}")
    if task.outcome is not None:
        yield Line(f"  {task.outcome.cause}: {task.outcome.sentence}")
        yield from _wire_lines(task.outcome)
        yield from _instance_lines(task.outcome.failed_instances, most_instances)


def _instance_lines(failed: tuple[str, ...], most: int | None) -> Iterator[Line]:
    for uid in failed[:most]:
        yield Line(f"    did not arrive: {uid}", "dim")
    if most is not None and len(failed) > most:
        yield Line(f"    and {len(failed) - most} more did not arrive", "dim")


def _tried(task: RetrieveTask) -> str:
    """Such as ", tried 3 times, failed 2 times in a row"; after a retry by hand failures count anew."""
    words = (
        (f"tried {_times(task.attempts)}", task.attempts > 0),
        (f"failed {_times(task.failures)} in a row", task.failures > 0),
        ("approved", task.approved),
        ("expedited", task.expedited),
    )
    return "".join(f", {word}" for word, so in words if so)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _wire_lines(outcome: Outcome) -> Iterator[Line]:
    if outcome.dicom_status is not None:
        comment = f", {outcome.comment}" if outcome.comment else ""
        yield Line(f"    DICOM status 0x{outcome.dicom_status:04X}, {outcome.counters}{comment}", "dim")
