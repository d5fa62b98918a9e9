"""What is counted of what happens, and under which labels."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from engine.events import (
    Committed,
    Events,
    GateClosed,
    GateOpened,
    LoggedIn,
    MessageAnswered,
    Queried,
    TaskEnded,
    TaskHeld,
    TransferBegan,
    TransferEnded,
)
from engine.metrics import Latency, Metrics, Minute
from engine.metrics.depth import QueueDepth
from engine.metrics.message_types import MessageTypes
from engine.retrieve.outcome import Cause, Outcome, SubOperations, TaskStatus
from engine.retrieve.selector import StudiesOfAccession, Study
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from tests.store import message, opened, request

NOON = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
ARRIVED = Outcome(TaskStatus.COMPLETED, Cause.ARRIVED, "", True, counters=SubOperations(0, 5, 0, 1))
FAILED = Outcome(TaskStatus.FAILED, Cause.ALL_FAILED, "", counters=SubOperations(None, 0, 3, None))


def task(number: int = 1, archive: str = "main") -> RetrieveTask:
    request = RetrieveRequest(Study(f"2.25.{number}"), archive, "reading", ("a",), patient="FF-1001")
    return RetrieveTask(number, request, TaskStatus.IN_PROGRESS, NOON, NOON)


class Clock:
    def __init__(self) -> None:
        self.now = NOON.timestamp()

    def __call__(self) -> float:
        return self.now


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels, which are in the order of their names."""
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {(it.name, *it.labels.values()): it.value for family in families for it in family.samples}


def test_answers_are_counted_by_type_and_code_with_what_they_took() -> None:
    events = Events()
    metrics = Metrics(events)
    for code, kind, seconds in (("AA", "ORM^O01", 0.002), ("AE", "ORM^O01", 0.3), ("", "", 400.0)):
        events.tell(MessageAnswered(code, kind, seconds, "10.0.0.1:4711"))
    found = samples(metrics)
    assert found["forefetch_messages_total", "AA", "ORM^O01"] == 1
    assert found["forefetch_messages_total", "AE", "ORM^O01"] == 1
    assert found["forefetch_messages_total", "none", "unreadable"] == 1
    assert found["forefetch_answer_seconds_bucket", "0.0025"] == 1
    assert found["forefetch_answer_seconds_bucket", "300.0"] == 2
    assert found["forefetch_answer_seconds_count",] == 3
    assert "10.0.0.1" not in metrics.exposition().decode()


def test_what_a_sender_puts_in_the_place_of_a_type_is_no_label() -> None:
    events = Events()
    metrics = Metrics(events)
    for kind in ("Aalto^Mira", "ORM^Mira", "ORM^O01^X", "FF-1001", "orm^o01", "ORM^", "ADT^A0١"):
        events.tell(MessageAnswered("AR", kind, 0.001, ""))
    found = samples(metrics)
    labels = [labels for name, *labels in found if name == "forefetch_messages_total"]
    assert labels == [["AR", "other"]]
    assert found["forefetch_messages_total", "AR", "other"] == 7


def test_the_number_of_types_is_bounded() -> None:
    types = MessageTypes()
    kinds = [
        f"{code}^{letter}{number:02}" for code in ("ADT", "ORM") for letter in "AB" for number in range(99)
    ]
    assert len({types.label(kind) for kind in kinds}) == 101
    assert types.label(kinds[0]) == kinds[0]
    assert types.label(kinds[-1]) == "other"
    assert types.label("ACK") == "other"


def test_commits_transfers_tasks_gates_and_logins_are_counted() -> None:
    events = Events()
    metrics = Metrics(events)
    first, second = task(1), task(2)
    for event in (
        Committed(7, 0.004, failed=False),
        Committed(2, 1.0, failed=True),
        Queried(first, Outcome(TaskStatus.COMPLETED, Cause.RESOLVED, "")),
        TransferBegan(first),
        TransferBegan(second),
        TransferEnded(first, ARRIVED, 12.0),
        TransferEnded(second, FAILED, 1.0),
        TransferBegan(second),
        TaskEnded(first, ARRIVED),
        TaskHeld(second, "approval", "of patient FF-1001"),
        GateClosed("archive", "main", "breaker", "it is silent", None),
        GateClosed("destination", "reading", "window", "at night", NOON),
        GateOpened("destination", "reading", "window"),
        LoggedIn("otto", "127.0.0.1", succeeded=True),
        LoggedIn("FF-1001", "127.0.0.1", succeeded=False),
    ):
        events.tell(event)
    found = samples(metrics)
    for sample, value in {
        ("forefetch_journal_commit_seconds_count",): 2,
        ("forefetch_journal_operations_total",): 7,
        ("forefetch_journal_commit_failures_total",): 1,
        ("forefetch_queries_total", "main", "resolved"): 1,
        ("forefetch_transfers_under_way", "main", "reading"): 1,
        ("forefetch_transfers_total", "main", "all-failed", "reading"): 1,
        ("forefetch_transfer_seconds_bucket", "2.5"): 1,
        ("forefetch_suboperations_total", "main", "reading", "completed"): 5,
        ("forefetch_suboperations_total", "main", "reading", "failed"): 3,
        ("forefetch_suboperations_total", "main", "reading", "warning"): 1,
        ("forefetch_tasks_ended_total", "main", "arrived", "reading", "COMPLETED"): 1,
        ("forefetch_tasks_held_total", "approval"): 1,
        ("forefetch_gate_closures_total", "breaker", "main", "archive"): 1,
        ("forefetch_gate_closed", "breaker", "main", "archive"): 1,
        ("forefetch_gate_closed", "window", "reading", "destination"): 0,
        ("forefetch_breaker_open", "main", "archive"): 1,
        ("forefetch_logins_total", "false"): 1,
        ("forefetch_logins_total", "true"): 1,
    }.items():
        assert found[sample] == value, sample
    events.tell(GateOpened("archive", "main", "breaker"))
    assert samples(metrics)["forefetch_breaker_open", "main", "archive"] == 0
    assert "FF-1001" not in metrics.exposition().decode()


