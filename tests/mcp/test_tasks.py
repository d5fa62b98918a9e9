"""tasks_list, task_status and the verbs on tasks, as an assistant calls them."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult
from typer.testing import CliRunner

from engine.cli import app
from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus
from engine.retrieve.task import Choice
from engine.store import Store, list_tasks, story_of
from engine.telling.tasks import NO_ENGINE
from tests.dispatcher import until
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE, Hospital, hospital, order
from tests.mcp.assistant import assistant, at_desk, content, text
from tests.mcp.clinic import SLOWER, clinic, retrieve
from tests.mcp.engine import engine, written
from tests.store import ARRIVED, FAILED, PRIORS, message, request

S = TaskStatus
NOW = dt.datetime.now(dt.UTC)
PARTLY = Outcome(
    S.WARNING,
    Cause.SOME_FAILED,
    "60 of 63 objects did not arrive",
    dicom_status=0xB000,
    counters=SubOperations(remaining=None, completed=3, failed=60, warning=0),
    comment="disk full",
    failed_instances=tuple(f"1.2.3.{number}" for number in range(1, 61)),
    cure="check the destination's log",
)
ANSWERED = Outcome(S.COMPLETED, Cause.RESOLVED, "1 of 2 found taken")
CHOICES = (Choice(True, "CT of 2024: taken", "1.7"), Choice(False, "older than 5 days", "1.8"))
VERBS = ["task_approve", "task_cancel", "task_retry"]


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    """A journal of eight tasks: FAILED, FAILED, COMPLETED, HELD, SCHEDULED; WARNING; a question that has
    been answered, and what it led to."""
    path = tmp_path / "routes.yaml"
    path.write_text(
        f"""
