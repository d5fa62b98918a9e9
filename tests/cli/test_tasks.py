"""The verbs of an operator as they are typed: tasks, task, retry, cancel, approve, hold, expedite."""

from __future__ import annotations

import asyncio
import datetime as dt
import getpass
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from engine.app import Engine
from engine.cli import app
from engine.config import parse
from engine.errors import StoreError
from engine.retrieve.outcome import TaskStatus
from engine.sender import send
from engine.store import Store, list_tasks
from tests.dispatcher import until
from tests.hospital import ALLOWED, CHEST_CT, OLD_KNEE, Hospital, field, hospital, order
from tests.store import ARRIVED, FAILED, message, request

S = TaskStatus
NOW = dt.datetime.now(dt.UTC)
SHUT = (NOW + dt.timedelta(hours=12)).strftime("daily %H:00-%H:01")
ROUTES = f"""
gate: {{budgets: {{patient: {{studies: 1}}}}}}
routes:
  - {{name: night, messages: ORM^O01, when: {{field: ORC-1, equals: NW}}, studies: {{study: ZDS-1.1}},
     from: main, to: reading, windows: {SHUT}, acknowledge: accepted}}
  - {{name: asks, messages: ORM^O01, when: {{field: ORC-1, equals: RE}}, studies: {{study: ZDS-1.1}},
     from: main, to: reading, hold: true}}
  - {{name: again, messages: ORM^O01, when: {{field: ORC-1, equals: UA}}, studies: {{study: ZDS-1.1}},
     from: dark, to: reading, retry: 3x1h, deadline: 2s}}
  - {{name: plain, messages: ORM^O01, when: {{field: ORC-1, equals: SC}}, studies: {{study: ZDS-1.1}},
     from: main, to: reading}}
"""


def run(*words: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=typed, env={"COLUMNS": "300"})


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Routes and a journal of five tasks: two FAILED, one COMPLETED, one HELD, one SCHEDULED."""
    path = tmp_path / "routes.yaml"
    path.write_text(
        f"""
engine: {{listen: "127.0.0.1:0", store: {tmp_path / "forefetch.db"}, time_zone: UTC}}
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
    await store.journal(message("M2", requests[4]))
    for number, outcome in ((1, FAILED), (2, FAILED), (3, ARRIVED)):
        await store.claim(number)
        await store.finish(number, outcome)
    await store.hold(4, "approval", "its route says so", NOW + dt.timedelta(days=1))
    await store.close()


def statuses(config: Path) -> list[TaskStatus]:
    return [task.status for task in reversed(list_tasks(config.parent / "forefetch.db"))]


def test_tasks_end_with_what_waits_and_why_it_failed(config: Path) -> None:
    result = run("tasks", "--config", config)
    assert result.exit_code == 0, result.output
    end = result.output.splitlines()[-5:]
    assert end[0] == "1 SCHEDULED, 1 HELD, 1 COMPLETED, 2 FAILED"
    assert end[1].startswith("1 held: approval: its route says so, expires ")
    assert end[2] == "1 wait: their turn"
    assert end[3] == "2 FAILED: 2 unreachable"
    assert end[4].startswith("no forefetch serves this journal")


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ((), [5, 4, 3, 2, 1]),
        (("--status", "failed", "--status", "HELD"), [4, 2, 1]),
        (("--destination", "er"), [3]),
        (("--message", "2"), [5]),
        (("--route", "order"), []),
        (("--route", "orders", "--archive", "pacs", "--cause", "unreachable"), [2, 1]),
        (("--gate", "approval"), [4]),
        (("--since", "1h"), [5, 4, 3, 2, 1]),
        (("--limit", "2"), [5, 4]),
    ],
)
def test_tasks_are_selected_by_what_is_known_of_them(
    config: Path, words: tuple[str, ...], numbers: list[int]
) -> None:
    result = run("tasks", "--config", config, "--json", *words)
    assert result.exit_code == 0, result.output
    assert [task["task"] for task in json.loads(result.output)["tasks"]] == numbers


