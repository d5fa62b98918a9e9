"""Retrieve tasks: a page of them, and one with its story."""

from __future__ import annotations

from pydantic import Field

from engine.store import Story, is_running, story_of
from engine.store.browse import browse_tasks
from engine.telling.content import Content
from engine.telling.masking import Masking
from engine.telling.task_contents import TaskStory, story_content
from engine.waiting import holds
from engine.web.api.messages import next_page
from engine.web.api.operation import PREFIX, Call
from engine.web.api.parameters import TaskPageQuery
from engine.web.api.problem import Refused
from engine.web.api.task_rows import TaskRow, task_rows
from engine.web.masks import story_behind
from engine.web.office import Office
from engine.web.reading import read


class TaskPage(Content):
    """A page of tasks, newest first."""

    tasks: list[TaskRow]
    next: str | None = Field(description="Where the next page is; null where this is the last one")


async def list_tasks(call: Call) -> TaskPage:
    """GET /tasks"""
    query = call.query(TaskPageQuery)
    found = await read(browse_tasks, call.journal, query.filter(), before=query.before, limit=query.limit)
    older = found[-1].id if len(found) == query.limit else None
    rows = await read(task_rows, call.office, found, call.masking)
    return TaskPage(tasks=rows, next=next_page(call, older))


async def tell_task(call: Call) -> TaskStory:
    """GET /tasks/{id}"""
    story = await read(story_of, call.journal, call.number)
    if story is None:
        raise no_such_task(call.number)
    return await read(_story, call.office, story, call.masking)


def no_such_task(number: int) -> Refused:
    """It never was, or was pruned."""
    return Refused(404, f"there is no task {number} in the journal", f"{PREFIX}/tasks has those there are")


def _story(office: Office, story: Story, masking: Masking) -> TaskStory:
    hold = holds(office.journal, office.config, [story.task]).get(story.task.id)
    shown, hold = story_behind(masking, office, story, hold)
    return story_content(shown, hold, is_running(office.journal))