engine: {{listen: "127.0.0.1:1", store: {tmp_path / "forefetch.db"}, time_zone: UTC}}
archives: {{pacs: {{ae_title: PACS, host: 127.0.0.1, port: 1}}}}
destinations: {{ws: {{ae_title: WS}}, er: {{ae_title: ER}}}}
routes: [{{name: orders, messages: ORM^O01, studies: {{study: ZDS-1.1}}, from: pacs, to: ws}}]
"""
    )
    asyncio.run(_fill(tmp_path / "forefetch.db"))
    return path


async def _fill(path: Path) -> None:
    store = Store.open(path)
    to = ("ws", "ws", "er", "ws", "ws")
    requests = [request(f"1.{number}", destination=it) for number, it in enumerate(to, 1)]
    await store.journal(message("M1", *requests[:4]))
    await store.journal(message("M2", requests[4], request("1.6"), request(PRIORS)))
    for number, outcome in ((1, FAILED), (2, FAILED), (3, ARRIVED), (6, PARTLY)):
        await store.claim(number)
        await store.finish(number, outcome)
    await store.claim(7)
    await store.resolve(7, ANSWERED, CHOICES, [request("1.7")])
    await store.hold(4, "approval", "its route says so", NOW + dt.timedelta(days=1))
    await store.close()


async def call(routes: Path, tool: str, **arguments: object) -> CallToolResult:
    async with at_desk(routes) as client:
        return await client.call_tool(tool, arguments)


def typed(*words: object) -> str:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "300"}).output


# tasks_list


async def test_tasks_are_listed_as_the_command_line_has_them(routes: Path) -> None:
    async with assistant(routes) as client:
        told = content(await client.call_tool("tasks_list"))
    wanted = json.loads(typed("tasks", "--config", routes, "--json"))
    names = {"task": "task_id", "message": "message_id", "from": "archive", "to": "destination"}
    tasks = [{names.get(key, key): value for key, value in task.items()} for task in wanted.pop("tasks")]
    assert told.pop("tasks") == tasks
    assert told.pop("engine_running") is wanted.pop("engine") is False
    assert told.pop("left_off") == 0
    assert told == wanted


async def test_the_text_tells_each_task_the_sum_and_that_no_engine_runs(routes: Path) -> None:
    lines = text(await call(routes, "tasks_list")).splitlines()
    assert lines[:3] == [
        "task 8 SCHEDULED: study 1.7, pacs to ws",
        "task 7 COMPLETED: the patient's priors, pacs to ws: 1 of 2 found taken",
        f"task 6 WARNING: study 1.6, pacs to ws: {PARTLY.sentence}",
    ]
    assert lines[4].startswith("task 4 HELD: study 1.4, pacs to ws: approval: its route says so, until ")
    assert lines[8] == "2 SCHEDULED, 1 HELD, 2 COMPLETED, 1 WARNING, 2 FAILED"
    assert "2 FAILED: 2 unreachable" in lines
    assert lines[-1] == NO_ENGINE


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ({"status": "failed, HELD"}, [4, 2, 1]),
        ({"destination": "er"}, [3]),
        ({"message": 2}, [8, 7, 6, 5]),
        ({"route": "order"}, []),
        ({"route": "orders", "archive": "pacs", "cause": "unreachable"}, [2, 1]),
        ({"gate": "approval"}, [4]),
        ({"since": "1h", "limit": 2}, [8, 7]),
    ],
)
async def test_tasks_are_selected_by_what_is_known_of_them(
    routes: Path, arguments: dict[str, Any], numbers: list[int]
) -> None:
    told = content(await call(routes, "tasks_list", **arguments))
    assert [task["task_id"] for task in told["tasks"]] == numbers
    assert told["left_off"] == (6 if "limit" in arguments else 0)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"status": "BROKEN"}, "status: one of SCHEDULED, "),
        ({"cause": "bad"}, "cause: one of arrived, "),
        ({"gate": "window"}, "gate: one of approval, "),
        ({"since": "yesterday"}, "since: a duration such as"),
        ({"limit": 0}, "limit: from 1 to 200, not 0"),
        ({"limit": 201}, "limit: from 1 to 200, not 201"),
        ({"message": -1}, "message: from 0 to "),
    ],
)
async def test_a_word_that_is_none_is_answered_with_those_that_are(
    routes: Path, arguments: dict[str, Any], sentence: str
) -> None:
    told = await call(routes, "tasks_list", **arguments)
    assert told.is_error
    assert sentence in text(told)


# task_status


async def test_a_story_is_told_in_the_words_of_the_command_line(routes: Path) -> None:
    async with assistant(routes) as client:
        for number in (1, 4, 7):
            told = await client.call_tool("task_status", {"task_id": number})
            wanted = typed("task", number, "--config", routes).rstrip("\n")
            assert text(told).startswith(wanted)
            assert text(told).removeprefix(wanted).startswith("\nno forefetch serves this journal")


async def test_a_held_task_tells_its_gate_and_who_asked(routes: Path) -> None:
    told = content(await call(routes, "task_status", task_id=4))
    task = told["task"]
    assert (task["status"], task["gate"], task["reason"]) == ("HELD", "approval", "its route says so")
    assert dt.datetime.fromisoformat(task["until"]) == NOW + dt.timedelta(days=1)
    (asked,) = told["messages"]
    assert (asked["message_id"], asked["message_type"], asked["control_id"]) == (1, "ORM^O01", "M1")
    assert (told["outcome"], told["engine_running"], told["approved"]) == (None, False, False)


async def test_of_many_instances_that_did_not_arrive_fifty_are_named(routes: Path) -> None:
    told = await call(routes, "task_status", task_id=6)
    outcome = content(told)["outcome"]
    assert (len(outcome["failed_instances"]), outcome["failed_instances_left_off"]) == (50, 10)
    assert outcome["counters"] == {"remaining": None, "completed": 3, "failed": 60, "warning": 0}
    assert (outcome["dicom_status"], outcome["cause"], outcome["arrived"]) == ("B000", "some-failed", False)
    assert outcome["cure"] == "check the destination's log"
    assert outcome["comment"] == "disk full"
    assert text(told).count("did not arrive: 1.2.3.") == 50
    assert "and 10 more did not arrive" in text(told)


async def test_a_question_tells_what_it_chose_and_what_it_led_to(routes: Path) -> None:
    told = content(await call(routes, "task_status", task_id=7))
    assert [(choice["study"], choice["taken"]) for choice in told["choices"]] == [
        ("1.7", True),
        ("1.8", False),
    ]
    assert told["children"] == [{"task_id": 8, "what": "study 1.7", "status": "SCHEDULED"}]
    assert content(await call(routes, "task_status", task_id=8))["found_by"] == 7


@pytest.mark.parametrize("number", [99, 0, 2**63])
async def test_a_task_that_there_is_not_is_an_error(routes: Path, number: int) -> None:
    told = await call(routes, "task_status", task_id=number)
    assert told.is_error
    assert ("there is no task 99" if number == 99 else "task_id: from 1 to ") in text(told)


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [("tasks_list", {}), ("task_status", {"task_id": 1}), ("task_retry", {"task_ids": [1]})],
)
async def test_without_a_journal_every_tool_says_so(
    routes: Path, tool: str, arguments: dict[str, Any]
) -> None:
    (routes.parent / "forefetch.db").unlink()
    told = await call(routes, tool, **arguments)
    assert told.is_error
    assert "there is no journal" in text(told)
    assert "`forefetch serve` creates it" in text(told)


# the verbs


@pytest.mark.parametrize("tool", VERBS)
async def test_a_verb_is_refused_with_the_cure_where_it_is_switched_off(routes: Path, tool: str) -> None:
    before = list_tasks(routes.parent / "forefetch.db")
    async with at_desk(routes, ALLOWED) as client:
        told = await client.call_tool(tool, {"task_ids": [1, 4]})
    assert told.is_error
    assert "DICOM_HL7_PACS_ALLOW_TASKS to exactly 'true'" in text(told)
    assert list_tasks(routes.parent / "forefetch.db") == before


@pytest.mark.parametrize("tool", VERBS)
@pytest.mark.parametrize("numbers", [[], list(range(1, 102)), [0], [2**63]])
async def test_numbers_out_of_bounds_are_answered_with_the_bounds(
    routes: Path, tool: str, numbers: list[int]
) -> None:
    told = await call(routes, tool, task_ids=numbers)
    assert told.is_error
    assert "task_ids" in text(told)
    assert "from 1 to " in text(told)


async def test_what_cannot_be_done_to_one_of_several_is_an_error_and_the_others_are_done(
    routes: Path,
) -> None:
    told = await call(routes, "task_retry", task_ids=[1, 3, 99])
    assert told.is_error
    assert content(told)["tasks"] == [
        {"task_id": 1, "done": True, "text": "is tried again"},
        {"task_id": 3, "done": False, "text": "arrived: forefetch retrieve moves it once more"},
        {"task_id": 99, "done": False, "text": "there is no such task"},
    ]
    assert content(told)["engine_running"] is False
    assert text(told).splitlines()[-1] == (
        "no forefetch serves this journal: for what messages ask for it takes effect at the next start"
    )


@pytest.mark.parametrize(
    ("name", "who"),
    [
        ("Claude Desktop", "mcp (Claude Desktop)"),
        ("line\nbreak\x1b[31m\u202e", "mcp (linebreak[31m)"),
        ("x" * 100, f"mcp ({'x' * 40})"),
        ("\t", "mcp"),
        ("", "mcp"),
    ],
)
@pytest.mark.parametrize("legacy", [True, False])
async def test_the_story_of_a_task_names_the_client(routes: Path, name: str, who: str, legacy: bool) -> None:
    async with at_desk(routes, name=name, legacy=legacy) as client:
        told = await client.call_tool("task_cancel", {"task_ids": [5]})
    assert not told.is_error, text(told)
    story = story_of(routes.parent / "forefetch.db", 5)
    assert story is not None
    assert story.lines[0].text == f"by {who}"


HOLDING = """
routes:
  - {name: asks, messages: ORM^O01, when: {field: ORC-1, equals: RE}, studies: {study: ZDS-1.1},
     from: main, to: reading, hold: true}
  - {name: lost, messages: ORM^O01, when: {field: ORC-1, equals: UA}, studies: {study: ZDS-1.1},
     from: main, to: down}
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path, HOLDING) as running:
        yield running


