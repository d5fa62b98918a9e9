"""How tools answer where something goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import pytest
from mcp import Client, MCPError
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult
from pydantic import ValidationError

from engine.errors import StoreError
from engine.mcp.result import clear, refused, told
from engine.telling.content import Answer
from tests.mcp.assistant import text


class Number(Answer):
    """A number."""

    number: int


@clear
def failing(kind: str) -> Annotated[CallToolResult, Number]:
    """Fails as it is told to."""
    if kind == "refused":
        return refused("it cannot be done")
    if kind == "known":
        raise StoreError("there is no journal")
    if kind == "protocol":
        raise MCPError(-32000, "as the protocol has it")
    return told({"Aalto": "1"}[kind], Number(number=1))


@clear
async def failing_later(kind: str) -> Annotated[CallToolResult, Number]:
    """The same, asynchronously."""
    await asyncio.sleep(0)
    result: CallToolResult = failing.__wrapped__(kind)  # type: ignore[attr-defined]
    return result


@asynccontextmanager
async def caller() -> AsyncIterator[Client]:
    server = MCPServer("test")
    server.tool()(failing)
    server.tool()(failing_later)
    async with Client(server, mode="legacy") as client:
        yield client


async def call(name: str, kind: str) -> CallToolResult:
    async with caller() as client:
        return await client.call_tool(name, {"kind": kind})


@pytest.mark.parametrize("name", ["failing", "failing_later"])
@pytest.mark.parametrize(
    ("kind", "sentence"), [("refused", "it cannot be done"), ("known", "there is no journal")]
)
async def test_an_error_that_is_known_is_its_sentence(name: str, kind: str, sentence: str) -> None:
    """Also where the SDK checks structured content that is not there, as 2.0 does."""
    result = await call(name, kind)
    assert result.is_error
    assert text(result) == sentence


@pytest.mark.parametrize("name", ["failing", "failing_later"])
async def test_a_fault_of_ours_is_told_and_logged_without_its_text(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "engine"):
        result = await call(name, "Secret")
    assert result.is_error
    assert text(result) == "a fault of forefetch (KeyError); the log of forefetch mcp says where"
    assert f"tool {name} failed by a fault of forefetch: KeyError at " in caplog.text
    assert "test_result.py:" in caplog.text
    assert "Secret" not in caplog.text


async def test_errors_of_the_protocol_are_left_to_it() -> None:
    async with caller() as client:
        with pytest.raises(MCPError, match="as the protocol has it"):
            await client.call_tool("failing", {"kind": "protocol"})


async def test_what_is_wrong_with_structured_content_does_not_show_it() -> None:
    with pytest.raises(ValidationError) as caught:
        Number.model_validate({"number": "Secret"})
    assert "Secret" not in str(caught.value)


async def test_what_succeeds_has_both() -> None:
    result = await call("failing", "Aalto")
    assert (result.is_error, text(result), result.structured_content) == (False, "1", {"number": 1})
