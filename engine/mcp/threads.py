"""Threads of the tools' own. Those that the SDK has write to standard output: with each of them at an archive
that does not answer, nothing at all would be answered, a ping neither."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

_MOST = 100
_limiters: RunVar[anyio.CapacityLimiter] = RunVar("threads of tools")

_T = TypeVar("_T")


async def in_thread(work: Callable[[], _T], *, abandon: bool = False) -> _T:
    """What it comes to. Work that is canceled is waited for, unless ``abandon``, where something else ends
    it. One event loop has so many threads at the most; further work waits for its turn."""
    try:
        limiter = _limiters.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(_MOST)
        _limiters.set(limiter)
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=abandon, limiter=limiter)
