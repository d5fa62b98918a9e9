"""The log: what a line has, what becomes of faults, and that nothing of a patient is in any."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import io
import json
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from engine.app import Engine
from engine.cli import app
from engine.config import Config, load, parse
from engine.hl7.files import messages_of
from engine.logs import Format, about, concerning, writer
from engine.logs.stream import log_end, log_end_of_thread
from engine.metrics import Metrics
from engine.retrieve.breaker import BreakerRule
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.retry import Schedule
from engine.scenario.nodes import on_simulated_nodes, simulated_nodes
from engine.sender import send
from engine.simulator import Fault, SimulatedArchive, SimulatedDestination, demo_studies
from engine.store import list_tasks
from tests.hospital import ALLOWED, order
from tests.secrecy import SAMPLES, sample_secrets, secrets_of, told

SECRETS = sample_secrets()
COMMENT = "Aalto FF-1001 19610314"
TROUBLED = """
engine: {{listen: "127.0.0.1:0", store: {store}}}
archives:
  main: {{ae_title: ARCHIVE, host: 127.0.0.1, port: {archive}, breaker: {{failures: 1}}}}
destinations:
  reading: {{ae_title: READING, host: 127.0.0.1, port: {reading}, query: {{}}}}
routes:
  - name: priors
    messages: ORM^O01
    when: {{field: ORC-1, equals: NW}}
    studies: {{priors: {{}}}}
    from: main
    to: reading
    acknowledge: accepted
    retry: 9x1s
    verify: study
  - name: asks-first
    messages: ORM^O01
    when: {{field: ORC-1, equals: RE}}
    studies: {{study: ZDS-1.1}}
    from: main
    to: reading
    acknowledge: accepted
    hold: true
"""


class Log:
    """What was logged, in both shapes, at the default level; ``metrics`` is what /metrics answers then."""

    metrics = ""

    def __init__(self) -> None:
        self.streams = {shape: io.StringIO() for shape in Format}

    def text(self, shape: Format) -> str:
        return self.streams[shape].getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text(Format.JSON).splitlines()]

    def of(self, step: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line.get("step") == step]


@contextmanager
def logged(level: int = logging.INFO, *, texts: bool = False) -> Iterator[Log]:
    """Everything, whoever logs it."""
    log, root = Log(), logging.getLogger()
    handlers = [writer(shape, stream, texts=texts) for shape, stream in log.streams.items()]
    before = root.level
    root.setLevel(level)
    for handler in handlers:
        handler.addFilter(lambda record: not record.name.startswith("engine.simulator"))  # a stand-in
        root.addHandler(handler)
    try:
        yield log
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.flush()  # what was gathered when the loop ended
            handler.close()


async def _carried_out(config: Config, messages: Sequence[bytes], still: set[TaskStatus]) -> str:
    """Each on a connection of its own, until all that they ask for is over, or in one of these states; the
    metrics of all that."""
    async with Engine(config, ALLOWED) as engine, asyncio.timeout(60):
        metrics = Metrics(engine.events, config.engine.store)
        await asyncio.gather(*(send(*engine.address, [message]) for message in messages))
        while not await asyncio.to_thread(_over, config, still):  # noqa: ASYNC110  by other threads
            await asyncio.sleep(0.02)
        return (await asyncio.to_thread(metrics.exposition)).decode()


def _over(config: Config, still: set[TaskStatus]) -> bool:
    return all(
        task.status.final or task.request.due or task.status in still
        for task in list_tasks(config.engine.store, limit=100)
    )


def _hurried(config: Config) -> Config:
    """With shorter pauses than routes.yaml can say."""
    soon, gate = dt.timedelta(milliseconds=20), config.gate
    nodes = {"main": replace(gate.archives["main"], breaker=BreakerRule(1, soon))}
    routes = {
        name: replace(rule, retry=Schedule(((9, soon),)) if rule.retry else None)
        for name, rule in gate.routes.items()
    }
    return replace(config, gate=replace(gate, archives=nodes, routes=routes))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Of every sample, sent to the routes of the repository between simulated nodes."""
    config = load(SAMPLES.parent / "routes.yaml")
    messages = [it for path in sorted(SAMPLES.glob("*.hl7")) for it in messages_of(path.read_bytes())]
    with logged() as log, simulated_nodes(config) as nodes:
        store = str(tmp_path_factory.mktemp("logs") / "forefetch.db")
        log.metrics = asyncio.run(_carried_out(on_simulated_nodes(config, nodes, store), messages, set()))
    return log


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Log:
    """Of an archive that quotes its patients whenever it fails, and of a task that waits for a person."""
    words = f'status=0xC001, comment="{COMMENT}"'
    lines = ["abort, on=find", *(f"{words}, on={operation}" for operation in ("echo", "find", "move"))]
    faults = [Fault.parse(f"main: {line}") for line in lines]
    with logged() as log, SimulatedDestination("READING") as reading:
        known = {"READING": reading.address}
        with SimulatedArchive("ARCHIVE", demo_studies(), known, faults=faults) as archive:
            store = tmp_path_factory.mktemp("logs") / "forefetch.db"
            ports = {"archive": archive.address[1], "reading": reading.address[1]}
            config = _hurried(parse(TROUBLED.format(store=store, **ports)))
            messages = [order(), order("RE", study="2.25.1001002", control_id="M2")]
            log.metrics = asyncio.run(_carried_out(config, messages, {TaskStatus.HELD}))
        assert len(archive.faults.fired) == len(faults)
    return log


