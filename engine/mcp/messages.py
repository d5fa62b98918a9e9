"""Tools: what a message would come to, and sending one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import Field

from engine.errors import ForefetchError
from engine.mcp import sending
from engine.mcp.desk import Desk
from engine.mcp.explanations import Explanation, explained
from engine.mcp.hints import ASKS, SENDS
from engine.mcp.result import clear, told
from engine.mcp.sending import SendReport
from engine.mcp.switches import SEND, require
from engine.mcp.threads import in_thread
from engine.resolve import Finder
from engine.sender import SendError, send
from engine.telling.acknowledgment import Acknowledgment
from engine.telling.explaining import explanation
from engine.telling.payloads import payloads_of
from engine.telling.preview import (
    clients_of,
    preview_lines,
)

_LONGEST = 600.0  # seconds
_ASKED_FOR_NONE = (
    "sent; the messages ask for no acknowledgment (MSH-15, MSH-16), so what became of them is not known"
)
MessageText = Annotated[
    str,
    Field(
        description="HL7 v2, one message or several one after another. Segments end with CR, LF or both; "
        "MLLP framing is taken off. Text as it reads: it is encoded as its MSH-18 says."
    ),
]


def register(server: MCPServer, desk: Desk) -> None:
    """Add them."""
    _register_explaining(server, desk)
    _register_sending(server, desk)


def _register_explaining(server: MCPServer, desk: Desk) -> None:
    @server.tool(
        title="Explain an HL7 message",
        annotations=ASKS,
    )
    @clear
    async def hl7_explain(
        message: MessageText,
        find: Annotated[
            bool, Field(description="Also ask the archive by C-FIND which studies it would be")
        ] = False,
    ) -> Annotated[CallToolResult, Explanation]:
        """Tell what an HL7 v2 message would come to by the routes file. Nothing is sent and nothing moves.

        Tells for every route whether it applies, field by field, what would be retrieved from where to where,
        what the message takes back or merges, and how the gate stands. Without find no network is touched.
        A message that the engine would refuse is an error, with the HL7 error code and the field.
        """
        if not find:
            return await in_thread(partial(_explain, desk, message, None))
        closing = ExitStack()
        clients = closing.enter_context(clients_of(desk.config))
        try:
            return await in_thread(partial(_asking, closing, desk, message, clients), abandon=True)
        except anyio.get_cancelled_exc_class():
            for client in clients.values():
                client.stop()
            raise


def _register_sending(server: MCPServer, desk: Desk) -> None:
    @server.tool(
        title="Send an HL7 message",
        annotations=SENDS,
    )
    @clear
    async def hl7_send(
        message: MessageText,
        timeout: Annotated[
            float, Field(description="Seconds to wait for each acknowledgment, to 600")
        ] = 30.0,
    ) -> Annotated[CallToolResult, SendReport]:
        """Send HL7 v2 messages to the running Forefetch engine by MLLP and tell its acknowledgments.

        The engine carries them out: it may move images, or cancel retrieves. The same message sent again is
        not carried out twice; it gets the same acknowledgment. Needs the operator's permission to send, and a
        running engine. Anything but AA or CA is an error, and says what happened to which study. Explain a
        message with hl7_explain first.
        """
        require(desk.switches.send, SEND, "sending messages")
        if not (math.isfinite(timeout) and 0 < timeout <= _LONGEST):
            raise ForefetchError(f"timeout: seconds above 0, at most {_LONGEST:g}")
        charset = desk.config.engine.default_charset
        payloads = await in_thread(partial(payloads_of, message, charset))
        answers, fault = await _sent(desk, payloads, timeout)
        return await in_thread(partial(_report, desk, payloads, answers, fault))


def _asking(closing: ExitStack, desk: Desk, message: str, clients: Mapping[str, Finder]) -> CallToolResult:
    """As `_explain`; the archives, which may take their time, are left here and not in the event loop."""
    with closing:
        return _explain(desk, message, clients)


def _explain(desk: Desk, message: str, finders: Mapping[str, Finder] | None) -> CallToolResult:
    """Blocks while the archives are asked."""
    payloads = payloads_of(message, desk.config.engine.default_charset)
    all_told = [
        explanation(desk.config, payload, desk.masking, switched_on=desk.switches.retrieve, finders=finders)
        for payload in payloads
    ]
    content = Explanation(messages=[explained(one) for one in all_told])
    return told(_text(all_told), content, failed=any("refused" in one for one in all_told))


def _text(all_told: Sequence[dict[str, Any]]) -> str:
    lines: list[str] = []
    for number, one in enumerate(all_told, 1):
        lines += [f"message {number} of {len(all_told)}"] if len(all_told) > 1 else []
        lines += [line.text for line in preview_lines(one)]
    return "\n".join(lines)


async def _sent(desk: Desk, payloads: Sequence[bytes], timeout: float) -> tuple[Sequence[bytes], str]:
    """The acknowledgments that came, and why not all did."""
    host, port = sending.address_of(desk.config, desk.routes)
    tls = sending.encryption_of(desk.config, desk.routes)
    try:
        acknowledgments = await send(host, port, payloads, timeout=timeout, tls=tls)
    except SendError as error:
        if isinstance(error.__cause__, ConnectionRefusedError):
            return (), f"no engine listens on {host} port {port}; start it with: forefetch serve"
        return error.acknowledgments, str(error)
    return acknowledgments, "" if acknowledgments else _ASKED_FOR_NONE


def _report(desk: Desk, payloads: Sequence[bytes], answers: Sequence[bytes], fault: str) -> CallToolResult:
    veil = sending.veil_over(desk.masking, payloads, desk.config.engine.default_charset)
    read: list[Acknowledgment] = [sending.read(answer, veil) for answer in answers]
    content = sending.report(len(payloads), read, fault)
    return told("\n".join(sending.lines(read, fault)), content, failed=not content.positive)
