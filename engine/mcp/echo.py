"""The tool that asks which DICOM nodes answer: pacs_echo."""

from __future__ import annotations

from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import Field

from engine.mcp.desk import Desk
from engine.mcp.hints import ASKS
from engine.mcp.result import clear, told
from engine.rollcall import Reply, call
from engine.telling.nodes import EchoAnswer, chosen, node_told, not_asked


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
        asked = chosen(desk.config, desk.routes, node.strip())
        replies = list(call(asked))
        left_out = [] if node.strip() else not_asked(desk.config, asked)
        answer = EchoAnswer(nodes=[node_told(reply) for reply in replies], not_asked=left_out)
        return told(_text(replies, left_out), answer, failed=not all(reply.answered for reply in replies))


def _text(replies: list[Reply], not_asked: list[str]) -> str:
    answered = sum(reply.answered for reply in replies)
    lines = [f"{answered} of {len(replies)} nodes answer C-ECHO"]
    for reply in replies:
        time = "" if reply.seconds is None else f", {reply.seconds * 1000:.0f} ms"
        lines.append(f"{reply} [{reply.callee.kind}]{time}")
    if not_asked:
        lines.append(f"not asked, for their host and port are not known: {', '.join(not_asked)}")
    return "\n".join(lines)
