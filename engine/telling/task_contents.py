"""Tasks as structured content. Times are ISO 8601 in UTC."""

from __future__ import annotations

from pydantic import Field

from engine.retrieve.outcome import Outcome, SubOperations
from engine.retrieve.task import Choice, RetrieveTask
from engine.store import Asked, Line, Story
from engine.telling.content import Answer, Content
from engine.telling.tasks import Summary, outcome_dict, summary_dict, task_dict
from engine.waiting import Hold

MOST_INSTANCES = 50


class OutcomeContent(Content):
    """How a task ended, in short."""

    cause: str = Field(description="A word for it, such as arrived, unreachable or not-found")
    text: str = Field(description="What happened")
    cure: str = Field(description="What can be done about it; empty where nothing is to be done")
    arrived: bool = Field(description="Whether every object is known to be at the destination")
    dicom_status: str | None = Field(description="Status of the C-MOVE or C-FIND, such as A801")


class TaskContent(Content):
    """One retrieve task."""

    task_id: int = Field(description="Its number")
    message_id: int | None = Field(description="Number of the message that it was made for, if any")
    status: str = Field(description="SCHEDULED, HELD, IN_PROGRESS, COMPLETED, WARNING, FAILED or CANCELED")
    what: str = Field(description="Which studies: by UID, or a search that is still to be made")
    archive: str = Field(description="From which archive, by its name in the routes file")
    destination: str = Field(description="To where, by its name in the routes file")
    routes: list[str] = Field(description="The routes that ask for it")
    priority: str = Field(description="STAT, HIGH, MEDIUM or LOW")
    attempts: int = Field(description="How often it was tried")
    failures: int = Field(description="How many attempts have failed in a row")
    changed: str = Field(description="When it last changed")
    gate: str = Field(description="What it waits for, such as window, approval or retry; empty: its turn")
    reason: str = Field(description="Why it waits")
    until: str | None = Field(description="When that ends, or the time for approval is over; null: not known")
    outcome: OutcomeContent | None = Field(description="How it ended; null while it has not")


class WaitingContent(Content):
    """How many tasks wait for the same thing."""

    count: int = Field(description="How many")
    gate: str = Field(description="What for; empty: only for their turn")
    reason: str = Field(description="Why; empty where the reasons differ")
    until: str | None = Field(description="The earliest time at which that ends; null: not known")


class CauseContent(Content):
    """How many tasks ended for the same cause."""

    status: str = Field(description="FAILED, WARNING or CANCELED")
    cause: str = Field(description="Such as unreachable")
    count: int = Field(description="How many")


class TaskList(Answer):
    """The newest tasks of a selection, and the sum of all of it."""

    engine_running: bool = Field(
        description="Whether a forefetch serves this journal; without, what messages asked for waits"
    )
    counts: dict[str, int] = Field(description="How many tasks of the selection have each status")
    waiting: list[WaitingContent] = Field(
        description="What those wait for that wait, the most frequent first"
    )
    causes: list[CauseContent] = Field(description="Why others have not arrived, the most frequent first")
    tasks: list[TaskContent] = Field(description="Newest first")
    left_off: int = Field(description="How many older ones were selected and are not listed here")


class CountersContent(Content):
    """Sub-operations of a C-MOVE. Null: the archive has not said."""

    remaining: int | None = Field(description="Still to be sent")
    completed: int | None = Field(description="Sent")
    failed: int | None = Field(description="Not sent")
    warning: int | None = Field(description="Sent, and stored with a warning")


class FullOutcome(OutcomeContent):
    """How a task or an attempt ended."""

    status: str = Field(description="COMPLETED, WARNING, FAILED or CANCELED")
    counters: CountersContent = Field(description="As the archive counted")
    comment: str = Field(description="What the archive said beside its status; masked or withheld")
    failed_instances: list[str] = Field(description="SOP Instance UIDs that did not arrive, at most 50")
    failed_instances_left_off: int = Field(description="How many more there are")


class AskedContent(Content):
    """A message that asks for the task."""

    message_id: int = Field(description="Its number in the journal")
    received: str = Field(description="When it came")
    message_type: str = Field(description="MSH-9, such as ORM^O01")
    control_id: str = Field(description="MSH-10")
    answered: str = Field(description="Code of its acknowledgment; empty while there is none")


class ChoiceContent(Content):
    """What a search has found."""

    study: str = Field(description="Study Instance UID")
    series: str = Field(description="Series Instance UID; empty for the whole study")
    taken: bool = Field(description="Whether it is moved")
    reason: str = Field(description="Why, or why not")


