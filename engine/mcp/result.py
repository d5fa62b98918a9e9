"""How tools answer: a text to read, the same as structured content, and whether it failed."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar, cast

from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel

from engine.errors import ForefetchError

_Tool = TypeVar("_Tool", bound=Callable[..., Any])


def told(text: str, content: BaseModel, *, failed: bool = False) -> CallToolResult:
    """A result; ``failed`` sets isError, so that no client takes it for a success."""
    return CallToolResult(
        content=[TextContent(type="text", text=text)],
        structured_content=content.model_dump(mode="json"),
        is_error=failed,
    )


def refused(text: str) -> CallToolResult:
    """What could not be done at all, and why."""
    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)


def clear(tool: _Tool) -> _Tool:
    """A tool whose known errors become results with isError and their own sentence."""
    if inspect.iscoroutinefunction(tool):

        @functools.wraps(tool)
        async def awaited(*args: Any, **named: Any) -> Any:
            try:
                return await tool(*args, **named)
            except ForefetchError as error:
                return refused(str(error))

        return cast(_Tool, awaited)

    @functools.wraps(tool)
    def called(*args: Any, **named: Any) -> Any:
        try:
            return tool(*args, **named)
        except ForefetchError as error:
            return refused(str(error))

    return cast(_Tool, called)
