"""What operators do to tasks: first a page that says what will happen and to how many, then it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.events import OperatorActed
from engine.retrieve.task import RetrieveTask, Verb
from engine.store import Done, forecast, operate, tasks_numbered
from engine.telling.masking import Masking
from engine.waiting import Hold
from engine.web.office import Office, Role, origin_of, require
from engine.web.pages.filters import row_number
from engine.web.pages.front import Front
from engine.web.pages.tasks import shown
from engine.web.pages.wording import DEEDS, Deed
from engine.web.reading import read

_MOST = 200  # tasks of one request; a page has fewer


async def confirm(front: Front, request: Request) -> Response:
    """GET /tasks/confirm: ``verb`` and each ``task``. Nothing is done."""
    deed, numbers = _asked(str(request.query_params.get("verb", "")), request.query_params.getlist("task"))
    require(request, front.office, Role.OPERATOR, deed.verb, numbers)
    tasks, waits, told = await read(_foreseen, front.office, deed.verb, numbers, front.masking(request))
    return front.press.page(
        request,
        "confirm.html",
        deed=deed,
        tasks=tasks,
        holds=waits,
        told=told,
        count=sum(one.done for one in told.values()),
    )


async def act(front: Front, request: Request) -> Response:
    """POST /tasks/act: the same in a form. What came of it is told of each task."""
    async with request.form() as form:
        deed, numbers = _asked(str(form.get("verb", "")), map(str, form.getlist("task")))
    office = front.office
    user = require(request, office, Role.OPERATOR, deed.verb, numbers)
    try:
        results = await asyncio.to_thread(operate, office.journal, deed.verb, numbers, user.name)
    finally:  # also where it broke off in the middle
        office.events.tell(OperatorActed(user.name, origin_of(request), deed.verb, numbers, permitted=True))
    return front.press.page(
        request, "done.html", deed=deed, results=results, done=sum(one.done for one in results)
    )


def _asked(verb: str, numbers: Iterable[str]) -> tuple[Deed, tuple[int, ...]]:
    try:
        deed = DEEDS[Verb(verb)]
    except ValueError as error:
        raise HTTPException(400, f"verb: one of {', '.join(Verb)}") from error
    asked = tuple(dict.fromkeys(number for it in numbers if (number := row_number(it)) is not None))
    if not asked:
        raise HTTPException(400, "no task is chosen: mark those that are meant, then choose what to do")
    if len(asked) > _MOST:
        raise HTTPException(400, f"{len(asked)} tasks; choose at most {_MOST}, or use the command line")
    return deed, asked


def _foreseen(
    office: Office, verb: Verb, numbers: Sequence[int], masking: Masking
) -> tuple[list[RetrieveTask], dict[int, Hold], dict[int, Done]]:
    """The tasks that are there, what they wait for, and what the verb would come to on each."""
    tasks, waits = shown(office, tasks_numbered(office.journal, numbers), masking)
    return tasks, waits, {one.task_id: one for one in forecast(office.journal, verb, numbers)}
