"""Retrieve tasks, and one of them with its whole story."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import Story, count_tasks, story_of
from engine.store.browse import TaskFilter, browse_tasks, selected_by
from engine.telling.masking import Masking
from engine.waiting import Hold, holds
from engine.web.masks import story_behind, tasks_behind
from engine.web.office import Office
from engine.web.pages.filters import address_of, as_typed, row_number, task_filter
from engine.web.pages.front import Front
from engine.web.pages.messages import PAGE
from engine.web.pages.wording import DEEDS, STATUSES, deeds_for
from engine.web.reading import read


class Listed(NamedTuple):
    """A page of tasks, what they wait for, and how many of each status there are in all."""

    tasks: list[RetrieveTask]
    holds: dict[int, Hold]
    counts: dict[TaskStatus, int]
    more: bool


async def show(front: Front, request: Request) -> Response:
    """GET /tasks"""
    config = front.office.config
    chosen = task_filter(request.query_params, config.gate.zone)
    before = row_number(request.query_params.get("before"))
    listed = await read(_list, front.office, chosen, before, front.masking(request))
    return front.press.page(
        request,
        "tasks.html",
        listed=listed,
        chosen=chosen,
        statuses=list(STATUSES),
        deeds=list(DEEDS.values()),
        routes=[route.name for route in config.routes],
        archives=list(config.archives),
        destinations=list(config.destinations),
        since=as_typed(chosen.since, config.gate.zone),
        until=as_typed(chosen.until, config.gate.zone),
        before=before,
        newest=address_of(chosen),
        older=address_of(chosen, before=listed.tasks[-1].id) if listed.more else None,
    )


def _list(office: Office, chosen: TaskFilter, before: int | None, masking: Masking) -> Listed:
    path = office.journal
    found = browse_tasks(path, chosen, before=before, limit=PAGE + 1)
    tasks, waits = shown(office, found[:PAGE], masking)
    counts = count_tasks(path, selected_by(path, chosen._replace(statuses=())))
    return Listed(tasks, waits, counts, len(found) > PAGE)


def shown(
    office: Office, tasks: Sequence[RetrieveTask], masking: Masking
) -> tuple[list[RetrieveTask], dict[int, Hold]]:
    """Tasks as whoever asks may see them, and what they wait for. Blocks. StoreError."""
    return tasks_behind(masking, office, tasks, holds(office.journal, office.config, tasks))


class View(NamedTuple):
    """A task with its story, as whoever asks may see it, and what it waits for."""

    story: Story
    hold: Hold | None


async def show_one(front: Front, request: Request) -> Response:
    """GET /tasks/{id}"""
    number = row_number(request.path_params["id"])
    assert number is not None  # the route has it
    view = await read(_view, front.office, number, front.masking(request))
    if view is None:
        raise HTTPException(404, f"there is no task {number}: it never was, or its time is over")
    return front.press.page(request, "task.html", view=view, deeds=deeds_for(view.story.task))


def _view(office: Office, number: int, masking: Masking) -> View | None:
    story = story_of(office.journal, number)
    if story is None:
        return None
    hold = holds(office.journal, office.config, [story.task]).get(number)
    return View(*story_behind(masking, office, story, hold))