async def becomes(client: Client, number: int, status: TaskStatus) -> dict[str, Any]:
    """What a task has come to, as the tool tells it."""
    async with asyncio.timeout(30):
        while True:
            told = content(await client.call_tool("task_status", {"task_id": number}))
            if told["task"]["status"] == status:
                return told


async def test_what_an_assistant_approves_moves_and_what_it_cancels_does_not(
    tmp_path: Path, site: Hospital
) -> None:
    routes = written(tmp_path, site.text)
    messages = order("RE", study=CHEST_CT) + order("RE", study=OLD_KNEE, control_id="M2")
    with engine(routes):
        async with assistant(routes, name="tester") as client:
            sent = await client.call_tool("hl7_send", {"message": messages.decode()})
            assert not sent.is_error
            approved = await client.call_tool("task_approve", {"task_ids": [1]})
            canceled = await client.call_tool("task_cancel", {"task_ids": [2]})
            moved = await becomes(client, 1, S.COMPLETED)
            stopped = await becomes(client, 2, S.CANCELED)
    assert (text(approved), text(canceled)) == ("task 1: is approved", "task 2: is canceled")
    assert content(approved)["engine_running"] is True
    assert (moved["approved"], moved["outcome"]["counters"]["completed"]) == (True, 5)
    assert moved["events"][-1]["text"] == "by mcp (tester)"
    assert stopped["outcome"]["cause"] == "canceled"
    assert [move.study_uid for move in site.archive.moves] == [CHEST_CT]


