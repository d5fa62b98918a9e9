"""What an operator does to tasks: one, several, or all of a filter."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field

from engine.events import OperatorActed
from engine.retrieve.task import Verb
from engine.store import Done, is_running, numbers_of, operate
from engine.store.browse import TaskFilter, selected_by
from engine.telling.task_contents import TaskDone, TasksDone
from engine.web.api.operation import Call
from engine.web.api.parameters import Number, Parameters, TaskQuery
from engine.web.api.problem import Refused
from engine.web.api.tasks import no_such_task
from engine.web.office import User, origin_of
from engine.web.problem import Fault
from engine.web.reading import read

_MOST_NAMED = 10_000


class Wanted(Parameters):
    """Which tasks: by their numbers, or all that a filter selects."""

    tasks: Annotated[list[Number], Field(max_length=_MOST_NAMED)] = Field(
        [], description=f"Their numbers, at most {_MOST_NAMED}"
    )
    filter: TaskQuery | None = Field(None, description="As of GET /tasks; it has to name something")


async def act_on_one(call: Call) -> TasksDone:
    """POST /tasks/{id}/{verb}"""
    verb = _verb(call)
    user = call.operator(verb.value, (call.number,))
    done = await _done(call, verb, [call.number], user)
    if not done[0].done:
        if "no such task" in done[0].text:
            raise no_such_task(call.number)
        raise Refused(409, f"task {call.number}: {done[0].text}")
    return await _told(call, done)


async def act_on_many(call: Call) -> TasksDone:
    """POST /tasks/{verb}"""
    verb = _verb(call)
    user = call.operator(verb.value)
    wanted = await call.json(Wanted)
    numbers = wanted.tasks
    chosen = TaskFilter() if wanted.filter is None else wanted.filter.filter()
    if chosen != TaskFilter() and not numbers:
        selection = await read(selected_by, call.journal, chosen)
        numbers = await read(numbers_of, call.journal, selection)
    elif not numbers or wanted.filter is not None:  # a filter that names nothing would mean every task
        fault = Fault(parameter="tasks", detail='give either {"tasks": [1, 2]} or {"filter": {"route": "…"}}')
        raise Refused(400, "it is not said which tasks are meant", faults=(fault,))
    return await _told(call, await _done(call, verb, numbers, user) if numbers else [])


def _verb(call: Call) -> Verb:
    """Refused with those there are."""
    word = str(call.request.path_params["verb"])
    try:
        return Verb(word)
    except ValueError as error:
        raise Refused(
            404, f"nothing is done to tasks by the name of {word!r}", f"one of {', '.join(Verb)}"
        ) from error


async def _done(call: Call, verb: Verb, numbers: list[int], user: User) -> list[Done]:
    """Whatever was done has been told, also where it broke off in the middle."""
    done: list[Done] = []
    try:
        done = await asyncio.to_thread(operate, call.journal, verb, numbers, user.name)
    finally:
        changed = tuple(it.task_id for it in done if it.done) if done else tuple(numbers)
        if changed:
            acted = OperatorActed(user.name, origin_of(call.request), verb.value, changed, permitted=True)
            call.office.events.tell(acted)
    return done


async def _told(call: Call, done: list[Done]) -> TasksDone:
    return TasksDone(
        tasks=[TaskDone(task_id=it.task_id, done=it.done, text=it.text) for it in done],
        engine_running=await read(is_running, call.journal),
    )
