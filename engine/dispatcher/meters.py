"""What goes on at each archive and destination now, as the gates need to know it."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from engine.move import Client
from engine.retrieve.breaker import Breaker
from engine.retrieve.gate import Scope
from engine.retrieve.load import Traffic
from engine.retrieve.policy import NodeRule, Policy, terms
from engine.retrieve.rate import MINUTE, Passed, Rate
from engine.retrieve.task import RetrieveRequest, RetrieveTask
from engine.store import Node, Situation


class Peer(Client, Protocol):
    """The client of an archive that can also ask whether it is there."""

    def echo(self) -> None: ...


Probe = Callable[[], None]
"""C-ECHO to a node; blocking. Raises NodeError where it does not answer."""


@dataclass(slots=True, eq=False)
class Meter:
    """One archive or destination. ``probe``: how to ask whether it is there, None where it cannot be;
    ``elsewhere``: operations that other engines have under way, when that was last looked at."""

    scope: Scope
    name: str
    rule: NodeRule
    probe: Probe | None = None
    running: int = 0
    elsewhere: int = 0
    passed: deque[Passed] = field(default_factory=deque)
    breaker: Breaker = field(default_factory=Breaker)

    def __str__(self) -> str:
        return f"{self.scope} {self.name}"

    def traffic(self, now: dt.datetime) -> Traffic:
        """The state of the moment as a value."""
        while self.passed and self.passed[0].at <= now - MINUTE:
            self.passed.popleft()
        return Traffic(self.running + self.elsewhere, tuple(self.passed), self.breaker)

    @property
    def node(self) -> Node:
        return self.scope.value, self.name


class Meters:
    """Those of every node in routes.yaml, by name."""

    def __init__(
        self, policy: Policy, archive_probes: dict[str, Probe], destination_probes: dict[str, Probe]
    ) -> None:
        self._policy = policy
        self.archives = {
            name: Meter(Scope.ARCHIVE, name, rule, archive_probes.get(name))
            for name, rule in policy.archives.items()
        }
        self.destinations = {
            name: Meter(Scope.DESTINATION, name, rule, destination_probes.get(name))
            for name, rule in policy.destinations.items()
        }

    @property
    def count(self) -> int:
        """How many nodes there are; 1 at least."""
        return max(1, len(self.archives) + len(self.destinations))

    def begin(self, task: RetrieveTask, now: dt.datetime, *, dry_run: bool) -> None:
        """A task has been let through. What moves nothing, a question or a dry run, does not count at the
        destination, nor for rates."""
        for meter in self._of(task, dry_run):
            meter.running += 1
            if task.is_move and not dry_run and meter.rule.rate != Rate():
                meter.passed.append(_passed(task, now))

    def take_back(self, task: RetrieveTask, now: dt.datetime, *, dry_run: bool) -> None:
        """It has not begun after all."""
        self.end(task, dry_run=dry_run)
        for meter in self._of(task, dry_run):
            if (passed := _passed(task, now)) in meter.passed:
                meter.passed.remove(passed)

    def correct(self, task: RetrieveTask, at: dt.datetime, instances: int) -> None:
        """So many were sent by the move that was let through at a time."""
        for meter in self._of(task, dry_run=False):
            if (passed := _passed(task, at)) in meter.passed:
                meter.passed[meter.passed.index(passed)] = Passed(at, instances)

    def end(self, task: RetrieveTask, *, dry_run: bool) -> None:
        """It is under way no more."""
        for meter in self._of(task, dry_run):
            meter.running -= 1

    def traffic(self, request: RetrieveRequest, now: dt.datetime) -> tuple[Traffic, Traffic]:
        """At the archive and at the destination of a request; nothing at one that is not listed."""
        nodes = self.archives.get(request.archive), self.destinations.get(request.destination)
        archive, destination = (Traffic() if it is None else it.traffic(now) for it in nodes)
        return archive, destination

    def rated(self, task: RetrieveTask) -> bool:
        """Whether a rate counts it."""
        return task.is_move and any(meter.rule.rate != Rate() for meter in self._of(task, dry_run=False))

    def bounded(self, task: RetrieveTask) -> bool:
        """Whether its destination has a limit of operations at a time, or a rate."""
        rule = self.destinations[task.request.destination].rule
        return rule.concurrency is not None or rule.rate != Rate()

    def see(self, situation: Situation, member_id: int | None) -> None:
        """What other engines do, and what rates count of all."""
        others = replace(
            situation, under_way=tuple(it for it in situation.under_way if it.member_id != member_id)
        )
        for meter in (*self.archives.values(), *self.destinations.values()):
            traffic = self._traffic_of(meter, others)
            meter.elsewhere, meter.passed = traffic.running, deque(traffic.passed)

    def traffic_in(self, situation: Situation, request: RetrieveRequest) -> tuple[Traffic, Traffic]:
        """At the archive and at the destination of a request, by what all engines do. In any thread."""
        nodes = self.archives.get(request.archive), self.destinations.get(request.destination)
        archive, destination = (Traffic() if it is None else self._traffic_of(it, situation) for it in nodes)
        return archive, destination

    def _traffic_of(self, meter: Meter, situation: Situation) -> Traffic:
        at_archive = meter.scope is Scope.ARCHIVE
        running = (
            it.archive == meter.name
            if at_archive
            else it.destination == meter.name and it.is_move and not self._rehearses(it.routes)
            for it in situation.under_way
        )
        passed = (
            it.passed
            for it in situation.passages
            if meter.rule.rate != Rate() and meter.name == (it.archive if at_archive else it.destination)
        )
        in_order = sorted(passed, key=lambda it: it.at)
        return Traffic(sum(running), tuple(in_order), situation.breakers.get(meter.node, Breaker()))

    def _rehearses(self, routes: tuple[str, ...]) -> bool:
        return self._policy.dry_run or terms(self._policy, routes).dry_run

    def _of(self, task: RetrieveTask, dry_run: bool) -> list[Meter]:
        archive = self.archives[task.request.archive]
        if dry_run or not task.is_move:
            return [archive]
        return [archive, self.destinations[task.request.destination]]


def _passed(task: RetrieveTask, now: dt.datetime) -> Passed:
    return Passed(now, task.request.instances or 0)