@pytest.mark.parametrize("shape", Format)
def test_no_name_id_or_birth_date_of_the_samples_is_logged(log: Log, shape: Format) -> None:
    assert len(log.text(shape).splitlines()) > 90
    assert told(log.text(shape), SECRETS) == set()


@pytest.mark.parametrize("shape", Format)
def test_nothing_that_an_archive_says_of_a_patient_is_logged(troubled: Log, shape: Format) -> None:
    assert "query-failed" in troubled.text(shape)
    assert told(troubled.text(shape), SECRETS) == set()


def test_nothing_of_a_patient_is_in_the_metrics(log: Log, troubled: Log) -> None:
    for text in (log.metrics, troubled.metrics):
        assert 'archive="main"' in text
        assert told(text, SECRETS) == set()
        assert told(text + 'forefetch_x{archive="FF-1001"} 1', SECRETS) == {"ff-1001"}


def test_the_secrets_are_those_of_the_samples() -> None:
    message = (SAMPLES / "01-order-ct-chest.hl7").read_bytes()
    assert secrets_of(message) >= {"Aalto", "Mira", "FF-1001", "9990140361", "19610314", "1961-03-14"}
    assert secrets_of(message) >= {"A1001-1", "2.25.1001001", "V26-70411"}
    assert "FOREST" not in secrets_of(message)
    latin = (SAMPLES / "03-order-mr-knee-latin-1.hl7").read_bytes()
    assert secrets_of(latin) >= {"Grün", "Jürgen"}
    for path in SAMPLES.glob("*.hl7"):
        assert b"PID" not in path.read_bytes() or secrets_of(path.read_bytes())


@pytest.mark.parametrize(
    "leak",
    ["Aalto", "MIRA", "grün", "FF-1001", "19610314", "1961-03-14", "14.03.1961", "A1001-1", "2.25.1001001"],
)
@pytest.mark.parametrize("shape", Format)
def test_a_line_that_has_such_a_value_is_found(shape: Format, leak: str) -> None:
    with logged() as log:
        logging.getLogger("engine.intake").info("message %d of (%s)", 1, leak, extra=about("kept", message=1))
    assert told(log.text(shape), SECRETS) == {leak.lower()}


def test_a_field_that_has_such_a_value_is_found() -> None:
    with logged() as log:
        logging.getLogger("engine.intake").info("kept", extra=about("kept", archive="Jürgen"))
    assert told(log.text(Format.JSON), SECRETS) == {"jürgen"}


