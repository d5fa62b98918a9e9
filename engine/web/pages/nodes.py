"""Archives and destinations: how they stand, and whether they answer."""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from engine.config import Config
from engine.dicom.node import Archive, Destination, Node
from engine.retrieve.gate import Gate
from engine.retrieve.policy import NodeRule
from engine.rollcall import Callee, Kind, Reply, callees
from engine.store import Closure, Standing, standing
from engine.store.members import MemberState, members_of
from engine.telling.engines import lately
from engine.web.echo import echo
from engine.web.office import Role, require
from engine.web.pages.front import Front
from engine.web.pages.wording import Word
from engine.web.reading import read

_ALL = "all"


class State(NamedTuple):
    """A node and how it stands. ``node`` None: its address is not known; ``opens`` is when its windows do,
    where they are closed now."""

    kind: str
    name: str
    ae_title: str
    node: Node | None
    rule: NodeRule
    running: int
    closures: tuple[Closure, ...]
    opens: dt.datetime | None

    @property
    def word(self) -> Word:
        """How it is, in a word."""
        gates = {closure.gate for closure in self.closures}
        if Gate.BREAKER.value in gates:
            return Word("left alone", "bad", "cross")
        if self.opens is not None or Gate.WINDOW.value in gates:
            return Word("window closed", "warn", "pause")
        if gates:
            return Word("slowed down", "warn", "pause")
        return Word("moving", "move", "arrow") if self.running else Word("ready", "good", "check")


def states_of(config: Config, now: Standing, at: dt.datetime) -> list[State]:
    """Archives first, in the order of routes.yaml."""
    gate = config.gate
    archives = [_state("archive", it, it, gate.archives[it.name], now, at) for it in config.archives.values()]
    destinations = [
        _state("destination", it, it.node, gate.destinations[it.name], now, at)
        for it in config.destinations.values()
    ]
    return archives + destinations


def _state(
    kind: str,
    listed: Archive | Destination,
    node: Node | None,
    rule: NodeRule,
    now: Standing,
    at: dt.datetime,
) -> State:
    running = now.running_from if kind == "archive" else now.running_to
    shut = tuple(it for it in now.closures if (it.scope, it.name) == (kind, listed.name))
    opens = rule.windows.opens(at) if rule.windows is not None else None
    return State(kind, listed.name, listed.ae_title, node, rule, running.get(listed.name, 0), shut, opens)


async def show(front: Front, request: Request) -> Response:
    """GET /nodes"""
    return await _page(front, request, [])


async def ask(front: Front, request: Request) -> Response:
    """POST /nodes/echo: C-ECHO to one node, ``kind`` and ``name``, or to ``all``. What they answer is told on
    the page."""
    user = require(request, front.office, Role.OPERATOR, "echo")
    async with request.form() as form:
        kind, name = str(form.get("kind", _ALL)), str(form.get("name", ""))
    asked = [it for it in callees(front.office.config) if _is_meant(it, kind, name)]
    if not asked:
        raise HTTPException(404, f"there is no {kind} {name} whose address is known in routes.yaml")
    return await _page(front, request, await echo(front.office, request, user, asked))


def _is_meant(callee: Callee, kind: str, name: str) -> bool:
    if kind == _ALL:
        return True
    kinds = (Kind.ARCHIVE,) if kind == "archive" else (Kind.DESTINATION, Kind.QUERY)
    return callee.kind in kinds and callee.node.name == name


_ENGINES = {
    MemberState.ALIVE: Word("alive", "good", "check"),
    MemberState.SILENT: Word("silent", "warn", "triangle"),
    MemberState.LOST: Word("lost", "bad", "cross"),
    MemberState.LEFT: Word("left", "off", "slash"),
}


async def _page(front: Front, request: Request, replies: list[Reply]) -> Response:
    now = await read(standing, front.office.journal)
    engines = lately(await read(members_of, front.office.journal))
    states = states_of(front.office.config, now, dt.datetime.now(dt.UTC))
    answered: dict[tuple[str, str], list[Reply]] = {}
    for reply in replies:
        kind = "archive" if reply.callee.kind is Kind.ARCHIVE else "destination"
        answered.setdefault((kind, reply.callee.node.name), []).append(reply)
    return front.press.page(
        request,
        "nodes.html",
        states=states,
        answered=answered,
        calling=front.office.config.engine.ae_title,
        engines=engines,
        engine_words=_ENGINES,
    )
