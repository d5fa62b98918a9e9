"""Counts what happens, from events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest

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
from engine.metrics.depth import QueueDepth
from engine.metrics.message_types import MessageTypes
from engine.metrics.recent import Latency, Minute, Recent
from engine.metrics.series import Series
from engine.retrieve.gate import Gate
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask

_REFUSALS = frozenset({"AE", "AR", "CE", "CR"})
_WITHOUT = "none"  # an answer was not wanted, or could not be given


class Metrics:
    """Listens to what happens from construction on. ``journal``: the path of what knows how many tasks
    wait. ``nodes``: scope and name of each. ``clock``: seconds since 1970."""

    def __init__(
        self,
        events: Events,
        journal: str = "",
        clock: Callable[[], float] = time.time,
        nodes: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._recent = Recent(clock)
        self._types = MessageTypes()
        self._answered: dict[tuple[str, str], Counter] = {}  # what labels() finds costs as much as counting
        self._closed: set[tuple[str, str, str]] = set()  # gates, by scope, node and their own name
        self._registry = CollectorRegistry()
        self._series = Series(self._registry)
        for node in nodes:
            self._series.breakers.labels(*node)  # 0: at a start every node is tried anew
        ProcessCollector(registry=self._registry)
        if journal:
            self._registry.register(QueueDepth(journal))
        self._listen(events)

    def recent(self, minutes: int = 60) -> list[Minute]:
        """So many minutes, the one that runs last; those in which nothing happened are there too."""
        return self._recent.minutes(minutes)

    def latency(self) -> Latency | None:
        """None: no message has come in the last 15 minutes."""
        return self._recent.latency()

    def exposition(self) -> bytes:
        """In the text format of Prometheus, version 0.0.4. Reads the journal: for a thread."""
        return generate_latest(self._registry)

    def _listen(self, events: Events) -> None:
        events.listen(MessageAnswered, self._message_answered)
        events.listen(Committed, self._committed)
        events.listen(Queried, self._queried)
        events.listen(TransferBegan, self._transfer_began)
        events.listen(TransferEnded, self._transfer_ended)
        events.listen(TaskEnded, self._task_ended)
        events.listen(TaskHeld, self._task_held)
        events.listen(GateClosed, self._gate_closed)
        events.listen(GateOpened, self._gate_opened)
        events.listen(LoggedIn, self._logged_in)

    def _message_answered(self, event: MessageAnswered) -> None:
        code, message_type, seconds, _ = event
        label = self._types.label(message_type), code or _WITHOUT
        counter = self._answered.get(label)
        if counter is None:
            counter = self._answered[label] = self._series.messages.labels(*label)
        counter.inc()
        self._series.answer.observe(seconds)
        self._recent.answered(seconds, refused=code in _REFUSALS)

    def _committed(self, event: Committed) -> None:
        self._series.commit.observe(event.seconds)
        if event.failed:
            self._series.lost.inc()
        else:
            self._series.operations.inc(event.operations)

    def _queried(self, event: Queried) -> None:
        self._series.queries.labels(event.task.request.archive, event.outcome.cause).inc()

    def _transfer_began(self, event: TransferBegan) -> None:
        self._series.running.labels(*_nodes(event.task)).inc()

    def _transfer_ended(self, event: TransferEnded) -> None:
        nodes, counters = _nodes(event.task), event.outcome.counters
        self._series.running.labels(*nodes).dec()
        self._series.transfer.observe(event.seconds)
        self._series.attempts.labels(*nodes, event.outcome.cause).inc()
        for result in ("completed", "failed", "warning"):
            self._series.objects.labels(*nodes, result).inc(getattr(counters, result) or 0)
        self._recent.tally().instances += (counters.completed or 0) + (counters.warning or 0)

    def _task_ended(self, event: TaskEnded) -> None:
        task, outcome = event
        self._series.ended.labels(outcome.status, *_nodes(task), outcome.cause).inc()
        if task.is_move:
            self._recent.tally().arrived += outcome.arrived
            self._recent.tally().failed += outcome.status is TaskStatus.FAILED

    def _task_held(self, event: TaskHeld) -> None:
        self._series.held.labels(event.gate).inc()

    def _gate_closed(self, event: GateClosed) -> None:
        where = event.scope, event.name, event.gate
        if where not in self._closed:  # a breaker tells again what is new of it
            self._closed.add(where)
            self._series.closures.labels(*where).inc()
        self._series.closed.labels(*where).set(1)
        if event.gate == Gate.BREAKER:
            self._series.breakers.labels(event.scope, event.name).set(1)

    def _gate_opened(self, event: GateOpened) -> None:
        where = event.scope, event.name, event.gate
        self._closed.discard(where)
        self._series.closed.labels(*where).set(0)
        if event.gate == Gate.BREAKER:
            self._series.breakers.labels(event.scope, event.name).set(0)

    def _logged_in(self, event: LoggedIn) -> None:
        self._series.logins.labels(str(event.succeeded).lower()).inc()


def _nodes(task: RetrieveTask) -> tuple[str, str]:
    return task.request.archive, task.request.destination
