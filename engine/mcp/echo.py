"""The tool that asks which DICOM nodes answer: pacs_echo."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import Field

from engine.errors import IdentifierError
from engine.mcp.desk import Desk
from engine.mcp.hints import ASKS
from engine.mcp.result import Answer, Content, clear, told
from engine.rollcall import Callee, Kind, Reply, call, callees


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


def register(server: MCPServer, desk: Desk) -> None:
    """Add pacs_echo."""

    @server.tool(
        title="PACS Echo (C-ECHO)",
        annotations=ASKS,
    )
    @clear
    def pacs_echo(
        node: Annotated[
            str, Field(description="only this one: its name in the routes file, or AE title; empty: all")
        ] = "",
    ) -> Annotated[CallToolResult, EchoAnswer]:
        """Ask DICOM nodes by C-ECHO whether they are there and let us in: every archive, every destination
        whose address is known, and where a destination answers queries elsewhere, that address too.

        Moves nothing and needs no switch. All are asked at once. For each node: whether it answered, how
        long that took, and if not, why and what to do. It is an error where one that was asked did not
        answer. Whether an archive can reach a destination is not known from this: it sends itself.
        """
        chosen = _chosen(desk, node.strip())
        replies = list(call(chosen))
        not_asked = [] if node.strip() else _unknown(desk, chosen)
        answer = EchoAnswer(nodes=[_told(reply) for reply in replies], not_asked=not_asked)
        return told(_text(replies, not_asked), answer, failed=not all(reply.answered for reply in replies))


def _chosen(desk: Desk, wanted: str) -> list[Callee]:
    known = list(callees(desk.config))
    chosen = [it for it in known if not wanted or wanted in (it.node.name, it.node.ae_title)]
    if chosen:
        return chosen
    for destination in desk.config.destinations.values():
        if wanted in (destination.name, destination.ae_title):
            text = f"destination {destination.name} has no host and port in {desk.routes}"
            raise IdentifierError(f"{text}, so it cannot be asked; enter them there")
    names = ", ".join(dict.fromkeys(it.node.name for it in known))
    raise IdentifierError(f"there is no node {wanted!r} in {desk.routes}; name one of: {names}")


def _unknown(desk: Desk, asked: list[Callee]) -> list[str]:
    names = {it.node.name for it in asked if it.kind is not Kind.ARCHIVE}
    return [name for name in desk.config.destinations if name not in names]


def _told(reply: Reply) -> NodeTold:
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


def _text(replies: list[Reply], not_asked: list[str]) -> str:
    answered = sum(reply.answered for reply in replies)
    lines = [f"{answered} of {len(replies)} nodes answer C-ECHO"]
    for reply in replies:
        time = "" if reply.seconds is None else f", {reply.seconds * 1000:.0f} ms"
        lines.append(f"{reply} [{reply.callee.kind}]{time}")
    if not_asked:
        lines.append(f"not asked, for their host and port are not known: {', '.join(not_asked)}")
    return "\n".join(lines)
