"""Which DICOM nodes answer a C-ECHO, as structured content."""

from __future__ import annotations

from pydantic import Field

from engine.config import Config
from engine.errors import IdentifierError
from engine.rollcall import Callee, Kind, Reply, callees
from engine.telling.content import Answer, Content


class NodeTold(Content):
    """Whether one node answers."""

    name: str = Field(description="in the routes file")
    kind: Kind = Field(description="what it is; query address: where a destination answers queries elsewhere")
    ae_title: str
    host: str
    port: int
    tls: bool = Field(description="whether it is spoken to in TLS")
    answered: bool = Field(description="whether it answered C-ECHO with success")
    milliseconds: int | None = Field(description="from connecting to the answer; null where there was none")
    reason: str | None = Field(description="why there was no answer")
    cure: str | None = Field(description="what a person can do about it")


class EchoAnswer(Answer):
    """Which nodes answer."""

    nodes: list[NodeTold] = Field(description="those that were asked, archives first")
    not_asked: list[str] = Field(description="destinations whose host and port the routes file does not tell")


def chosen(config: Config, routes_file: str, wanted: str) -> list[Callee]:
    """The nodes to ask: all, or those with this name or AE title. IdentifierError with the cure."""
    known = list(callees(config))
    chosen = [it for it in known if not wanted or wanted in (it.node.name, it.node.ae_title)]
    if chosen:
        return chosen
    for destination in config.destinations.values():
        if wanted in (destination.name, destination.ae_title):
            text = f"destination {destination.name} has no host and port in {routes_file}"
            raise IdentifierError(f"{text}, so it cannot be asked; enter them there")
    names = ", ".join(dict.fromkeys(it.node.name for it in known))
    raise IdentifierError(f"there is no node {wanted!r} in {routes_file}; name one of: {names}")


def not_asked(config: Config, asked: list[Callee]) -> list[str]:
    """Destinations whose host and port are not known."""
    names = {it.node.name for it in asked if it.kind is not Kind.ARCHIVE}
    return [name for name in config.destinations if name not in names]


def node_told(reply: Reply) -> NodeTold:
    """A reply as content."""
    node = reply.callee.node
    return NodeTold(
        name=node.name,
        kind=reply.callee.kind,
        ae_title=node.ae_title,
        host=node.host,
        port=node.port,
        tls=node.tls is not None,
        answered=reply.answered,
        milliseconds=None if reply.seconds is None else round(reply.seconds * 1000),
        reason=reply.reason or None,
        cure=reply.cure or None,
    )