def test_each_step_of_a_message_has_a_line_with_its_number(log: Log) -> None:
    kept = {line["message"]: line for line in log.of("kept")}
    asked = [line for line in kept.values() if line["tasks"]]
    assert len(asked) > 10
    assert {line["message"] for line in log.of("answered")} >= {
        line["message"] for line in asked if "ack" not in line
    }
    assert all(line["ack"] in {"AA", "AE", "AR"} for line in log.of("answered"))
    assert all(line["message"] in kept and line["tasks"] for line in log.of("withdrew"))
    assert log.of("withdrew")


def test_each_step_of_a_task_has_a_line_with_its_number_and_its_messages(log: Log) -> None:
    begun = {line["task"]: line for line in log.of("began")}
    moved = {line["task"]: line for line in log.of("moved")}
    ended = {line["task"]: line for line in log.of("finished")}
    assert len(moved) >= 8
    assert moved.keys() <= begun.keys()
    assert begun.keys() <= ended.keys()
    for number, line in moved.items():
        assert line["counters"]["completed"] > 0
        assert line["message"] == begun[number]["message"]
        assert (line["archive"], ended[number]["status"]) == ("main", "COMPLETED")
        assert f"(task {number}, " in next(
            words for words in log.text(Format.CONSOLE).splitlines() if f"(task {number}, " in words
        )


def test_what_fails_is_held_or_is_verified_has_a_line_too(troubled: Log) -> None:
    (held,) = troubled.of("held")
    assert (held["message"], held["gate"]) == (2, "approval")
    assert {line["cause"] for line in troubled.of("retried")} == {
        *("association-aborted", "query-failed", "unable-to-process"),
    }
    assert all(line["level"] == "warning" and line["until"] for line in troubled.of("retried"))
    verified = {line["task"] for line in troubled.of("verified")}
    assert verified == {line["task"] for line in troubled.of("finished") if line["cause"] == "arrived"}
    assert {line["archive"] for line in troubled.of("closed") if "gate" in line} == {"main"}


def test_every_field_and_every_step_is_in_the_documentation(log: Log, troubled: Log) -> None:
    text = (SAMPLES.parent / "docs" / "operating.md").read_text(encoding="utf-8")
    lines = [*log.lines, *troubled.lines]
    words = {word for line in lines for word in [*line, line.get("step", "event")]}
    assert words > {"message", "task", "kept", "moved"}
    assert {word for word in words if f"`{word}`" not in text} == set()


def test_a_line_is_one_json_object_with_the_time_in_utc(log: Log) -> None:
    for line in log.lines:
        assert list(line)[:4] == ["timestamp", "level", "logger", "event"]
        assert line["timestamp"].endswith("+00:00")


def test_a_line_stays_one_line_whatever_is_in_it() -> None:
    with logged() as log:
        logging.getLogger("engine.intake").info("message from %s", "a\rb\n\x1b[31mc")
    for shape in Format:
        (line,) = log.text(shape).splitlines()
        assert line.isprintable()
    assert log.lines[0]["event"] == "message from a\rb\n\x1b[31mc"


def test_what_a_thread_concerns_itself_with_is_in_every_line_of_its() -> None:
    logger = logging.getLogger("engine.scu")
    with logged() as log:
        with concerning(task=7, archive="main"):
            logger.info("asked", extra=about("asked", cause="busy"))
            elsewhere = threading.Thread(target=logger.info, args=("elsewhere",))
            elsewhere.start()
            elsewhere.join()
        logger.info("afterwards")
    assert [line.get("task") for line in log.lines] == [7, None, None]
    assert log.lines[0] | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "logger": "engine.scu",
        "event": "asked",
        "task": 7,
        "archive": "main",
        "step": "asked",
        "cause": "busy",
    }
    assert log.text(Format.CONSOLE).splitlines()[0].endswith("asked (task 7, archive main)")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_that_cannot_be_made_is_told_without_what_was_to_be_in_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stream = io.StringIO()
    handler = writer(Format.CONSOLE, stream)
    handler.handle(logging.LogRecord("a.library", logging.INFO, __file__, 1, "%d", ("Aalto^Mira",), None))
    assert "Aalto" not in stream.getvalue() + capsys.readouterr().err
    assert "a line of a.library could not be written: TypeError at " in stream.getvalue()


