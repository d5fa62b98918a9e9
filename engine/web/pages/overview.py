"""The first page: are images moving?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from engine.config import Config
from engine.events import OperatorActed, TaskEnded, TaskHeld
from engine.retrieve.outcome import TaskStatus
from engine.retrieve.task import RetrieveTask
from engine.store import Closure, tasks_numbered
from engine.telling.masking import Masking
from engine.web.office import Office
from engine.web.pages import charts
from engine.web.pages.front import Front
from engine.web.pages.nodes import State, states_of
from engine.web.pages.press import Press
from engine.web.pages.situation import Situation, look
from engine.web.pages.verdict import STOPPING, Verdict, judge, unknown
from engine.web.pages.wording import STATUSES
from engine.web.reading import read

_PARTS = "overview_parts.html"
_SHOWN = ("verdict", "counts", "rates", "nodes", "underway", "failures")
_LATELY = 10.0  # seconds
_MOST_CHANGED = 100
_STREAM = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Rates(NamedTuple):
    """The last hour. ``latency`` are sentences on how fast messages are answered, or empty."""

    messages: charts.Chart
    studies: charts.Chart
    instances: int
    median: float | None
    p99: float | None


class Unknown(NamedTuple):
    """What is shown where nothing else can be."""

    verdict: Verdict


def instead(press: Press, error: Exception | None) -> Mapping[str, str]:
    """The verdict where the look at everything has failed; None: the engine stops."""
    verdict = STOPPING if error is None else unknown(error)
    return {"verdict": press.part(_PARTS, "verdict", Unknown(verdict))}


class View(NamedTuple):
    """All that the page shows."""

    verdict: Verdict
    counts: list[tuple[TaskStatus, int]]
    rates: Rates
    nodes: list[State]
    under_way: list[RetrieveTask]
    failures: list[RetrieveTask]


def view_of(office: Office, seen: Situation, masked: Masking) -> View:
    """From what the journal says and what was counted. Everybody is shown the same, so what archives have
    added to a status, which may name a patient, is left out."""
    config: Config = office.config
    minutes = office.metrics.recent(60)
    latency = office.metrics.latency()
    zone = config.gate.zone
    rates = Rates(
        charts.messages(minutes, zone),
        charts.studies(minutes, zone),
        sum(minute.instances for minute in minutes),
        None if latency is None else latency.median,
        None if latency is None else latency.p99,
    )
    counts = [(status, seen.counts.get(status, 0)) for status in STATUSES]
    nodes = states_of(config, seen.standing, seen.at)
    nodes = [
        node._replace(closures=tuple(_uncommented(it, masked) for it in node.closures)) for node in nodes
    ]
    verdict = judge(seen, minutes)
    verdict = verdict._replace(
        why=masked.without_comments(verdict.why),
        notes=tuple(map(masked.without_comments, verdict.notes)),
    )
    failures = [_task_uncommented(task, masked) for task in seen.failures]
    return View(verdict, counts, rates, nodes, seen.under_way, failures)


def _uncommented(closure: Closure, masked: Masking) -> Closure:
    return replace(closure, reason=masked.without_comments(closure.reason))


def _task_uncommented(task: RetrieveTask, masked: Masking) -> RetrieveTask:
    if task.outcome is None:
        return task
    text = masked.without_comments(task.outcome.text)
    return replace(task, outcome=replace(task.outcome, text=text, comment=""))


async def show(front: Front, request: Request) -> Response:
    """GET /"""
    seen = await read(look, front.office)
    view = view_of(front.office, seen, front.masked)
    if front.live.over:
        view = view._replace(verdict=STOPPING)
    return front.press.page(request, "overview.html", view=view)


async def listen(front: Front, request: Request) -> Response:
    """GET /live: what changes on all pages. Nobody's patient is in it."""
    if request.method == "HEAD":
        return Response(headers=_STREAM, media_type="text/event-stream")
    return StreamingResponse(front.live.stream(), media_type="text/event-stream", headers=_STREAM)


class Fragments:
    """What /live sends: the parts of the overview, and the states of tasks that are under way or have changed
    lately: one may begin and end between two looks, or before a page that shows it listens."""

    def __init__(self, office: Office, press: Press, masked: Masking) -> None:
        self._office = office
        self._press = press
        self._masked = masked
        self._under_way: dict[int, RetrieveTask] = {}
        self._changed: dict[int, float] = {}  # by number, when, oldest first
        office.events.listen(TaskEnded, lambda it: self._note(it.task.id))
        office.events.listen(TaskHeld, lambda it: self._note(it.task.id))
        office.events.listen(OperatorActed, lambda it: self._note(*it.tasks))

    async def look(self) -> Mapping[str, str]:
        """StoreError: the journal cannot be read."""
        seen = await read(look, self._office)
        now_under_way = {task.id: task for task in seen.under_way}
        others = (self._under_way.keys() | self._lately()) - now_under_way.keys()
        changed = await read(tasks_numbered, self._office.journal, others) if others else []
        self._under_way = now_under_way
        view = view_of(self._office, seen, self._masked)
        made = {name: self._press.part(_PARTS, name, view) for name in _SHOWN}
        for task in (*seen.under_way, *changed):
            made[f"state-{task.id}"] = self._press.part("task_parts.html", "state", task)
        return made

    def _note(self, *numbers: int) -> None:
        for number in numbers:
            self._changed.pop(number, None)
            self._changed[number] = time.monotonic()
        while len(self._changed) > _MOST_CHANGED:
            del self._changed[next(iter(self._changed))]

    def _lately(self) -> set[int]:
        since = time.monotonic() - _LATELY
        return {number for number, at in self._changed.items() if at > since}
