"""Tasks as the API lists them."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from engine.retrieve.selector import SeriesOfStudy, Study
from engine.retrieve.task import RetrieveTask
from engine.telling.masking import Masking
from engine.telling.task_contents import CountersContent, TaskContent, counters_content, task_content
from engine.waiting import Hold, holds
from engine.web.masks import tasks_behind
from engine.web.office import Office


class TaskRow(TaskContent):
    """A retrieve task in a list."""

    created: str = Field(description="When it was made, ISO 8601 in UTC")
    study: str = Field(description="Study Instance UID; empty for a search that is still to be made")
    patient: str = Field(description="Patient ID with its authority; empty where its message names none")
    counters: CountersContent | None = Field(
        description="Sub-operations of the move that is under way, or has ended; null: none was made"
    )


def task_rows(office: Office, tasks: Sequence[RetrieveTask], masking: Masking) -> list[TaskRow]:
    """Tasks with what they wait for, their patients behind a veil. Blocks. StoreError."""
    waits = holds(office.journal, office.config, tasks)
    shown, waits = tasks_behind(masking, office, tasks, waits)
    return [_row(task, waits.get(task.id)) for task in shown]


def _row(task: RetrieveTask, hold: Hold | None) -> TaskRow:
    selector = task.request.selector
    counted = task.outcome.counters if task.outcome is not None and task.is_move else task.progress
    return TaskRow(
        **task_content(task, hold).model_dump(),
        created=task.created.isoformat(),
        study=selector.study_uid if isinstance(selector, Study | SeriesOfStudy) else "",
        patient=task.request.patient,
        counters=None if counted is None else counters_content(counted),
    )
