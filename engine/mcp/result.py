"""How tools answer: a text to read, the same as structured content, and whether it failed."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from mcp import MCPError
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel

from engine.errors import ForefetchError
from engine.logs import place_of
from engine.mcp.threads import in_thread

_log = logging.getLogger(__name__)
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
    """A tool whose errors become results with isError: known ones with their own sentence, a fault of ours
    without, for nobody knows what is in its text. One that blocks, a plain function, runs in a thread."""
    awaited = tool if inspect.iscoroutinefunction(tool) else _threaded(tool)

    @functools.wraps(tool)
    async def called(*args: Any, **named: Any) -> Any:
        try:
            return await awaited(*args, **named)
        except MCPError:
            raise
        except Exception as error:  # noqa: BLE001
            return _failed(tool.__name__, error)

    return cast(_Tool, called)


def _threaded(tool: Callable[..., Any]) -> Callable[..., Any]:
    async def awaited(*args: Any, **named: Any) -> Any:
        return await in_thread(functools.partial(tool, *args, **named))

    return awaited


def _failed(tool: str, error: Exception) -> CallToolResult:
    if isinstance(error, ForefetchError):
        return refused(str(error))
    _log.error("tool %s failed by a fault of forefetch: %s", tool, place_of(error))
    kind = type(error).__name__
    return refused(f"a fault of forefetch ({kind}); the log of forefetch mcp says where")
