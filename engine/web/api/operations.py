"""All calls of the API."""

from __future__ import annotations

from engine.telling.engines import EngineList
from engine.telling.nodes import EchoAnswer
from engine.telling.task_contents import TasksDone, TaskStory
from engine.web.api import export, messages, site, status, tasks, trying, verbs
from engine.web.api.decisions import Explanation
from engine.web.api.operation import Operation
from engine.web.api.parameters import MessagePageQuery, MessageQuery, TaskPageQuery, TaskQuery

OPERATIONS = (
    Operation(
        "GET",
        "/status",
        "status",
        "How it goes, in numbers",
        status.tell_status,
        answer=status.Status,
        query=status.StatusQuery,
    ),
    Operation(
        "GET",
        "/messages",
        "messages",
        "Messages, newest first",
        messages.list_messages,
        "With patient or accession the newest 20,000 messages of a page are read, and of older ones those "
        "that led to tasks are told; looked_to says where it has stopped.",
        answer=messages.MessagePage,
        query=MessagePageQuery,
    ),
    Operation(
        "GET",
        "/messages.csv",
        "messages_csv",
        "All messages of a filter, as CSV",
        export.export_messages,
        media="text/csv",
        query=MessageQuery,
    ),
    Operation(
        "GET",
        "/messages/{id:int}",
        "message",
        "A message with its fields, its decision, its acknowledgments and its tasks",
        messages.tell_message,
        answer=messages.MessageDetail,
        refusals=(404,),
    ),
    Operation(
        "GET",
        "/tasks",
        "tasks",
        "Retrieve tasks, newest first",
        tasks.list_tasks,
        "By what an interface engine knows: control_id (MSH-10), accession or order.",
        answer=tasks.TaskPage,
        query=TaskPageQuery,
    ),
    Operation(
        "GET",
        "/tasks.csv",
        "tasks_csv",
        "All tasks of a filter, as CSV",
        export.export_tasks,
        media="text/csv",
        query=TaskQuery,
    ),
    Operation(
        "GET",
        "/tasks/{id:int}",
        "task",
        "A task with its story: who asked, every attempt, what it waits for, the cure",
        tasks.tell_task,
        answer=TaskStory,
        refusals=(404,),
    ),
    Operation(
        "POST",
        "/tasks/{id:int}/{verb}",
        "act_on_task",
        "Approve, hold, cancel, retry or expedite a task",
        verbs.act_on_one,
        "For operators. 409 with the reason where the task does not allow it.",
        answer=TasksDone,
        refusals=(403, 404, 409),
    ),
    Operation(
        "POST",
        "/tasks/{verb}",
        "act_on_tasks",
        "Approve, hold, cancel, retry or expedite several tasks, or all of a filter",
        verbs.act_on_many,
        "For operators. Tells for each task whether anything was done, and why not.",
        answer=TasksDone,
        body=verbs.Wanted,
        refusals=(403, 404, 413),
    ),
    Operation("GET", "/routes", "routes", "The routes, in words", site.list_routes, answer=site.RouteList),
    Operation(
        "POST",
        "/explain",
        "explain",
        "What a message would come to; nothing is kept, and nothing moves",
        trying.explain,
        answer=Explanation,
        text_body="One HL7 v2 message or several, as they are sent; segments may end with line feeds",
        refusals=(413,),
        sparse=True,
    ),
    Operation(
        "GET",
        "/nodes",
        "nodes",
        "Archives and destinations, with the gates that are closed and until when",
        site.list_nodes,
        answer=site.NodeList,
    ),
    Operation(
        "GET",
        "/engines",
        "engines",
        "Engine nodes: the forefetch processes that share the journal",
        site.list_engines,
        "None where the journal is a file, which one process serves at a time.",
        answer=EngineList,
    ),
    Operation(
        "POST",
        "/nodes/echo",
        "echo",
        "Ask nodes by C-ECHO whether they are there",
        site.echo_nodes,
        "For operators. Moves nothing. All are asked at once.",
        answer=EchoAnswer,
        body=site.EchoQuery,
        refusals=(403, 413),
    ),
)
"""Those with a fixed path stand before those that would take it too."""