async def test_what_failed_is_tried_again_at_once(tmp_path: Path, site: Hospital) -> None:
    routes = written(tmp_path, site.text)
    with engine(routes):
        async with assistant(routes, legacy=False) as client:
            sent = await client.call_tool("hl7_send", {"message": order("UA", study=CHEST_CT).decode()})
            assert sent.is_error
            told = await client.call_tool("task_retry", {"task_ids": [1]})
            assert not told.is_error
            await until(lambda: len(site.archive.moves) == 2)
            failed = await becomes(client, 1, S.FAILED)
    assert failed["task"]["attempts"] == 2
    assert (failed["events"][-1]["event"], failed["events"][-1]["text"]) == ("retried", "by mcp (mcp)")
    assert failed["events"][-1]["outcome"]["cause"] == failed["outcome"]["cause"]


async def test_the_tools_say_what_they_do_to_others(routes: Path) -> None:
    async with at_desk(routes) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    for name in ("tasks_list", "task_status", *VERBS):
        annotations = tools[name].annotations
        assert annotations is not None
        assert annotations.read_only_hint is (name not in VERBS)
        assert annotations.destructive_hint is (name in VERBS)
        assert annotations.open_world_hint is (name in VERBS)
        assert tools[name].output_schema is not None


async def test_without_an_engine_what_is_asked_for_by_hand_moves_and_is_canceled_at_once(
    tmp_path: Path,
) -> None:
    with clinic(tmp_path, SLOWER) as site:
        async with at_desk(site.routes) as client:
            moving = asyncio.create_task(retrieve(client))
            assert await asyncio.to_thread(site.archive.faults.wait_for, 1, 30)
            listed = await client.call_tool("tasks_list", {"status": "IN_PROGRESS"})
            canceled = await client.call_tool("task_cancel", {"task_ids": [1]})
            ended = await moving
    assert content(listed)["counts"] == {"IN_PROGRESS": 1}
    assert "nothing moves" not in text(listed)
    assert not canceled.is_error
    assert (ended.is_error, content(ended)["task_status"]) == (True, "CANCELED")