def test_tasks_as_json_tell_gate_cause_and_whether_an_engine_runs(config: Path) -> None:
    told = json.loads(run("tasks", "--config", config, "--json").output)
    assert told["engine"] is False
    assert told["counts"] == {"SCHEDULED": 1, "HELD": 1, "COMPLETED": 1, "FAILED": 2}
    assert told["causes"] == [{"status": "FAILED", "cause": "unreachable", "count": 2}]
    held = told["tasks"][1]
    assert (held["gate"], held["reason"], held["until"][:4]) == (
        "approval",
        "its route says so",
        str(NOW.year),
    )
    assert told["tasks"][4]["outcome"]["cure"] == "check host and port"
    assert {line["gate"] for line in told["waiting"]} == {"approval", ""}


@pytest.mark.parametrize(
    ("option", "word", "text"),
    [
        ("--status", "BROKEN", "SCHEDULED"),
        ("--cause", "bad", "unreachable"),
        ("--gate", "window", "approval"),
        ("--since", "yesterday", "a duration such as"),
        ("--message", "0", "--message"),
    ],
)
def test_a_word_that_is_none_is_answered_with_those_that_are(
    config: Path, option: str, word: str, text: str
) -> None:
    for verb in ("tasks", "cancel"):
        result = run(verb, "--config", config, option, word)
        assert result.exit_code == 2
        assert text in result.output


def test_a_named_task_is_acted_on_and_its_story_tells_by_whom(config: Path) -> None:
    result = run("retry", 1, "--config", config)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[0] == "task 1: is tried again"
    assert "takes effect at the next start" in result.output
    story = run("task", 1, "--config", config)
    assert story.exit_code == 0
    assert f"retried: by {getpass.getuser()}" in story.output
    assert "asked for by message 1, ORM^O01 M1" in story.output
    assert "FAILED, unreachable: no connection (check host and port)" in story.output


def test_what_cannot_be_done_is_said_and_exits_with_1(config: Path) -> None:
    result = run("retry", 1, 3, 99, "--config", config)
    assert result.exit_code == 1
    assert "task 1: is tried again" in result.output
    assert "task 3: arrived: forefetch retrieve moves it once more" in result.output
    assert "task 99: there is no such task" in result.output


@pytest.mark.parametrize(
    ("words", "after"),
    [
        (("retry", "--cause", "unreachable"), [S.SCHEDULED, S.SCHEDULED, S.COMPLETED, S.HELD, S.SCHEDULED]),
        (("cancel", "--message", 1), [S.FAILED, S.FAILED, S.COMPLETED, S.CANCELED, S.SCHEDULED]),
        (("hold", "--archive", "pacs"), [S.FAILED, S.FAILED, S.COMPLETED, S.HELD, S.HELD]),
        (("approve", "--gate", "approval"), [S.FAILED, S.FAILED, S.COMPLETED, S.SCHEDULED, S.SCHEDULED]),
        (("approve", "--gate", "operator"), [S.FAILED, S.FAILED, S.COMPLETED, S.HELD, S.SCHEDULED]),
        (("expedite", "--since", "1d"), [S.FAILED, S.FAILED, S.COMPLETED, S.HELD, S.SCHEDULED]),
    ],
)
def test_a_selection_means_only_what_the_verb_is_for(
    config: Path, words: tuple[object, ...], after: list[TaskStatus]
) -> None:
    result = run(*words, "--config", config, "--yes")
    assert result.exit_code == 0, result.output
    assert statuses(config) == after


def test_what_nobody_approved_in_time_can_be_approved_together(config: Path) -> None:
    with closing(sqlite3.connect(config.parent / "forefetch.db", isolation_level=None)) as journal:
        journal.execute("UPDATE tasks SET cause = 'approval-expired' WHERE id = 1")
    words = ("approve", "--status", "FAILED", "--cause", "approval-expired", "--config", config, "--yes")
    assert run(*words).output.splitlines()[0] == "task 1: is approved after its time"
    assert statuses(config)[:2] == [S.SCHEDULED, S.FAILED]


