"""What routes.yaml lists, and how it stands: routes, nodes, and all in numbers."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from engine.dicom.node import Node
from engine.errors import StoreError
from engine.store import Closure, Standing, is_running, standing
from engine.store.hits import Hits, route_hits
from engine.telling.content import Content
from engine.telling.engines import EngineList, engine_list
from engine.telling.nodes import EchoAnswer, chosen, node_told, not_asked
from engine.web.api.operation import Call
from engine.web.api.parameters import Parameters
from engine.web.echo import echo
from engine.web.office import Office
from engine.web.reading import read
from engine.web.rules import Told, tell


class RouteTold(Content):
    """A route in words."""

    name: str = Field(description="Its name")
    enabled: bool = Field(description="Whether it is switched on")
    messages: str = Field(description="For which messages")
    conditions: list[str] = Field(description="When; parts of a condition are indented by two blanks")
    studies: list[str] = Field(description="Which studies")
    archive: str = Field(description="From which archive")
    destinations: list[str] = Field(description="To where")
    terms: list[str] = Field(description="When, how urgently, how it is acknowledged")
    hits: int | None = Field(description="How many of the newest messages it took; null: there is no journal")


class RouteList(Content):
    """The routes in their order."""

    routes: list[RouteTold]
    looked_at: int = Field(description="How many of the newest messages are counted")


class ClosureTold(Content):
    """A gate that is closed."""

    scope: str = Field(description="archive or destination")
    name: str = Field(description="Which, by its name in the routes file")
    gate: str = Field(description="Which gate: window, rate, breaker, …")
    reason: str = Field(description="Why")
    until: str | None = Field(description="When it opens; null: not known")


class NodeStanding(Content):
    """A node of the routes file as it stands."""

    name: str = Field(description="In the routes file")
    kind: str = Field(description="archive or destination")
    ae_title: str = Field(description="Its AE title")
    host: str | None = Field(description="Null where the routes file does not tell it")
    port: int | None = Field(description="Null where the routes file does not tell it")
    tls: bool = Field(description="Whether it is spoken to in TLS")
    under_way: int = Field(description="Tasks under way")
    closures: list[ClosureTold] = Field(description="Gates that are closed; none: it is open")


class NodeList(Content):
    """Archives and destinations."""

    engine_running: bool = Field(description="Whether a forefetch serves this journal")
    nodes: list[NodeStanding] = Field(description="Archives first")


class EchoQuery(Parameters):
    """Which nodes to ask."""

    node: str = Field("", description="Its name in the routes file, or its AE title; empty: all")


async def list_routes(call: Call) -> RouteList:
    """GET /routes"""
    config = call.office.config
    try:
        hits = await read(route_hits, call.journal)
    except StoreError:  # the routes are known without it
        hits = None
    return RouteList(
        routes=[_route(tell(route, config), hits) for route in config.routes],
        looked_at=0 if hits is None else hits.looked,
    )


def _route(told: Told, hits: Hits | None) -> RouteTold:
    return RouteTold(
        name=told.route.name,
        enabled=told.route.enabled,
        messages=told.messages,
        conditions=[f"{'  ' * depth}{text}" for depth, text in told.conditions],
        studies=told.studies,
        archive=told.route.archive,
        destinations=told.destination,
        terms=told.terms,
        hits=None if hits is None else hits.by_route.get(told.route.name, 0),
    )


async def list_nodes(call: Call) -> NodeList:
    """GET /nodes"""
    now = await read(standing, call.journal)
    running = await read(is_running, call.journal)
    return NodeList(engine_running=running, nodes=list(_nodes(call.office, now)))


async def list_engines(call: Call) -> EngineList:
    """GET /engines"""
    return await read(engine_list, call.journal)


async def echo_nodes(call: Call) -> EchoAnswer:
    """POST /nodes/echo"""
    user = call.operator("echo")
    wanted = (await call.json(EchoQuery)).node.strip()
    asked = chosen(call.office.config, call.office.routes_file, wanted)
    replies = await echo(call.office, call.request, user, asked)
    left_out = [] if wanted else not_asked(call.office.config, asked)
    return EchoAnswer(nodes=[node_told(reply) for reply in replies], not_asked=left_out)


def _nodes(office: Office, now: Standing) -> Iterator[NodeStanding]:
    for archive in office.config.archives.values():
        yield _standing("archive", archive.name, archive.ae_title, archive, now)
    for it in office.config.destinations.values():
        yield _standing("destination", it.name, it.ae_title, it.node, now)


def _standing(kind: str, name: str, ae_title: str, node: Node | None, now: Standing) -> NodeStanding:
    running = now.running_from if kind == "archive" else now.running_to
    return NodeStanding(
        name=name,
        kind=kind,
        ae_title=ae_title,
        host=None if node is None else node.host,
        port=None if node is None else node.port,
        tls=node is not None and node.tls is not None,
        under_way=running.get(name, 0),
        closures=[closure_told(it) for it in now.closures if (it.scope, it.name) == (kind, name)],
    )


def closure_told(closure: Closure) -> ClosureTold:
    """A closed gate."""
    return ClosureTold(
        scope=closure.scope,
        name=closure.name,
        gate=closure.gate,
        reason=closure.reason,
        until=None if closure.until is None else closure.until.isoformat(),
    )