def test_a_gate_that_stays_closed_has_closed_once() -> None:
    """A breaker is told again with each question that its node does not answer."""
    events = Events()
    metrics = Metrics(events)
    for _ in range(3):
        events.tell(GateClosed("archive", "main", "breaker", "it is silent", NOON))
    events.tell(GateClosed("destination", "main", "breaker", "", None))
    closures = "forefetch_gate_closures_total", "breaker", "main", "archive"
    assert samples(metrics)[closures] == 1
    events.tell(GateOpened("archive", "main", "breaker"))
    events.tell(GateOpened("archive", "main", "breaker"))
    events.tell(GateClosed("archive", "main", "breaker", "it is silent", NOON))
    assert samples(metrics)[closures] == 2


def test_a_breaker_that_was_never_open_is_told_as_closed() -> None:
    metrics = Metrics(Events(), nodes=[("archive", "main"), ("destination", "reading")])
    found = samples(metrics)
    assert found["forefetch_breaker_open", "main", "archive"] == 0
    assert found["forefetch_breaker_open", "reading", "destination"] == 0


def test_each_engine_counts_for_itself() -> None:
    first, second = Events(), Events()
    counts = [Metrics(first), Metrics(second)]
    first.tell(MessageAnswered("AA", "ORM^O01", 0.1, ""))
    assert [samples(it)["forefetch_answer_seconds_count",] for it in counts] == [1, 0]


def test_minutes_are_those_just_past_with_those_in_which_nothing_happened() -> None:
    events, clock = Events(), Clock()
    metrics = Metrics(events, clock=clock)
    events.tell(MessageAnswered("AA", "ORM^O01", 0.1, ""))
    events.tell(MessageAnswered("CR", "ORM^O01", 0.1, ""))
    clock.now += 125
    events.tell(TransferEnded(task(), ARRIVED, 1.0))
    events.tell(TaskEnded(task(), ARRIVED))
    events.tell(TaskEnded(task(), FAILED))
    question = RetrieveTask(
        3,
        RetrieveRequest(StudiesOfAccession("ACC"), "main", "reading", ()),
        TaskStatus.IN_PROGRESS,
        NOON,
        NOON,
    )
    events.tell(TaskEnded(question, FAILED))
    minute = dt.timedelta(minutes=1)
    assert metrics.recent(4) == [
        Minute(NOON - minute),
        Minute(NOON, messages=2, refused=1),
        Minute(NOON + minute),
        Minute(NOON + 2 * minute, arrived=1, failed=1, instances=6),
    ]
    assert len(metrics.recent()) == 60


def test_where_the_clock_is_put_back_minutes_go_on_from_there() -> None:
    events, clock = Events(), Clock()
    metrics = Metrics(events, clock=clock)
    clock.now += 86_400
    events.tell(TaskEnded(task(), ARRIVED))
    events.tell(MessageAnswered("AA", "ORM^O01", 0.1, ""))
    clock.now -= 86_400  # it was wrong
    events.tell(MessageAnswered("AA", "ORM^O01", 0.1, ""))
    assert metrics.recent(1) == [Minute(NOON, messages=2, arrived=1)]
    clock.now += 16 * 60
    assert metrics.recent(5) == [Minute(NOON + it * dt.timedelta(minutes=1)) for it in range(12, 17)]
    assert metrics.latency() is None


def test_latency_is_that_of_the_last_messages_unless_there_was_none_lately() -> None:
    events, clock = Events(), Clock()
    metrics = Metrics(events, clock=clock)
    assert metrics.latency() is None
    for number in range(100):
        events.tell(MessageAnswered("AA", "ORM^O01", number / 100, ""))
    assert metrics.latency() == Latency(0.5, 0.99)
    clock.now += 15 * 60
    assert metrics.latency() is None


async def test_the_depth_of_the_queue_is_asked_of_the_journal_once_in_a_while(tmp_path: Path) -> None:
    path, clock = tmp_path / "forefetch.db", Clock()
    depth = QueueDepth(str(path), clock)

    def told() -> dict[tuple[str, ...], float]:
        return {
            (it.name, *it.labels.values()): it.value for family in depth.collect() for it in family.samples
        }

    assert told() == {("forefetch_journal_readable",): 0}
    async with opened(path) as store:
        requests = [request(f"2.25.{n}", archive="ab"[n % 2]) for n in range(5)]
        await store.journal(message(1, *requests))
        assert told() == {("forefetch_journal_readable",): 0}
        clock.now += 5
        assert told() == {
            ("forefetch_journal_readable",): 1,
            ("forefetch_queue_depth", "SCHEDULED", "a"): 3,
            ("forefetch_queue_depth", "SCHEDULED", "b"): 2,
        }


def test_the_manual_lists_every_metric_and_no_other() -> None:
    manual = Path(__file__).parents[2] / "docs" / "web.md"
    listed = set(re.findall(r"^\| `(forefetch_\w+)` \|", manual.read_text(encoding="utf-8"), re.MULTILINE))
    families = text_string_to_metric_families(Metrics(Events()).exposition().decode())
    counted = {
        f"{it.name}_total" if it.type == "counter" else it.name
        for it in families
        if it.name.startswith("forefetch_")
    }
    assert listed == counted | {
        "forefetch_queue_depth",
        "forefetch_journal_readable",
        "forefetch_engines",
    }