def test_a_selection_is_confirmed_and_without_a_terminal_it_needs_yes(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = statuses(config)
    result = run("retry", "--status", "FAILED", "--config", config)
    assert result.exit_code == 2
    assert "2 tasks are selected; say --yes to retry them" in result.output
    monkeypatch.setattr("engine.cli.verbs._at_terminal", lambda: True)
    assert run("retry", "--status", "FAILED", "--config", config, typed="n\n").exit_code == 1
    assert statuses(config) == before
    assert run("retry", "--status", "FAILED", "--config", config, typed="y\n").exit_code == 0
    assert statuses(config)[:2] == [S.SCHEDULED, S.SCHEDULED]


@pytest.mark.parametrize("words", [(), (1, "--route", "orders")])
def test_tasks_are_either_named_or_selected(config: Path, words: tuple[object, ...]) -> None:
    before = statuses(config)
    result = run("cancel", *words, "--config", config, "--yes")
    assert result.exit_code == 2
    assert "either name tasks, or select them" in result.output
    assert statuses(config) == before


@pytest.mark.parametrize("number", [0, 2**63])
def test_a_number_that_no_task_can_have_is_refused(config: Path, number: int) -> None:
    for verb in ("task", "hold"):
        assert run(verb, number, "--config", config).exit_code == 2


def test_a_task_that_does_not_exist_is_said(config: Path) -> None:
    result = run("task", 99, "--config", config)
    assert result.exit_code == 2
    assert "there is no task 99" in result.output


def test_many_tasks_are_told_by_kind(config: Path) -> None:
    result = run("hold", *range(1, 40), "--config", config)
    assert result.exit_code == 1
    assert "34 tasks (the first is 6): there is no such task" in result.output
    assert "2 tasks (the first is 4): is held" in result.output
    assert "task 3: is COMPLETED: too late to hold it" in result.output


def test_a_user_without_a_name_can_act(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert run("retry", 1, "--config", config).exit_code == 0
    assert "retried: by user " in run("task", 1, "--config", config).output


@pytest.mark.parametrize("words", [("tasks",), ("task", 1), ("retry", 1), ("cancel", "--status", "FAILED")])
def test_without_a_journal_every_verb_says_so(config: Path, words: tuple[object, ...]) -> None:
    (config.parent / "forefetch.db").unlink()
    result = run(*words, "--config", config)
    assert isinstance(result.exception, StoreError)
    assert "there is no journal" in str(result.exception)


@asynccontextmanager
async def at_work(folder: Path) -> AsyncIterator[tuple[Hospital, Engine, Path]]:
    """A real engine between simulated nodes, whose archive ``dark`` is left alone after one failure."""
    with hospital(folder, ROUTES) as site:
        text = site.text.replace(
            "ae_title: DARK,", "ae_title: DARK, breaker: {failures: 1, pause: 1h, longest: 1h},"
        )
        path = folder / "routes.yaml"
        path.write_text(text)
        async with Engine(parse(text), ALLOWED) as engine:
            yield site, engine, path


async def type_in(*words: object) -> Result:
    return await asyncio.to_thread(run, *words)


async def tasks_json(config: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((await type_in("tasks", "--config", config, "--json")).output)
    return told


async def becomes(config: Path, number: int, status: TaskStatus) -> None:
    """Another process' view: what the running engine has made of a task."""

    def now() -> TaskStatus:
        return next(it.status for it in list_tasks(config.parent / "forefetch.db") if it.id == number)

    await until(lambda: now() is status)


async def test_the_gate_of_each_task_is_shown_and_opened_from_outside(tmp_path: Path) -> None:
    async with at_work(tmp_path) as (site, engine, config):
        asked = (
            ("NW", CHEST_CT, "P1"),
            ("RE", OLD_KNEE, "P2"),
            ("UA", CHEST_CT, "P3"),
            ("UA", OLD_KNEE, "P3"),
        )
        for number, (control, study, patient) in enumerate(asked, 1):
            sent = order(control, study=study, patient=patient, control_id=f"M{number}")
            (ack,) = await _acks(engine, sent)
            assert field(ack, "MSA-1") == "AA"  # accepted, and nothing has failed for good
        told = await tasks_json(config)
        gates = {task["task"]: (task["gate"], task["until"] is not None) for task in told["tasks"]}
        assert gates == {1: ("window", True), 2: ("approval", True), 3: ("retry", True), 4: ("breaker", True)}
        assert told["engine"] is True

        shown = (await type_in("tasks", "--config", config)).output
        assert f"1 wait: window: its route moves only {SHUT}, until " in shown
        assert "1 held: approval: a person must approve it: its route says so, expires " in shown
        assert "1 wait: breaker: archive dark failed once, last: " in shown

        approved = await type_in("approve", 2, "--config", config)
        assert approved.output.strip() == "task 2: is approved"
        await becomes(config, 2, S.COMPLETED)
        assert site.reading.arrived(OLD_KNEE) == 4

        assert (await type_in("expedite", 1, "--config", config)).exit_code == 0
        await becomes(config, 1, S.COMPLETED)
        assert site.reading.arrived(CHEST_CT) == 5

        assert (await type_in("cancel", "--archive", "dark", "--yes", "--config", config)).exit_code == 0
        await becomes(config, 4, S.CANCELED)


async def _acks(engine: Engine, *messages: bytes) -> list[bytes]:
    return list(await send(*engine.address, list(messages)))


async def test_a_patient_over_the_budget_waits_and_approval_says_that_it_does_not_help(
    tmp_path: Path,
) -> None:
    async with at_work(tmp_path) as (_, engine, config):
        first, second = await _acks(
            engine,
            order("SC", study=CHEST_CT, control_id="A"),
            order("SC", study=OLD_KNEE, control_id="B"),
        )
        assert (field(first, "MSA-1"), field(second, "MSA-1")) == ("AA", "AA")
        told = await tasks_json(config)
        waits = {task["status"]: task["gate"] for task in told["tasks"]}
        assert waits == {"COMPLETED": "", "SCHEDULED": "budget"}
        waiting = next(task["task"] for task in told["tasks"] if task["gate"])
        result = await type_in("approve", waiting, "--config", config)
        assert result.output.strip() == f"task {waiting}: is approved ahead of time, and still waits (budget)"


async def test_the_acknowledgment_that_is_owed_comes_after_the_retry_and_not_before(tmp_path: Path) -> None:
    """Enhanced mode: MSH-15 and MSH-16 ask for both acknowledgments."""
    async with at_work(tmp_path) as (_, engine, config):
        head, _, rest = order("UA", study=CHEST_CT).partition(b"\r")
        reader, writer = await asyncio.open_connection(*engine.address)
        writer.write(b"\x0b" + head + b"|||AL|AL\r" + rest + b"\x1c\r")
        accept = await reader.readuntil(b"\x1c\r")
        assert field(accept[1:-2], "MSA-1") == "CA"
        later = asyncio.create_task(reader.readuntil(b"\x1c\r"))
        async with asyncio.timeout(20):
            while not (await tasks_json(config))["tasks"][0]["failures"]:  # noqa: ASYNC110  from outside
                await asyncio.sleep(0.02)
        assert not later.done()
        assert (await type_in("cancel", 1, "--config", config)).exit_code == 0
        async with asyncio.timeout(20):
            application = await later
        assert field(application[1:-2], "MSA-1") == "AE"
        assert "canceled by an operator" in field(application[1:-2], "MSA-3")
        writer.close()
        await writer.wait_closed()
        story = await type_in("task", 1, "--config", config)
    assert "answered AE" in story.output
    assert "attempt failed: " in story.output
