"""Tools: what has become of retrieves, and what a person may have done to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import Field

from engine.errors import IdentifierError
from engine.hl7.patient import PatientValues, of_all
from engine.mcp.caller import Ctx, who
from engine.mcp.desk import Desk
from engine.mcp.hints import MOVES, READS
from engine.mcp.result import clear, refused, told
from engine.mcp.switches import TASKS, require
from engine.retrieve.task import RetrieveTask, Verb
from engine.store import is_running, list_tasks, operate, patients_of, story_of
from engine.telling.masking import Veil
from engine.telling.selecting import selection_of
from engine.telling.story import story_lines
from engine.telling.task_contents import (
    MOST_INSTANCES,
    TaskContent,
    TaskDone,
    TaskList,
    TasksDone,
    TaskStory,
    list_content,
    story_content,
    task_content,
)
from engine.telling.tasks import AT_THE_NEXT_START, NO_ENGINE, Summary, summary_lines, summary_of
from engine.telling.veiling import veiled_hold, veiled_story, veiled_task, without_comments
from engine.waiting import holds

_MOST_LISTED = 200
_MOST_CHANGED = 100
_LARGEST = 2**63 - 1  # a number that the journal can keep

TaskIds = Annotated[list[int], Field(description="Numbers of tasks as tasks_list has them, 1 to 100 of them")]


def register(server: MCPServer, desk: Desk) -> None:
    """Add them."""
    _register_list(server, desk)
    _register_status(server, desk)
    _register_verbs(server, desk)


def _register_list(server: MCPServer, desk: Desk) -> None:
    @server.tool(title="List retrieve tasks", annotations=READS)
    @clear
    def tasks_list(
        status: Annotated[str, Field(description="Such as FAILED, or HELD, SCHEDULED; empty: any")] = "",
        cause: Annotated[str, Field(description="What ended so, such as unreachable; empty: any")] = "",
        gate: Annotated[str, Field(description="Held by approval, budget, operator, switch or lists")] = "",
        message: Annotated[int, Field(description="Those of one message, by its number; 0: any")] = 0,
        route: Annotated[str, Field(description="Those of this route; empty: any")] = "",
        archive: Annotated[str, Field(description="From this archive, by its name; empty: any")] = "",
        destination: Annotated[str, Field(description="To this destination, by its name; empty: any")] = "",
        since: Annotated[str, Field(description="Changed in the last, for instance, 12h or 3d")] = "",
        limit: Annotated[int, Field(description="List at most so many, 1 to 200")] = 50,
    ) -> Annotated[CallToolResult, TaskList]:
        """List retrieve tasks, newest first, and sum up all that are selected.

        Each task tells its outcome with the cure, or what it waits for. The sum tells how many have each
        status, what waits for what, and why others failed. status, cause and gate take several words with
        commas. Also says whether an engine runs; without one, nothing moves but what pacs_retrieve asks for.
        task_status tells more of one task.
        """
        _within("limit", limit, 1, _MOST_LISTED)
        _within("message", message, 0, _LARGEST)
        selection = selection_of(
            status=_words(status),
            cause=_words(cause),
            gate=_words(gate),
            message=message or None,
            route=route or None,
            archive=archive or None,
            destination=destination or None,
            since=since or None,
        )
        found = list_tasks(desk.journal, selection, limit=limit)
        summary = without_comments(summary_of(desk.config, selection), desk.masking)
        content = list_content(is_running(desk.journal), summary, _contents(desk, found))
        return told(_list_text(content, summary), content)


def _register_status(server: MCPServer, desk: Desk) -> None:
    @server.tool(title="Tell the story of a task", annotations=READS)
    @clear
    def task_status(
        task_id: Annotated[int, Field(description="The number of a task, as tasks_list has it")],
    ) -> Annotated[CallToolResult, TaskStory]:
        """Tell the whole story of one retrieve task.

        Which messages asked for it and how they were answered, what a search chose and why, every attempt
        with the archive's status and counters, what people did, what it waits for or how it ended with the
        cure, which objects did not arrive (at most 50), and the tasks that it has led to.
        """
        _within("task_id", task_id, 1, _LARGEST)
        story = story_of(desk.journal, task_id)
        if story is None:
            return refused(f"there is no task {task_id} in the journal; tasks_list has those that there are")
        hold = holds(desk.journal, desk.config, [story.task]).get(task_id)
        veil = _veil_over(desk, [story.task, *story.children])
        shown, hold = veiled_story(story, veil), veiled_hold(hold, veil)
        running = is_running(desk.journal)
        lines = [line.text for line in story_lines(shown, hold, most_instances=MOST_INSTANCES)]
        lines += [] if running else [NO_ENGINE]
        return told("\n".join(lines), story_content(shown, hold, running))


def _register_verbs(server: MCPServer, desk: Desk) -> None:
    @server.tool(title="Approve retrieve tasks", annotations=MOVES)
    @clear
    def task_approve(task_ids: TaskIds, ctx: Ctx) -> Annotated[CallToolResult, TasksDone]:
        """Let tasks go that wait for approval, are over the budget of their order, or are held by hand.

        Their images then move. Opens no window, no breaker and no limit, and nothing that the operator has
        switched off. Needs the operator's permission to act on tasks. An error where any was not approved.
        """
        return _change(desk, Verb.APPROVE, task_ids, ctx)

    @server.tool(title="Cancel retrieve tasks", annotations=MOVES)
    @clear
    def task_cancel(task_ids: TaskIds, ctx: Ctx) -> Annotated[CallToolResult, TasksDone]:
        """Cancel tasks for every message that waits for them; those under way by C-CANCEL.

        What has arrived stays. One under way ends CANCELED unless it arrives first: task_status tells. Needs
        the operator's permission to act on tasks. An error where any was not canceled.
        """
        return _change(desk, Verb.CANCEL, task_ids, ctx)

    @server.tool(title="Retry retrieve tasks", annotations=MOVES)
    @clear
    def task_retry(task_ids: TaskIds, ctx: Ctx) -> Annotated[CallToolResult, TasksDone]:
        """Try again what has failed, arrived in part or was canceled, and what waits for another attempt.

        Not what arrived, what nobody wants any more, or what another task does. Needs the operator's
        permission to act on tasks. An error where any is not tried again; task_status tells what it comes to.
        """
        return _change(desk, Verb.RETRY, task_ids, ctx)


def _change(desk: Desk, verb: Verb, task_ids: Sequence[int], ctx: Ctx) -> CallToolResult:
    require(desk.switches.tasks, TASKS, "acting on tasks")
    _within("task_ids: how many", len(task_ids), 1, _MOST_CHANGED)
    for task_id in task_ids:
        _within("task_ids", task_id, 1, _LARGEST)
    done = operate(desk.journal, verb, task_ids, who(ctx))
    running = is_running(desk.journal)
    content = TasksDone(
        tasks=[TaskDone(task_id=it.task_id, done=it.done, text=it.text) for it in done],
        engine_running=running,
    )
    lines = [f"task {it.task_id}: {it.text}" for it in done]
    lines += [] if running else [AT_THE_NEXT_START]
    return told("\n".join(lines), content, failed=not all(it.done for it in done))


def _within(name: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise IdentifierError(f"{name}: from {least} to {most}, not {number}")


def _words(text: str) -> list[str]:
    return [word for part in text.split(",") if (word := part.strip())]


def _contents(desk: Desk, tasks: Sequence[RetrieveTask]) -> list[TaskContent]:
    """What is told of each task, its patient behind a veil."""
    reasons = holds(desk.journal, desk.config, tasks)
    veils = _veils(desk, tasks)
    return [
        task_content(veiled_task(task, veils[task.id]), veiled_hold(reasons.get(task.id), veils[task.id]))
        for task in tasks
    ]


def _veils(desk: Desk, tasks: Sequence[RetrieveTask]) -> dict[int, Veil]:
    """By the number of each task."""
    if desk.masking.shown:
        return {task.id: desk.masking.of(PatientValues()) for task in tasks}
    values = patients_of(desk.journal, tasks, desk.config.engine.default_charset)
    return {task.id: desk.masking.of(values[task.id]) for task in tasks}


def _veil_over(desk: Desk, tasks: Sequence[RetrieveTask]) -> Veil:
    """Hides the patients of all these tasks."""
    return desk.masking.of(of_all(veil.values for veil in _veils(desk, tasks).values()))


def _list_text(content: TaskList, summary: Summary) -> str:
    lines = [_task_line(task) for task in content.tasks]
    lines += [f"and {content.left_off} older ones"] if content.left_off else []
    lines += [line.text for line in summary_lines(summary)]
    return "\n".join([*lines, *([] if content.engine_running else [NO_ENGINE])])


def _task_line(task: TaskContent) -> str:
    """Such as "task 4 FAILED: study 1.2.3, main to reading: no TCP connection (…)"."""
    line = f"task {task.task_id} {task.status}: {task.what}, {task.archive} to {task.destination}"
    outcome = task.outcome
    if outcome is not None:
        return f"{line}: {outcome.text}" + (f" ({outcome.cure})" if outcome.cure else "")
    why = ": ".join(part for part in (task.gate, task.reason) if part)
    until = f", until {task.until}" if task.until else ""
    return f"{line}: {why}{until}" if why else line