def test_there_are_colours_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    record = logging.LogRecord("engine", logging.ERROR, "", 0, "no", (), None)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31mERROR  \x1b[0m" in writer(Format.CONSOLE, Terminal()).format(record)
    assert "\x1b" not in writer(Format.CONSOLE, io.StringIO()).format(record)
    assert "\x1b" not in writer(Format.JSON, Terminal()).format(record)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in writer(Format.CONSOLE, Terminal()).format(record)


def _fail() -> None:
    try:
        raise KeyError("FF-1001")
    except KeyError as error:
        raise ValueError("Aalto") from error


@pytest.mark.parametrize("shape", Format)
def test_a_fault_is_told_by_its_places_and_not_by_its_text(shape: Format) -> None:
    with logged() as log:
        try:
            _fail()
        except ValueError:
            logging.getLogger("engine.intake").exception("message 1 failed", extra=about("failed", message=1))
    (line,) = log.text(shape).splitlines()
    assert "ValueError at " in line
    assert ", from KeyError at " in line
    assert "message 1 failed" in line
    assert told(line, SECRETS) == set()


@pytest.mark.parametrize("shape", Format)
def test_a_fault_has_its_text_where_that_is_asked_for(shape: Format) -> None:
    with logged(texts=True) as log:
        try:
            _fail()
        except ValueError:
            logging.getLogger("engine.intake").exception("message 1 failed")
    assert "ValueError: Aalto" in log.text(shape)
    assert "Traceback" in log.text(shape)


@pytest.mark.parametrize("shape", Format)
def test_a_thread_or_a_process_that_ends_by_a_fault_is_told_without_its_text(
    monkeypatch: pytest.MonkeyPatch, shape: Format
) -> None:
    monkeypatch.setattr(threading, "excepthook", log_end_of_thread)
    with logged() as log:
        thread = threading.Thread(target=_fail)
        thread.start()
        thread.join()
        try:
            _fail()
        except ValueError as fault:
            log_end(type(fault), fault, fault.__traceback__)
    first, last = log.text(shape).splitlines()
    assert "a thread has ended by a fault" in first
    assert "forefetch ends by a fault of its own" in last
    assert "ValueError at " in first
    assert "ValueError at " in last
    assert told(log.text(shape), SECRETS) == set()


async def test_what_asyncio_tells_of_a_task_that_failed_is_its_place_without_the_text() -> None:
    async def fail() -> None:
        _fail()

    with logged() as log:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task
        gc.collect()
    (line,) = log.lines
    assert line["event"] == "a fault"
    assert line["exception"].startswith("ValueError at ")
    for shape in Format:
        assert told(log.text(shape), SECRETS) == set()


async def test_lines_of_the_loop_are_gathered_and_those_of_threads_go_with_them() -> None:
    stream, logger = io.StringIO(), logging.getLogger("tests.gathering")
    logger.addHandler(writer(Format.CONSOLE, stream))
    logger.propagate = False
    logger.setLevel(logging.INFO)
    try:
        await asyncio.to_thread(logger.info, "at once")
        assert stream.getvalue().count("\n") == 1
        logger.info("gathered")
        await asyncio.to_thread(logger.info, "too")
        logger.info("also")
        before = stream.getvalue()
        logger.warning("now")
    finally:
        logger.removeHandler(logger.handlers[0])
    assert before.count("\n") in {1, 3, 4}  # by how long the thread has taken
    assert [line.rsplit(": ")[-1] for line in stream.getvalue().splitlines()] == [
        *("at once", "gathered", "too", "also", "now")
    ]


def test_a_format_that_there_is_not_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["serve"], env={"FOREFETCH_LOG_FORMAT": "xml"})
    assert result.exit_code == 2
    assert "'console', 'json'" in result.output
