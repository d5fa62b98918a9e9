"""The series that Prometheus asks for. Labels are names of routes.yaml and words of ours, never a sender's
text."""

from __future__ import annotations

import platform

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, disable_created_metrics

from engine import __version__

_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_SLOW = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_NODES = ("archive", "destination")
_GATE = ("scope", "name", "gate")


class Series:
    """All that are counted from events, in a registry of their own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a line more for each, which nobody reads

        def counter(name: str, help: str, *labels: str) -> Counter:
            return Counter(f"forefetch_{name}", help, labels, registry=registry)

        def gauge(name: str, help: str, *labels: str) -> Gauge:
            return Gauge(f"forefetch_{name}", help, labels, registry=registry)

        def seconds(name: str, help: str, bounds: tuple[float, ...]) -> Histogram:
            return Histogram(f"forefetch_{name}_seconds", help, buckets=bounds, registry=registry)

        build = Info("forefetch_build", "Which Forefetch runs", registry=registry)
        build.info({"version": __version__, "python": platform.python_version()})
        self.messages = counter("messages", "Answered, by their first answer", "type", "code")
        self.answer = seconds("answer", "From a message to its first answer", _QUICK)
        self.commit = seconds("journal_commit", "Commits of the journal", _QUICK)
        self.operations = counter("journal_operations", "What these commits made durable")
        self.lost = counter("journal_commit_failures", "Commits that failed")
        self.queries = counter("queries", "C-FINDs for studies", "archive", "cause")
        self.running = gauge("transfers_under_way", "C-MOVEs under way", *_NODES)
        self.transfer = seconds("transfer", "Attempts at a C-MOVE", _SLOW)
        self.attempts = counter("transfers", "Attempts at a C-MOVE that ended", *_NODES, "cause")
        self.objects = counter("suboperations", "Objects, as archives count them", *_NODES, "result")
        self.ended = counter("tasks_ended", "Tasks that are final", "status", *_NODES, "cause")
        self.held = counter("tasks_held", "Tasks held for a person", "gate")
        self.closures = counter("gate_closures", "How often a gate closed at a node", *_GATE)
        self.closed = gauge("gate_closed", "1: nothing moves there for now", *_GATE)
        self.breakers = gauge("breaker_open", "1: the node failed again and again", "scope", "name")
        self.logins = counter("logins", "Attempts to log in", "succeeded")