class EventContent(Content):
    """What happened to the task before its present state."""

    at: str = Field(description="When")
    event: str = Field(description="Such as attempt failed, held, approved, retried")
    text: str = Field(description="Why, or by whom")
    outcome: FullOutcome | None = Field(description="Of the attempt, where there was one")


class ChildContent(Content):
    """A task that this one has led to."""

    task_id: int = Field(description="Its number")
    what: str = Field(description="Which study")
    status: str = Field(description="As for every task")


class TaskStory(Answer):
    """The whole story of a task."""

    task: TaskContent = Field(description="As it stands")
    engine_running: bool = Field(
        description="Whether a forefetch serves this journal; without, what messages asked for waits"
    )
    found_by: int | None = Field(description="The task whose search has led to this one")
    approved: bool = Field(description="Whether a person has approved it")
    expedited: bool = Field(description="Whether a person has put it before all others")
    progress: CountersContent | None = Field(description="Of the attempt under way, as last noted")
    missing_series: list[str] = Field(description="Series that the next attempt asks for; none: all of it")
    outcome: FullOutcome | None = Field(description="How it ended; null while it has not")
    messages: list[AskedContent] = Field(description="Who asks for it")
    choices: list[ChoiceContent] = Field(description="What its search found")
    events: list[EventContent] = Field(description="What happened before, oldest first")
    children: list[ChildContent] = Field(description="What it has led to")


class TaskDone(Content):
    """What became of one task that was to be changed."""

    task_id: int = Field(description="Its number")
    done: bool = Field(description="Whether anything was done")
    text: str = Field(description="What, or why not")


class TasksDone(Answer):
    """What became of each."""

    tasks: list[TaskDone] = Field(description="In the order given")
    engine_running: bool = Field(
        description="Whether a forefetch serves this journal; without, it takes effect at the next start, "
        "but at once for what was asked for by hand"
    )


def task_content(task: RetrieveTask, hold: Hold | None) -> TaskContent:
    """A task and what it waits for."""
    values = task_dict(task, hold)
    return TaskContent(
        task_id=values.pop("task"),
        message_id=values.pop("message"),
        archive=values.pop("from"),
        destination=values.pop("to"),
        **values,
    )


def list_content(running: bool, summary: Summary, tasks: list[TaskContent]) -> TaskList:
    left_off = sum(summary.counts.values()) - len(tasks)
    return TaskList(engine_running=running, tasks=tasks, left_off=max(0, left_off), **summary_dict(summary))


def story_content(story: Story, hold: Hold | None, running: bool) -> TaskStory:
    task = story.task
    return TaskStory(
        task=task_content(task, hold),
        engine_running=running,
        found_by=task.parent_id,
        approved=task.approved,
        expedited=task.expedited,
        progress=None if task.progress is None else counters_content(task.progress),
        missing_series=list(task.missing),
        outcome=_full(task.outcome),
        messages=[_asked(it) for it in story.messages],
        choices=[_choice(it) for it in task.choices],
        events=[_event(it) for it in story.lines],
        children=[_child(it) for it in story.children],
    )


def _asked(message: Asked) -> AskedContent:
    return AskedContent(
        message_id=message.id,
        received=message.received_at.isoformat(),
        message_type=message.message_type,
        control_id=message.control_id,
        answered=message.ack_code,
    )


def _choice(it: Choice) -> ChoiceContent:
    return ChoiceContent(study=it.study_uid, series=it.series_uid, taken=it.taken, reason=it.reason)


def _child(task: RetrieveTask) -> ChildContent:
    return ChildContent(task_id=task.id, what=str(task.request.selector), status=str(task.status))


def _event(line: Line) -> EventContent:
    return EventContent(
        at=line.at.isoformat(), event=str(line.event), text=line.text, outcome=_full(line.outcome)
    )


def _full(outcome: Outcome | None) -> FullOutcome | None:
    if outcome is None:
        return None
    failed = outcome.failed_instances
    return FullOutcome(
        **outcome_dict(outcome),
        status=str(outcome.status),
        counters=counters_content(outcome.counters),
        comment=outcome.comment,
        failed_instances=list(failed[:MOST_INSTANCES]),
        failed_instances_left_off=max(0, len(failed) - MOST_INSTANCES),
    )


def counters_content(counters: SubOperations) -> CountersContent:
    """Counters as they are told."""
    return CountersContent(
        remaining=counters.remaining,
        completed=counters.completed,
        failed=counters.failed,
        warning=counters.warning,
    )
